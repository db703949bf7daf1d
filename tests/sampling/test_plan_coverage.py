"""The speed-up is a ratio: what it is off by on average, and how often its error covers the truth."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.plan import LEAST_PASSING, Outlook, Plan, make_plan

COSTS = Costs(0.08, 0.63, 97.04)
N_SEEDS = 60


def outlooks(n_events: int, n_skims: int, mean: float, seed: int, n_replicas: int) -> dict[str, Outlook]:
    """A plan on calibrated scores, whose logits are normal."""
    random = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-random.normal(mean, 2, (n_events, n_skims))))
    events = LabelledEvents.from_arrays(
        score, random.random(score.shape) < score, skims=[f"skim{k}" for k in range(n_skims)]
    )
    plan = make_plan(events, COSTS, n_replicas=n_replicas)
    return {"optimal": plan.outlooks[0], "score": plan.outlooks[1]}


@pytest.mark.parametrize(
    ("n_events", "n_skims", "mean"), [(4000, 1, -4.0), (3000, 3, -4.0), (2500, 1, -6.5)], ids=["one", "three", "rare"]
)
def test_errors_of_the_optimal_speed_up_cover_the_truth(n_events: int, n_skims: int, mean: float) -> None:
    """Over 60 samples 68.3 % are 41 ± 3.6, 95.4 % are 57.3 ± 1.6; a rare skim has 20 passing events."""
    truth = outlooks(400_000, n_skims, mean, 999, 2)["optimal"].speed_up.value
    found = np.array([outlooks(n_events, n_skims, mean, seed, 60)["optimal"].speed_up for seed in range(N_SEEDS)])
    pulls = np.abs(found[:, 0] - truth) / found[:, 1]
    assert 0.55 <= (pulls < 1).mean() <= 0.85
    assert (pulls < 2).mean() >= 0.88
    excess = found[:, 0].mean() / truth - 1
    expected = np.median((found[:, 1] / found[:, 0]) ** 2)
    assert abs(excess - expected) < 3 * found[:, 0].std() / truth / np.sqrt(N_SEEDS) + 0.01


def test_a_speed_up_from_few_events_of_large_weight_says_that_it_is_too_high() -> None:
    """q = p keeps a rare event with a weight of thousands: most samples hold none, and their ratio is too good."""
    truth = outlooks(400_000, 1, -6.5, 999, 2)["score"].speed_up.value
    found = [outlooks(2500, 1, -6.5, seed, 60)["score"] for seed in range(30)]
    assert np.mean([one.speed_up.value for one in found]) > 1.1 * truth
    assert np.median([one.expected_excess for one in found]) > 0.05
    assert outlooks(100_000, 1, -4.0, 1, 60)["optimal"].expected_excess < 0.001


def test_a_plan_on_few_passing_events_says_that_nothing_is_known() -> None:
    """One event gives 1/q of one event: a bootstrap error near zero, and the number is anything from 0.9 to 5."""
    found = [few_passing(seed) for seed in range(200)]
    single = [plan for plan in found if plan.n_passing == (1,)]
    assert len(single) > 10
    truth = outlooks(400_000, 1, -6.5, 999, 2)["optimal"].speed_up.value
    pulls = np.array(
        [abs(plan.outlooks[0].speed_up.value - truth) / plan.outlooks[0].speed_up.error for plan in single]
    )
    assert np.median(pulls) > 3, "the error that used to be printed says nothing"
    for plan in single:
        assert plan.caution is not None
        assert plan.caution.startswith("1 of 300 events passes 'skim': too few to tell a speed-up or its error")
        assert plan.stated(plan.outlooks[0]) == "not known"
        assert plan.loss is None
        assert plan.own_estimate == pytest.approx(truth, rel=0.5)
    enough = [plan for plan in found if min(plan.n_passing) >= LEAST_PASSING]
    assert all(plan.caution is None for plan in enough)


def few_passing(seed: int) -> Plan:
    random = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-random.normal(-6.5, 2, (300, 1))))
    label = random.random(score.shape) < score
    label[0] = True  # at least one
    label[1] = False
    return make_plan(LabelledEvents.from_arrays(score, label, skims=["skim"]), COSTS, n_replicas=30, compared=())


def test_scores_that_are_probabilities_tell_the_speed_up_that_few_passing_events_overstate() -> None:
    """q = p of a rare skim: labels give 0.77 where 0.54 is right, the scores know it."""
    truth = outlooks(400_000, 1, -6.5, 999, 2)["score"].speed_up.value
    found = [outlooks(2500, 1, -6.5, seed, 5)["score"] for seed in range(30)]
    by_scores = np.array([one.own_estimate for one in found])
    assert by_scores.mean() == pytest.approx(truth, rel=0.1)
    assert by_scores.std() < 0.5 * np.std([one.speed_up.value for one in found])
