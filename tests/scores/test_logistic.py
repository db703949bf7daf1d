"""The logistic function, its inverse and its fit, against scipy and against known parameters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from smartbkg.scores.logistic import SMALLEST_SCORE, expit, fit_logistic, log_odds, logit


def test_the_logistic_function_is_that_of_scipy_and_never_reaches_0_or_1() -> None:
    x = np.linspace(-60, 60, 1001)
    np.testing.assert_allclose(expit(x), special.expit(x).clip(SMALLEST_SCORE, 1 - SMALLEST_SCORE), rtol=1e-15)
    assert 0 < expit(np.array([-1e9]))[0] < expit(np.array([1e9]))[0] < 1


def test_logit_undoes_expit_and_is_finite_where_log_odds_are_not() -> None:
    x = np.linspace(-20, 20, 101)
    np.testing.assert_allclose(logit(expit(x)), x, rtol=1e-6)
    assert np.isinf(log_odds([0.0, 1.0])).all()
    assert np.isfinite(logit([0.0, 1.0])).all()


@pytest.mark.parametrize("is_offset_free", [True, False])
def test_the_fit_finds_the_parameters_that_made_the_labels(is_offset_free: bool) -> None:
    """Labels are the probabilities themselves, so the answer is exact; weights are halves of doubled events."""
    x = np.random.default_rng(0).normal(-2, 2, 4000)
    label = expit(0.7 * x - 1.5)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(x))
    assert fit_logistic(x, label, weight, is_offset_free=is_offset_free) == pytest.approx((0.7, -1.5), abs=1e-3)


def test_weights_count_as_repeated_events() -> None:
    generator = np.random.default_rng(2)
    x, n_times = generator.normal(size=400), generator.integers(1, 4, 400)
    label = (generator.random(400) < expit(x)).astype(float)
    weighted = fit_logistic(x, label, n_times.astype(float))
    repeated = fit_logistic(np.repeat(x, n_times), np.repeat(label, n_times), np.ones(n_times.sum()))
    assert weighted == pytest.approx(repeated, abs=1e-5)


def test_separable_classes_have_a_finite_slope() -> None:
    x = np.linspace(-1, 1, 50)
    scale, offset = fit_logistic(x, (x > 0).astype(float), np.ones(50))
    assert np.isfinite([scale, offset]).all()
