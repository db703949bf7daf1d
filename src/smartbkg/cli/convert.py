"""`smartbkg convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.json_output import json_option, print_json, refuse_shared_output
from smartbkg.cli.options import FILE, choose_reading, reading_options, skipped_lines
from smartbkg.cli.outputs import EVENTS
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import say


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=FILE)
@click.argument("output", metavar="OUT", type=EVENTS)
@click.option("--allow-duplicates", is_flag=True, help="Accept events of the same experiment, run and number.")
@reading_options
@json_option
def command(
    inputs: tuple[Path, ...], output: Path, allow_duplicates: bool, batch_size: int, as_json: bool, **reading: Any
) -> None:
    """Convert events from any readable format (several files: into one) to native Parquet or HepMC3.

    The suffix of OUT chooses the format: .parquet, .hepmc3, .hepmc3.gz, .hepmc3.xz, .hepmc3.zst; - is standard input
    and, as HepMC3, standard output.
    """
    from smartbkg.io.convert import convert_events

    refuse_shared_output(output, as_json=as_json)
    how = choose_reading(**reading)
    with progress_of("converting", inputs, how) as tally:
        summary = convert_events(
            inputs, output, how, allow_duplicates=allow_duplicates, batch_size=batch_size,
            progress=tally.reach,
        )  # fmt: skip
    lines = [f"{summary.n_events} events → {output}", *skipped_lines(summary.n_skipped, summary.skipped)]
    if summary.n_duplicates:
        lines.append(f"{summary.n_duplicates} events come twice")
    if summary.has_default_ids:
        lines.append(
            "event ids are the defaults (experiment 0, run 0): events of another file may carry the same ids, "
            "unless it is converted with a --run of its own"
        )
    say("\n".join(lines))
    if as_json:
        print_json({"output": output, **summary._asdict()})
