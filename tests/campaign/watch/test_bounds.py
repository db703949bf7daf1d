"""Bounds on improbable deviations hold: against exact probabilities and against simulated campaigns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstwo

from smartbkg.campaign.watch.bounds import distance_limit, largest_distance, running_tail, tail


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5])
@pytest.mark.parametrize("n", [10, 200])
def test_the_tail_is_never_below_the_probability_of_a_binomial_deviation(n: int, p: float) -> None:
    deviation = np.arange(1, n) - n * p
    deviation = deviation[deviation > 0]
    exact = binom.sf(np.ceil(n * p + deviation) - 1, n, p) + binom.cdf(np.floor(n * p - deviation), n, p)
    assert (tail(deviation, n * p * (1 - p), max(p, 1 - p)) >= exact * (1 - 1e-9)).all()


def test_no_deviation_is_no_wonder_and_one_without_variance_is_impossible() -> None:
    assert tail([0.0, 1.0], [0.0, 0.0], [0.0, 0.0]).tolist() == [1.0, 0.0]


def test_looking_at_every_step_gives_no_more_false_alarms_than_stated() -> None:
    random = np.random.default_rng(5)
    q = 0.2
    steps = (random.random((2000, 400)) < q) - q
    sums, variance = np.cumsum(steps, axis=1), np.arange(1, 401) * q * (1 - q)
    ever = (running_tail(sums, variance, 1 - q) < 0.05).any(axis=1).mean()
    assert ever <= 0.05
    assert (running_tail(sums, variance, 1 - q) >= tail(sums, variance, 1 - q)).all(), "repeated looks cost"


def test_the_limit_of_a_distance_holds_for_the_exact_distribution_of_kolmogorov() -> None:
    for n in (5, 50, 500):
        assert kstwo.sf(distance_limit(n, 0.01), n) <= 0.01
    assert distance_limit(0, 0.01) == distance_limit(1, 0.01)


def test_the_distance_of_histograms_is_that_of_their_cumulative_shares() -> None:
    first, second = np.array([[1.0, 1.0, 2.0], [0, 0, 0]]), np.array([[0.0, 4.0, 4.0], [1, 2, 3]])
    np.testing.assert_allclose(largest_distance(first, second), [0.25, 0.0])
