"""From asked events to a combined score: more replicas tell more, and the metrics are of events that fitted nothing."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.sampling.cost import Costs
from smartbkg.scores.logistic import expit
from smartbkg.surrogate.stored import SurrogateRecord
from smartbkg.training.surrogate.asked_events import N_FOLDS, AskedEvents
from smartbkg.training.surrogate.combined_score import (
    SurrogateSettings,
    evaluate_combination,
    fit_stages,
    solve_record,
)

STAGES = (4, 16)


def asked(n: int = 3000, seed: int = 1) -> AskedEvents:
    """Events whose pass probability the replicas measure, and of which the network sees a part."""
    random = np.random.default_rng(seed)
    seen, hidden = random.normal(-3, 1.2, n), random.normal(0, 1.5, n)
    p = expit(seen + hidden)
    passes = random.random((n, STAGES[-1])) < p[:, None]
    passed = np.stack([passes[:, :stage].sum(axis=1) for stage in STAGES], axis=1).astype(np.int32)[:, :, None]
    label = (random.random(n) < p).astype(float)[:, None]
    return AskedEvents(
        seen[:, None], passed, label, np.ones(n), np.ones(n), np.arange(n) % N_FOLDS, np.full(n, "mixed")
    )


@pytest.fixture(scope="module")
def solved() -> SurrogateRecord:
    events = asked()
    unsolved = SurrogateRecord(
        "toy", "toy", "1", "0" * 64, {}, fit_stages(events, STAGES), n_replicas=STAGES[-1], seconds_per_replica=1e-4
    )
    return solve_record(unsolved, events, SurrogateSettings(n_replicas=16), keep_replicas=True)


def test_replicas_that_measure_the_pass_probability_raise_speed_up_and_area(solved: SurrogateRecord) -> None:
    found = evaluate_combination(solved, asked(seed=2), SurrogateSettings(n_replicas=16), has_network=True)
    assert found.without is not None
    assert found.with_surrogate.value > found.without.value + 3 * found.with_surrogate.error
    assert 0.8 < found.area[0] < 1
    assert 1 <= found.mean_replicas <= 16


def test_the_trade_names_each_stage_and_more_replicas_are_expected_to_gain(solved: SurrogateRecord) -> None:
    assert [row["replicas"] for row in solved.trade] == list(STAGES)
    assert solved.trade[1]["expected_speed_up"] > solved.trade[0]["expected_speed_up"]
    assert all(row["seconds"] == pytest.approx(row["mean_replicas"] * 1e-4) for row in solved.trade)


def test_without_a_network_there_is_nothing_to_compare_with(solved: SurrogateRecord) -> None:
    found = evaluate_combination(solved, asked(seed=3), SurrogateSettings(n_replicas=16), has_network=False)
    assert found.without is None


def test_asking_is_paid_for_in_the_costs() -> None:
    costs = Costs(1.0, 0.5, 100.0)
    assert SurrogateSettings(costs=costs).costs_with(0.25).filtering == 0.75
