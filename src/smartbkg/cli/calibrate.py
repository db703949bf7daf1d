"""`smartbkg calibrate`: the combined score of a model and a surrogate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_costs, cost_options
from smartbkg.cli.outputs import MODEL
from smartbkg.cli.progress import progress
from smartbkg.cli.speech import say
from smartbkg.errors import UsageError

if TYPE_CHECKING:
    from smartbkg.training.surrogate.files import SurrogateOutcome


@click.command()
@click.argument("paths", metavar="[MODEL] DATASET...", nargs=-1, required=True, type=FILE)
@click.option(
    "--surrogate", "surrogate_name", required=True, metavar="NAME",
    help="A detector (belle2, alternative, FILE.json) or a program 'mysim {input} {output}'.",
)  # fmt: skip
@click.option("--replicas", default=64, show_default=True, type=click.IntRange(min=1), help="Of each event, at most.")
@click.option("--output", "-o", type=MODEL, help="Write the model to this file.")
@click.option("--write", is_flag=True, help="Write the surrogate into MODEL itself.")
@click.option("--skim", "skims", multiple=True, help="Without MODEL: for this skim (repeat for several). Default: all.")
@click.option("--importance", multiple=True, type=float, help="Importance of each skim, in their order.")
@click.option("--max-weight", default=25.0, show_default=True, help="Largest weight of the policy.")
@click.option(
    "--max-events", default=10_000, show_default=True, type=click.IntRange(min=100), help="Events asked at most."
)
@click.option(
    "--least-gain",
    type=click.FloatRange(min=0),
    help="End replicas that save less of a simulation. Default: their cost.",
)
@click.option("--seed", default=0, show_default=True, help="Of the surrogate's random numbers.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@cost_options
@json_option
def command(
    paths: tuple[Path, ...],
    surrogate_name: str,
    replicas: int,
    output: Path | None,
    write: bool,
    skims: tuple[str, ...],
    importance: tuple[float, ...],
    max_weight: float,
    max_events: int,
    least_gain: float | None,
    seed: int,
    threads: int,
    t_gen: float,
    t_filter: float,
    t_sim: float,
    as_json: bool,
) -> None:
    """Give MODEL a surrogate: fit its combined score and policy on the labelled events of DATASET.

    Without MODEL the surrogate alone is the model. Some hundred passing events suffice.
    """
    from smartbkg.io.counting import count_events
    from smartbkg.surrogate.registry import open_surrogate
    from smartbkg.training.surrogate.combined_score import SurrogateSettings
    from smartbkg.training.surrogate.files import add_surrogate

    model = paths[0] if paths[0].suffix == ".safetensors" else None
    datasets = paths if model is None else paths[1:]
    if not datasets:
        raise UsageError(f"{model}: name a data set besides the model")
    if write and output is not None:
        raise UsageError("--write changes the model itself and --output writes a copy: give one of the two")
    target = model if write else output
    if target is None:
        raise UsageError("where to? --output FILE writes a new model, --write changes MODEL itself")
    settings = SurrogateSettings(
        replicas, max_events, choose_costs(t_gen, t_filter, t_sim), max_weight, importance or None, least_gain, seed,
        threads,
    )  # fmt: skip
    counted = count_events(datasets)
    total = None if counted is None else min(counted.n_events, max_events)  # fewer, where the network learned from some
    with progress("asking the surrogate", total, is_estimate=True) as tally:
        outcome = add_surrogate(
            model, datasets, target, open_surrogate(surrogate_name), settings, skims=skims,
            progress=tally.advance,
        )  # fmt: skip
    say_outcome(outcome, target)
    if as_json:
        print_json({"output": target, **contents_of_outcome(outcome)})


def contents_of_outcome(outcome: SurrogateOutcome) -> dict[str, Any]:
    """What ``--json`` prints of it."""
    skims, metrics = outcome.bundle.skims, outcome.metrics
    return {
        "surrogate": outcome.surrogate.name,
        "n_events": outcome.n_events,
        "n_passing": dict(zip(skims, outcome.n_passing, strict=True)),
        "auc": dict(zip(skims, metrics.area, strict=True)),
        "speed_up": metrics.with_surrogate,
        "speed_up_without_surrogate": metrics.without,
        "mean_replicas": metrics.mean_replicas,
        "trade": outcome.surrogate.trade,
    }


def say_outcome(outcome: SurrogateOutcome, target: Path) -> None:
    """What the surrogate adds."""
    metrics, skims = outcome.metrics, outcome.bundle.skims
    passing = ", ".join(f"{n} pass {skim}" for skim, n in zip(skims, outcome.n_passing, strict=True))
    say(f"{target}: surrogate {outcome.surrogate.name}, fitted on {outcome.n_events} events ({passing})")
    for row in outcome.surrogate.trade:
        say(
            f"  {row['replicas']:5d} replicas: {row['mean_replicas']:6.1f} of an event, "
            f"{1000 * row['seconds']:7.2f} ms, expected speed-up {row['expected_speed_up']:.3f}"
        )
    areas = ", ".join(f"{skim} {area:.4f}" for skim, area in zip(skims, metrics.area, strict=True))
    alone = "" if metrics.without is None else f", {metrics.without} without it"
    say(f"speed-up {metrics.with_surrogate}{alone}; AUC {areas}")
