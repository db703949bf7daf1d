"""The speed-up is a ratio: what it is off by on average, and how often its error covers the truth."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.plan import Outlook, make_plan

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
