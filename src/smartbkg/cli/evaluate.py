"""`smartbkg evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_costs, cost_options
from smartbkg.cli.outputs import PAGE
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import warn, words

if TYPE_CHECKING:
    from smartbkg.evaluation.evaluate import Evaluation


@click.command()
@click.argument("model", type=FILE)
@click.argument("dataset", required=False, type=FILE)
@click.option("--events", multiple=True, type=FILE, help="In place of DATASET: generated events (repeatable) ...")
@click.option("--flags", multiple=True, type=FILE, help="... and which of them passed (repeatable).")
@click.option("--output", "-o", type=PAGE, required=True, help="The report: one HTML page.")
@click.option("--skim", help="Skim to evaluate; needed where the model has several.")
@click.option("--policy", help="Evaluate this policy in place of the model's own.")
@cost_options
@click.option("--oracle", type=FILE, help="Table of `smartbkg oracle`: how good a perfect filter would be.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw that is checked for bias.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--without-surrogate", is_flag=True, help="Evaluate the model's network alone.")
@json_option
def command(
    model: Path,
    dataset: Path | None,
    events: tuple[Path, ...],
    flags: tuple[Path, ...],
    output: Path,
    skim: str | None,
    policy: str | None,
    t_gen: float,
    t_filter: float,
    t_sim: float,
    oracle: Path | None,
    seed: int,
    threads: int | None,
    without_surrogate: bool,
    as_json: bool,
) -> None:
    """Check MODEL on DATASET, or on --events with --flags: separation, calibration, speed-up, closure; write a report.

    Only events that the model was not trained on are used.
    """
    from smartbkg.datasets.on_the_way import data_sets
    from smartbkg.evaluation.files import evaluate_model

    given = () if dataset is None else (dataset,)
    with (
        data_sets(given, events, flags, () if skim is None else (skim,), output) as paths,
        progress_of("scoring", paths) as tally,
    ):
        evaluation = evaluate_model(
            model, paths[0], output, skim=skim, policy=policy, costs=choose_costs(t_gen, t_filter, t_sim),
            oracle=oracle, seed=seed, threads=threads, without_surrogate=without_surrogate, progress=tally.reach,
        )  # fmt: skip
    if as_json:
        print_json({"output": output, **_figures(evaluation)})
    with words(aside=as_json):
        _say(evaluation)
        click.echo(str(output.absolute()))


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """What the report says in numbers."""
    alone = evaluation.without_surrogate
    return {
        "auc": evaluation.roc.area,
        "auc_error": evaluation.roc.area_error,
        "events": evaluation.note,
        **evaluation.outlook._asdict(),
        "caution": evaluation.plan.caution,
        "costs": evaluation.plan.costs,
        "speed_up_without_surrogate": None if alone is None else alone.speed_up,
        "n_passing": evaluation.n_passing,
        "n_effective": evaluation.n_effective,
        "closure": evaluation.closure.verdict,
    }


def _say(evaluation: Evaluation) -> None:
    from smartbkg.evaluation.evaluate import CLOSURE_LIMIT
    from smartbkg.sampling.cost import BELLE_II_NOTE

    outlook = evaluation.outlook
    echo(f"AUC {evaluation.roc.area:.4f} ± {evaluation.roc.area_error:.4f}; {evaluation.note}")
    stated = evaluation.plan.stated(outlook)
    echo(f"speed-up {stated} with policy '{outlook.label}', {outlook.kept_fraction:.2%} simulated")
    if evaluation.plan.costs.are_belle_ii:
        echo(BELLE_II_NOTE)
    for warning in evaluation.warnings:
        warn(warning)
    if evaluation.without_surrogate is not None:
        echo(f"speed-up {evaluation.without_surrogate.speed_up} of the network alone, without the surrogate")
    echo(f"effective passing events {evaluation.n_effective:.0f} of {evaluation.n_passing:.6g}")
    echo(f"{evaluation.closure.verdict} ({CLOSURE_LIMIT})")
