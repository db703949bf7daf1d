"""`smartbkg filter`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from smartbkg.cli.json_output import as_plain, json_option, print_json, refuse_shared_output
from smartbkg.cli.options import (
    FILE,
    READING,
    choose_model,
    choose_reading,
    model_options,
    reading_options,
    skipped_lines,
)
from smartbkg.cli.outputs import EVENTS, JSON, TABLE
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import say, warn
from smartbkg.errors import UsageError

if TYPE_CHECKING:
    from smartbkg.filtering.event_filter import Draw, FilterTotals
    from smartbkg.io.hepmc.weights import WeightLayout

# What `event_filter`, `draw_key` and `smartbkg.io.hepmc.weights` define, said here so that --help costs no
# import of them; a test compares.
DRAWS: Final = ("independent", "systematic")
RULES: Final = (1, 2)
RULE: Final = 2
WEIGHT_LAYOUTS: Final = ("nominal", "separate")


@click.command()
@click.argument("sources", metavar="EVENTS...", nargs=-1, required=True, type=FILE)
@model_options
@click.option("--output", "-o", type=EVENTS, required=True, help="Kept events; the suffix chooses the format.")
@click.option("--policy", help="optimal, score, threshold=P, exp=A,B, file.py:function. Default: the model's own.")
@click.option("--max-weight", type=float, help="Largest weight of a named policy.")
@click.option("--skim", "skims", multiple=True, help="Filter for this skim (repeat for several). Default: all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@click.option(
    "--draw", type=click.Choice(DRAWS), default="independent", show_default=True,
    help="systematic: the number kept is within one event of what is expected, but it depends on the events' order.",
)  # fmt: skip
@click.option("--stream", help="Name that decides in place of the events' content; each job needs one of its own.")
@click.option(
    "--draw-rule", type=click.IntRange(min(RULES), max(RULES)), default=RULE, show_default=True,
    help="Version of the rule of the draw, to repeat an old one (1: seed and event ids alone).",
)  # fmt: skip
@click.option("--allow-duplicates", is_flag=True, help="Accept an event id that comes twice; both share their fate.")
@click.option(
    "--weight-layout", type=click.Choice(WEIGHT_LAYOUTS), default=WEIGHT_LAYOUTS[0], show_default=True,
    help="HepMC output. nominal: the first weight and every variation are divided by q; separate: one weight more.",
)  # fmt: skip
@click.option(
    "--totals", type=JSON, help="Also write the sample's totals (JSON): events, sums of weights, cross-section."
)
@click.option("--scores", type=TABLE, help="Also write every event's score, keep probability and fate.")
@reading_options
@json_option
def command(
    sources: tuple[Path, ...],
    output: Path,
    policy: str | None,
    max_weight: float | None,
    skims: tuple[str, ...],
    seed: int,
    draw: Draw,
    stream: str | None,
    draw_rule: int,
    allow_duplicates: bool,
    weight_layout: WeightLayout,
    totals: Path | None,
    scores: Path | None,
    batch_size: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Keep the events worth simulating, with weights that keep every sum unbiased.

    EVENTS are files of any readable format (or patterns such as 'run*.hepmc3.gz'), or - for standard input.
    """
    from smartbkg.events.skim_choice import choose_skims
    from smartbkg.filtering.event_filter import EventFilter
    from smartbkg.filtering.files import filter_file
    from smartbkg.filtering.policy_choice import choose_policy

    reading = {name: options.pop(name) for name in READING}
    refuse_shared_output(output, as_json=as_json)
    model = choose_model(**options)
    scorer = model.load()
    chosen = tuple(scorer.skims[position] for position in choose_skims(scorer.skims, skims))
    chosen_policy = choose_policy(policy, scorer.policy, chosen, str(model.path), max_weight)
    if draw == "systematic" and allow_duplicates:
        raise UsageError("--draw systematic with --allow-duplicates: events of one id would not share their fate")
    event_filter = EventFilter(
        scorer, chosen_policy, seed=seed, skims=chosen, skip_corrupt=reading["skip_corrupt"], draw=draw, stream=stream,
        rule=draw_rule,
    )  # fmt: skip
    settings = {"policy": chosen_policy.to_dict(), "seed": seed, "skims": list(chosen), "draw": draw}
    settings |= {
        "weight_layout": weight_layout,
        "draw_rule": draw_rule,
        **({} if stream is None else {"stream": stream}),
        **model.settings(scorer),
    }
    how = choose_reading(**reading)
    with progress_of("filtering", sources, how) as tally:
        counted = filter_file(
            sources, output, event_filter, settings=settings, inputs=(model.path,), scores=scores, totals=totals,
            options=how, allow_duplicates=allow_duplicates, batch_size=batch_size,
            progress=tally.reach,
        )  # fmt: skip
    if not chosen_policy.is_unbiased:
        warn(
            f"'{chosen_policy.label}' loses what scores below it for ever, the sample is biased: "
            "see `smartbkg reweight`"
        )
    if counted.n_events and counted.sample.sum_weight_squared == 0:
        warn("the generator weights of all events are 0: nothing kept counts for anything")
    if click.get_current_context().get_parameter_source("seed") is ParameterSource.DEFAULT:
        say(f"the seed of the draw is the default, {seed}")
    _print(counted, output)
    if as_json:
        print_json(
            {"output": output, "kept_fraction": counted.kept_fraction, **as_plain(counted), "settings": settings}
        )


def _print(totals: FilterTotals, output: Path) -> None:
    lines = [
        f"{totals.n_kept} of {totals.n_events} events kept ({totals.kept_fraction:.2%}) → {output}",
        f"sum of weights {totals.sum_weight:.6g}, of the generator {totals.sum_generator_weight:.6g}; "
        f"largest weight {totals.largest_weight:.4g}",
    ]
    lines += skipped_lines(totals.n_skipped, totals.skipped)
    if totals.n_unknown_codes:
        lines.append(f"{totals.n_unknown_codes} particles of unknown PDG code")
    say("\n".join(lines))
