"""`smartbkg show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, READING, choose_model, choose_reading, model_options, reading_options
from smartbkg.cli.outputs import DRAWING
from smartbkg.cli.speech import say

if TYPE_CHECKING:
    from smartbkg.inspection.drawing import DecayTree


@click.command()
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--event", "number", type=int, help="Event number. Default: the first event.")
@click.option("--output", "-o", type=DRAWING, help="Picture to write (.svg). Default: draw in the terminal.")
@model_options
@reading_options
@json_option
def command(
    source: Path, number: int | None, output: Path | None, batch_size: int, as_json: bool, **options: Any
) -> None:
    """Draw one event's decay tree.

    With --model, colours say how much the network's answer changes when a particle is left out.
    """
    from smartbkg.inspection.drawing import DecayTree, draw_event, find_event, influence, tree_text
    from smartbkg.inspection.summary import print_description

    reading = choose_reading(**{name: options.pop(name) for name in READING})
    if output is None and as_json:
        print_json(_contents(DecayTree.of(find_event(source, number, reading, batch_size))))
        return
    if output is None:
        print_description(tree_text(DecayTree.of(find_event(source, number, reading, batch_size)), largest=1000))
        return
    highlight = None
    if options["model"] is not None or options["global_tag"] is not None:
        scorer = choose_model(**options).load()
        highlight = lambda event: influence(scorer.logits, event)  # noqa: E731
    event = draw_event(source, output, number, reading, highlight=highlight, batch_size=batch_size)
    say(f"event {event[2]} (experiment {event[0]}, run {event[1]}) → {output}")
    if as_json:
        print_json({"output": output, "experiment": event[0], "run": event[1], "evtNum": event[2]})


def _contents(tree: DecayTree) -> dict[str, Any]:
    """What ``--json`` prints of an event: its id, and its particles with the positions of their mothers."""
    columns = zip(tree.names, tree.energy.tolist(), tree.mother.tolist(), tree.is_particle.tolist(), strict=True)
    names = ("name", "energy", "mother", "is_particle")
    return {
        "experiment": tree.event[0],
        "run": tree.event[1],
        "evtNum": tree.event[2],
        "particles": [dict(zip(names, row, strict=True)) for row in columns],
    }
