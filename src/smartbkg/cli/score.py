"""`smartbkg score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import (
    FILE,
    READING,
    choose_model,
    choose_reading,
    model_options,
    reading_options,
    skipped_lines,
)
from smartbkg.cli.outputs import TABLE
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import say


@click.command()
@click.argument("sources", metavar="EVENTS...", nargs=-1, required=True, type=FILE)
@model_options
@click.option("--output", "-o", type=TABLE, required=True, help="Table of experiment, run, evtNum, logit, score.")
@click.option("--allow-duplicates", is_flag=True, help="Accept an event id that comes twice.")
@reading_options
@json_option
def command(
    sources: tuple[Path, ...], output: Path, allow_duplicates: bool, batch_size: int, as_json: bool, **options: Any
) -> None:
    """Write every event's logit and calibrated score to a Parquet table."""
    from smartbkg.filtering.files import score_file

    reading = {name: options.pop(name) for name in READING}
    model = choose_model(**options)
    scorer = model.load()
    how = choose_reading(**reading)
    with progress_of("scoring", sources, how) as tally:
        summary = score_file(
            sources, output, scorer, inputs=(model.path,),
            settings={"skims": list(scorer.skims)} | model.settings(scorer),
            options=how, allow_duplicates=allow_duplicates, batch_size=batch_size,
            progress=tally.reach,
        )  # fmt: skip
    unknown = f", {scorer.n_unknown_codes} particles of unknown PDG code" if scorer.n_unknown_codes else ""
    lines = [f"{summary.n_events} events scored{unknown} → {output}"]
    say("\n".join(lines + skipped_lines(summary.n_skipped, summary.skipped)))
    if as_json:
        print_json({"output": output, "n_unknown_codes": scorer.n_unknown_codes, **summary._asdict()})
