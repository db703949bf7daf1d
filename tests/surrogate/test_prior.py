"""What is believed of a surrogate before and after it was asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.scores.logistic import expit
from smartbkg.surrogate.prior import LOGIT_RANGE, BetaPrior, fit_prior

PRIOR = BetaPrior((-1.0, 3.0, 0.2), (0.5, -0.4))


@given(st.floats(-30, 30), st.integers(0, 64), st.integers(0, 64))
def test_the_posterior_lies_between_prior_and_what_was_seen(logit: float, passed: int, more: int) -> None:
    n = passed + more
    column = np.array([logit])
    mean = PRIOR.shape(column)[0][0]
    found = PRIOR.posterior_mean(column, np.array([passed], np.int32), np.array([n], np.int32))[0]
    low, high = sorted((mean, passed / n if n else mean))
    assert low - 1e-12 <= found <= high + 1e-12
    assert 0 < found < 1


def test_more_replicas_move_the_posterior_towards_their_fraction() -> None:
    column = np.full(4, -2.0)
    n = np.array([0, 4, 64, 4096], np.int32)
    found = PRIOR.posterior_mean(column, n // 2, n)
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(0.5, abs=0.01)


def test_logits_beyond_the_range_are_held_at_its_ends() -> None:
    inside = PRIOR.shape(np.array(LOGIT_RANGE))
    outside = PRIOR.shape(np.array([LOGIT_RANGE[0] - 50, LOGIT_RANGE[1] + 50]))
    np.testing.assert_array_equal(inside, outside)


def test_without_a_network_the_prior_is_one_number() -> None:
    random = np.random.default_rng(1)
    p = random.beta(1.0, 9.0, 5000)
    n = np.full(5000, 16, np.int32)
    prior = fit_prior(np.zeros(5000), random.binomial(16, p).astype(np.int32), n, np.ones(5000))
    assert prior.mean[1:] == (0.0, 0.0)
    mean, strength = prior.shape(np.zeros(1))
    assert mean[0] == pytest.approx(0.1, abs=0.01)
    assert strength[0] == pytest.approx(10.0, rel=0.2)


def test_weights_count_as_copies_of_an_event() -> None:
    random = np.random.default_rng(2)
    logit = random.normal(-2, 1.5, 1500)
    passed = random.binomial(8, expit(logit)).astype(np.int32)
    n, weight = np.full(1500, 8, np.int32), random.integers(1, 4, 1500)
    weighted = fit_prior(logit, passed, n, weight.astype(float))
    rows = np.repeat(np.arange(1500), weight)
    copies = fit_prior(logit[rows], passed[rows], n[rows], np.ones(len(rows)))
    grid = np.linspace(-6, 3, 20)
    np.testing.assert_allclose(weighted.shape(grid)[0], copies.shape(grid)[0], rtol=0.08)
