"""The picture of a plan: curves within what can be, and the recommended policy on its own curve."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.plots.plan import kept_fraction_curve, plot_plan
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.plan import Plan, make_plan

RANDOM = np.random.default_rng(3)
SCORE = RANDOM.beta(0.4, 8, 4000)
EVENTS = LabelledEvents.from_arrays(SCORE, (RANDOM.random(4000) < SCORE).astype(float))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(EVENTS, Costs(0.1, 0.5, 100.0), n_replicas=20)


def test_a_curve_runs_from_the_floor_to_all_events(plan: Plan) -> None:
    curve = kept_fraction_curve(plan, EVENTS, 0.5, max_weight=100.0)
    kept, gain = curve.T
    assert (np.diff(kept) >= 0).all()
    assert kept[0] >= 0.01
    assert kept[-1] <= 1
    assert gain.max() <= plan.free_bound * 1.05


def test_no_curve_reaches_above_the_recommended_policy_but_by_chance(plan: Plan) -> None:
    best = plan.outlooks[0].speed_up
    for exponent in (0.25, 0.5, 1.0):
        curve = kept_fraction_curve(plan, EVENTS, exponent, plan.recommended.max_weight)
        assert curve[:, 1].max() < best.value + 2 * best.error


def test_every_policy_has_a_point_and_the_bound_a_line(plan: Plan) -> None:
    axes = plot_plan(plan, EVENTS).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert [outlook.label for outlook in plan.outlooks if outlook.label not in labels] == []
    assert any(
        line.get_ydata()[0] == pytest.approx(plan.free_bound) for line in axes.lines if line.get_linestyle() == "-."
    )
