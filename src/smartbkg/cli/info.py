"""`smartbkg info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.options import FILE, choose_reading, reading_options


@click.command()
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--max-events", type=click.IntRange(min=1), help="Stop after so many events.")
@reading_options
def command(source: Path, max_events: int | None, batch_size: int, **reading: Any) -> None:
    """What FILE holds: events, processes, particles, unknown codes, provenance, and the first event's decay tree.

    Tables of flags and scores are described, too.
    """
    from smartbkg.inspection.summary import describe_file, print_description

    print_description(describe_file(source, choose_reading(**reading), max_events=max_events, batch_size=batch_size))
