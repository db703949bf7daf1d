"""The report of an evaluation: one self-contained HTML page, plots inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from smartbkg._version import __version__
from smartbkg.closure.check import VariableClosure
from smartbkg.evaluation.evaluate import CLOSURE_LIMIT, Evaluation
from smartbkg.plots.curves import (
    as_data_uri,
    plot_calibration,
    plot_closure,
    plot_learning,
    plot_roc,
    plot_scores,
    plot_weights,
)
from smartbkg.plots.page import page_environment
from smartbkg.plots.plan import plot_plan
from smartbkg.plots.variables import variable_title
from smartbkg.sampling.cost import BELLE_II_NOTE
from smartbkg.sampling.plan import Outlook
from smartbkg.scores.labels import split_labels
from smartbkg.storage.atomic import write_text_atomically


class _Card(NamedTuple):
    value: str
    meaning: str


class _Picture(NamedTuple):
    image: str
    caption: str


def _picture(figure: Figure, caption: str) -> _Picture:
    return _Picture(as_data_uri(figure), caption)


def _policy_row(speed_up: str, outlook: Outlook, *, n_effective: float, is_chosen: bool) -> dict[str, Any]:
    lost = f" (loses {outlook.lost_fraction:.1%} of passing events for ever)" if outlook.lost_fraction > 0 else ""
    return {
        "name": outlook.label + lost,
        "speed_up": speed_up if not lost else "biased",
        "kept_fraction": f"{outlook.kept_fraction:.2%}",
        "effective_sample_size": f"{n_effective:,.0f}",
        "largest_weight": f"{outlook.largest_weight:.3g}",
        "is_chosen": is_chosen,
    }


def _policy_rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    plan = evaluation.plan
    chosen_label = f"{evaluation.outlook.label} (this model)"
    outlooks = [evaluation.outlook._replace(label=chosen_label)]
    if evaluation.without_surrogate is not None:
        outlooks.append(evaluation.without_surrogate._replace(label="optimal, the network alone without the surrogate"))
    for place, outlook in enumerate([*outlooks, *plan.outlooks[1:]]):
        n_effective = evaluation.n_passing * evaluation.power_kept(outlook)
        yield _policy_row(plan.stated(outlook), outlook, n_effective=n_effective, is_chosen=place == 0)


def _closure_row(variable: VariableClosure, significance: float) -> dict[str, Any]:
    largest = max((abs(float(pull)) for pull in variable.pull if pull == pull), default=0.0)
    return {
        "name": variable_title(variable.name),
        "chi2": f"{variable.chi2:.1f} / {variable.n_bins}",
        "p_value": f"{variable.chi2_p_value:.3f}",
        "largest_pull": f"{largest:.2f}",
        "is_suspicious": variable.chi2_p_value < significance,
    }


def _model_pictures(evaluation: Evaluation) -> Iterator[_Picture]:
    events = evaluation.events
    label, score, weight = split_labels(
        events.label[:, 0], events.score[:, 0], np.abs(events.weight) * events.multiplicity
    )
    yield _picture(plot_roc(evaluation.roc), "Separation of passing and failing events.")
    yield _picture(plot_calibration(evaluation.calibration), "A calibrated score is the fraction that passes.")
    yield _picture(plot_scores(score, label, weight), "Scores of passing and failing events.")
    yield _picture(plot_plan(evaluation.plan, events), "Speed-up against the fraction of events that is simulated.")
    kept = evaluation.is_kept
    yield _picture(plot_weights(events.weight[kept] / evaluation.keep_probability[kept]), "Weights of kept events.")


def _learning_pictures(history: Sequence[Mapping[str, Any]]) -> Iterator[_Picture]:
    if history:
        yield _picture(plot_learning(history), "The training, on validation events.")


def _cards(evaluation: Evaluation) -> list[_Card]:
    outlook, roc = evaluation.outlook, evaluation.roc
    fraction = evaluation.power_kept(outlook)
    alone = evaluation.without_surrogate
    surrogate = [] if alone is None else [_Card(str(alone.speed_up), "speed-up of the network without its surrogate")]
    return [
        _Card(evaluation.plan.stated(outlook, digits=2), "speed-up at these costs"),
        *surrogate,
        _Card(f"{1 - outlook.kept_fraction:.1%}", "of the events need no simulation"),
        _Card(f"{roc.area:.3f} ± {roc.area_error:.3f}", "AUC"),
        _Card(f"{evaluation.plan.retention[0]:.2%}", "of the generated events pass"),
        _Card(f"{fraction:.1%}", "of the passing events' statistical power is kept"),
        _Card(f"p = {evaluation.closure.global_p_value:.3f}", "p-value of closure, all tests together"),
    ]


def render_report(
    evaluation: Evaluation,
    *,
    model_name: str,
    data_name: str,
    provenance: Sequence[tuple[str, str]] = (),
    history: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The report as one HTML page without references to other files.

    Parameters
    ----------
    provenance : (name, value) lines for the end of the page.
    history : epochs of the training as the model file keeps them, for the learning curves.
    """
    closure = evaluation.closure
    environment = page_environment("smartbkg.evaluation")
    titles = [(variable, variable_title(variable.name)) for variable in closure.variables]
    bound = f"Free bound for these scores: {evaluation.plan.free_bound:.2f}."
    oracle = evaluation.plan.oracle
    content = {
        "skim": evaluation.skim,
        "data_name": data_name,
        "model_name": model_name,
        "population": f"{evaluation.note[:1].upper()}{evaluation.note[1:]}.",
        "cards": _cards(evaluation),
        "is_unbiased": closure.is_compatible,
        "verdict": closure.verdict,
        "closure_limit": CLOSURE_LIMIT,
        "costs": evaluation.plan.costs,
        "costs_note": f" ({BELLE_II_NOTE})" if evaluation.plan.costs.are_belle_ii else "",
        "warnings": evaluation.warnings,
        "policies": list(_policy_rows(evaluation)),
        "policy_note": bound + ("" if oracle is None else f" A perfect filter would reach {oracle}."),
        "model_figures": [*_model_pictures(evaluation), *_learning_pictures(history)],
        "closure_rows": [_closure_row(variable, closure.significance) for variable in closure.variables],
        "closure_figures": [_picture(plot_closure(variable, title), title) for variable, title in titles],
        "provenance": [("smartbkg", __version__), *provenance],
    }
    return environment.get_template("report.html").render(report=content)


def write_report(path: Path, evaluation: Evaluation, **about: Any) -> None:
    """Write the page of `render_report`, whole or not at all."""
    write_text_atomically(path, render_report(evaluation, **about))
