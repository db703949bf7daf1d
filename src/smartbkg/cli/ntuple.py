"""`smartbkg ntuple`."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import NTUPLE
from smartbkg.cli.speech import say, warn


@click.command()
@click.argument("source", metavar="NTUPLE", type=FILE)
@click.argument("kept", nargs=-1, required=True, type=FILE)
@click.option("--output", "-o", type=NTUPLE, required=True, help="ROOT file to write.")
@click.option("--tree", help="Tree to copy, where the file holds several; or to make from a table.")
@click.option("--drop-unknown", is_flag=True, help="Leave out rows of events without a weight.")
@json_option
def command(
    source: Path, kept: tuple[Path, ...], output: Path, tree: str | None, drop_unknown: bool, as_json: bool
) -> None:
    """Copy NTUPLE (a ROOT file, or a Parquet table of flags and variables) and add the weights of the KEPT events."""
    from smartbkg.filtering.ntuples import add_weights, table_to_ntuple

    if source.suffix in (".parquet", ".pq"):
        summary = table_to_ntuple(source, kept, output, tree or "events")
    else:
        summary = add_weights(source, kept, output, tree, drop_unknown=drop_unknown)
    for warning in summary.warnings:
        warn(warning)
    left_out = f", {summary.n_without_weight} rows without weight left out" if summary.n_without_weight else ""
    say(f"{output}: {summary.n_rows} rows of {summary.n_events} events{left_out}")
    if as_json:
        print_json({"output": output, **summary._asdict()})
