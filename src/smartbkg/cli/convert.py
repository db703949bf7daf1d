"""`smartbkg convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.console import echo
from smartbkg.cli.options import FILE, choose_reading, progress_bar, reading_options, skipped_lines
from smartbkg.cli.outputs import EVENTS


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=FILE)
@click.argument("output", metavar="OUT", type=EVENTS)
@click.option("--allow-duplicates", is_flag=True, help="Accept events of the same experiment, run and number.")
@reading_options
def command(inputs: tuple[Path, ...], output: Path, allow_duplicates: bool, batch_size: int, **reading: Any) -> None:
    """Convert events from any readable format (several files: into one) to native Parquet or HepMC3.

    The suffix of OUT chooses the format: .parquet, .hepmc3, .hepmc3.gz, .hepmc3.xz, .hepmc3.zst; - is standard input
    and, as HepMC3, standard output.
    """
    from smartbkg.io.convert import convert_events

    with progress_bar() as bar:
        task = bar.add_task("converting", total=None)
        summary = convert_events(
            inputs, output, choose_reading(**reading), allow_duplicates=allow_duplicates, batch_size=batch_size,
            progress=lambda n: bar.update(task, completed=n),
        )  # fmt: skip
    lines = [f"{summary.n_events} events → {output}", *skipped_lines(summary.n_skipped, summary.skipped)]
    echo("\n".join(lines), err=True)
    if summary.n_duplicates:
        echo(f"{summary.n_duplicates} events come twice", err=True)
