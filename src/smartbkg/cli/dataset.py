"""`smartbkg dataset`: join events with flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.outputs import TABLE
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import say
from smartbkg.errors import UsageError

if TYPE_CHECKING:
    from smartbkg.datasets.header import DatasetSummary


@click.command()
@click.argument("events", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--flags", multiple=True, type=click.Path(path_type=Path), help="Flags of these events; repeatable.")
@click.option("--skim", "skims", multiple=True, help="Skim to label, repeatable; 'all' for all that the flags hold.")
@click.option("--output", "-o", required=True, type=TABLE, help="Data set to write.")
@click.option("--max-failing", type=int, help="Keep about so many of the events that pass no skim.")
@click.option("--failing-per-passing", type=float, help="Keep about so many failing events for each passing one.")
@click.option("--missing", type=click.Choice(["error", "failing", "drop"]), default="error", show_default=True,
              help="What an event without flags is.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice of failing events.")
@click.option("--allow-other-events", is_flag=True,
              help="Accept flags made from other events, or another file, of the same ids.")  # fmt: skip
@click.option("--part", "is_part", is_flag=True, help="Part of a larger sample: one class alone is no mistake.")
@click.option("--merge", is_flag=True, help="EVENTS are data sets: combine them into one.")
@json_option
def command(
    events: tuple[Path, ...],
    flags: tuple[Path, ...],
    skims: tuple[str, ...],
    output: Path,
    max_failing: int | None,
    failing_per_passing: float | None,
    missing: Literal["error", "failing", "drop"],
    seed: int,
    allow_other_events: bool,
    is_part: bool,
    merge: bool,
    as_json: bool,
) -> None:
    """Join EVENTS with the flags of the skims they passed into a training data set."""
    from smartbkg.datasets.build import DatasetOptions, build_dataset
    from smartbkg.datasets.combine import merge_datasets

    if merge:
        if flags or skims or max_failing is not None or failing_per_passing is not None:
            raise UsageError("--merge takes data sets as they are: leave out --flags, --skim and the sampling options")
        summary = merge_datasets(events, output, is_part=is_part)
    else:
        options = DatasetOptions(
            skims or ("all",), missing, max_failing, failing_per_passing, seed, allow_other_events=allow_other_events,
            is_part=is_part,
        )  # fmt: skip
        with progress_of("joining", events) as tally:
            summary = build_dataset(events, flags, output, options, progress=tally.reach)
    if as_json:
        print_json({"output": output, **summary.to_metadata(), "variables": summary.variables})
    _show(summary, output)


def _show(summary: DatasetSummary, output: Path) -> None:
    total = summary.total
    say(f"{output}: {total.n_written} events of {total.n_events}, {len(summary.variables)} variables")
    for skim in summary.skims:
        rates = ", ".join(f"{name or 'unknown'} {100 * c.retention(skim):.3g} %" for name, c in summary.counts.items())
        say(f"  {skim}: {total.passing.get(skim, 0):.6g} pass ({rates})")
    if summary.n_missing:
        say(f"  {summary.n_missing} events had no flags")
