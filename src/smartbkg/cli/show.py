"""`smartbkg show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.console import echo
from smartbkg.cli.options import FILE, READING, choose_model, choose_reading, model_options, reading_options
from smartbkg.cli.outputs import DRAWING


@click.command()
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--event", "number", type=int, help="Event number. Default: the first event.")
@click.option("--output", "-o", type=DRAWING, help="Picture to write (.svg). Default: draw in the terminal.")
@model_options
@reading_options
def command(source: Path, number: int | None, output: Path | None, batch_size: int, **options: Any) -> None:
    """Draw one event's decay tree.

    With --model, colours say how much the network's answer changes when a particle is left out.
    """
    from smartbkg.inspection.drawing import DecayTree, draw_event, find_event, influence, tree_text
    from smartbkg.inspection.summary import print_description

    reading = choose_reading(**{name: options.pop(name) for name in READING})
    if output is None:
        print_description(tree_text(DecayTree.of(find_event(source, number, reading, batch_size)), largest=1000))
        return
    highlight = None
    if options["model"] is not None or options["global_tag"] is not None:
        scorer = choose_model(**options).load()
        highlight = lambda event: influence(scorer.logits, event)  # noqa: E731
    event = draw_event(source, output, number, reading, highlight=highlight, batch_size=batch_size)
    echo(f"event {event[2]} (experiment {event[0]}, run {event[1]}) → {output}", err=True)
