"""Figures of the report: what is drawn is what was given, and the global style is left alone."""

from __future__ import annotations

import base64

import matplotlib as mpl
import numpy as np
import pytest

from smartbkg.closure.report import VariableClosure
from smartbkg.plots.curves import (
    as_data_uri,
    new_figure,
    plot_calibration,
    plot_closure,
    plot_learning,
    plot_roc,
    plot_scores,
    plot_weights,
)
from smartbkg.scores.metrics import calibration_curve, roc

RANDOM = np.random.default_rng(0)
SCORE = RANDOM.beta(0.5, 4, 3000)
LABEL = RANDOM.random(3000) < SCORE
CLOSURE = VariableClosure(
    "Mbc", np.array([5.2, 5.25, 5.3]), np.array([10.0, 20]), np.array([10.0, 20]), np.array([9.0, 21]),
    np.array([30.0, 60]), np.array([np.nan, -8.0]), 1, 0.5, 0.1, 0.5, 0.0, 0.0, 0.0,
)  # fmt: skip


def test_the_global_style_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    for figure in (plot_roc(roc(LABEL, SCORE, n_bootstrap=3)), plot_weights(np.ones(9)), plot_closure(CLOSURE, "x")):
        as_data_uri(figure)
    assert dict(mpl.rcParams) == before


def test_the_curve_and_its_area_are_those_given() -> None:
    curve = roc(LABEL, SCORE, n_bootstrap=5)
    (axes,) = plot_roc(curve).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), curve.true_positive_rate)
    assert f"{curve.area:.3f}" in axes.get_title()


def test_calibration_is_drawn_on_equal_logarithmic_axes_that_hold_all_points() -> None:
    curve = calibration_curve(LABEL, SCORE, n_bins=10)
    (axes,) = plot_calibration(curve).axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[1] > max(curve.mean_score.max(), curve.pass_fraction.max())


def test_scores_of_both_classes_are_normalised_to_one() -> None:
    (axes,) = plot_scores(SCORE, LABEL, np.ones(3000)).axes
    for steps in axes.patches:
        assert steps.get_data().values.sum() == pytest.approx(1.0)
    assert len(axes.patches) == 2


@pytest.mark.parametrize("score", [np.zeros(4), np.full(4, 0.3)])
def test_scores_that_are_all_alike_can_be_drawn(score: np.ndarray) -> None:
    as_data_uri(plot_scores(score, np.array([True, False, True, False]), np.ones(4)))


def test_pulls_beyond_the_usual_range_are_inside_the_axis() -> None:
    above, below = plot_closure(CLOSURE, "M_bc [GeV]").axes
    assert below.get_ylim()[0] < -8 < 8 < below.get_ylim()[1]
    assert below.get_xlabel() == "M_bc [GeV]"
    assert above.get_ylim()[0] == 0


def test_the_last_best_epoch_is_marked() -> None:
    same = {"training_loss": 1.0, "validation_loss": 1.0, "auc": 0.7, "speed_up": 1.0}
    rows = [same | {"epoch": k, "is_best": k in (1, 3)} for k in range(1, 5)]
    above = plot_learning(rows).axes[0]
    assert [line.get_xdata()[0] for line in above.lines if line.get_linestyle() == ":"] == [3]


def test_the_same_figure_is_the_same_text_without_a_date() -> None:
    figure, axes = new_figure(height=2.0)
    axes.plot([0, 1])
    assert figure.get_size_inches()[1] == 2.0
    prefix, _, content = as_data_uri(figure).partition(",")
    assert prefix == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(content)
    assert b"dc:date" not in base64.b64decode(content)
