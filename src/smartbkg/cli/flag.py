"""`smartbkg flag`."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import TABLE
from smartbkg.cli.speech import say
from smartbkg.errors import UsageError
from smartbkg.io import ReadOptions


@click.command()
@click.argument("sources", metavar="SKIMMED...", nargs=-1, required=True, type=FILE)
@click.option("--output", "-o", type=TABLE, required=True, help="Table of flags to write (Parquet).")
@click.option("--skim", default="skim", show_default=True, help="Name of the skim.")
@click.option("--cut", "cuts", multiple=True, help="Rows that count, as 'Mbc > 5.27' (repeat for several).")
@click.option("--events", "all_events", multiple=True, type=FILE, help="Files of all generated events (repeatable).")
@click.option("--variable", "variables", multiple=True, help="Column to keep as event-level variable (repeatable).")
@click.option("--all-variables", is_flag=True, help="Keep all columns of numbers.")
@click.option("--experiment", type=int, help="Experiment number, where the file has none.")
@click.option("--run", type=int, help="Run number, where the file has none.")
@click.option("--allow-duplicates", is_flag=True, help="Accept that an event comes twice in a file of events.")
@json_option
def command(
    sources: tuple[Path, ...],
    output: Path,
    skim: str,
    cuts: tuple[str, ...],
    all_events: tuple[Path, ...],
    variables: tuple[str, ...],
    all_variables: bool,
    experiment: int | None,
    run: int | None,
    allow_duplicates: bool,
    as_json: bool,
) -> None:
    """Write which events passed a skim: those in SKIMMED.

    SKIMMED is a skimmed mDST or uDST, an n-tuple (ROOT with __experiment__, __run__, __event__; Parquet; CSV), a list
    of event numbers (Parquet), or a training file with labels. With --cut, an event passes if one of its rows does;
    with --events, the events that are in those files alone are listed as not passing.
    """
    from smartbkg.datasets.make_flags import make_flags

    if variables and all_variables:
        raise UsageError("--variable names some columns and --all-variables takes all: give one of the two")
    summary = make_flags(
        sources, output, skim, all_events=all_events, selections=cuts, variables=None if all_variables else variables,
        allow_duplicates=allow_duplicates,
        options=ReadOptions(experiment=experiment, run=run),
    )  # fmt: skip
    say(f"{summary.n_passing} of {summary.n_events} events pass {skim} → {output}")
    if as_json:
        print_json({"output": output, "skim": skim, **summary._asdict()})
