"""`smartbkg info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_reading, reading_options


@click.command()
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--max-events", type=click.IntRange(min=1), help="Stop after so many events.")
@reading_options
@json_option
def command(source: Path, max_events: int | None, batch_size: int, as_json: bool, **reading: Any) -> None:
    """What FILE holds: events, processes, particles, unknown codes, provenance, and the first event's decay tree.

    Tables of flags and scores are described, too.
    """
    from smartbkg.inspection.summary import contents_of_file, describe_file, print_description

    options = choose_reading(**reading)
    if as_json:
        print_json(contents_of_file(source, options, max_events=max_events, batch_size=batch_size))
        return
    print_description(describe_file(source, options, max_events=max_events, batch_size=batch_size))
