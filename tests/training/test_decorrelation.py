"""Distance correlation against its definition and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smartbkg.training.decorrelation import distance_correlation


def correlation(first: np.ndarray, second: np.ndarray, weight: np.ndarray | None = None) -> float:
    ones = np.ones(len(first)) if weight is None else weight
    return float(distance_correlation(*(torch.from_numpy(np.asarray(x, float)) for x in (first, second, ones))))


def test_a_linear_function_has_correlation_1_and_a_constant_0() -> None:
    x = np.random.default_rng(0).normal(size=200)
    assert correlation(x, 3 - 2 * x) == pytest.approx(1.0)
    assert correlation(x, np.ones(200)) == pytest.approx(0.0, abs=1e-6)


def test_a_dependence_without_correlation_is_seen_and_independence_is_not() -> None:
    generator = np.random.default_rng(1)
    x = np.linspace(-1, 1, 801)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 1e-12
    assert correlation(x, x**2) > 0.15
    assert correlation(x, generator.normal(size=801)) < 0.02


def test_weights_count_as_repeated_events_and_0_as_absent() -> None:
    generator = np.random.default_rng(2)
    x, y, times = generator.normal(size=50), generator.normal(size=50), generator.integers(0, 4, 50)
    repeated = correlation(np.repeat(x, times), np.repeat(y, times))
    assert correlation(x, y, times.astype(float)) == pytest.approx(repeated, rel=1e-9)


def test_gradients_are_finite_where_a_variable_is_constant() -> None:
    x = torch.ones(20, requires_grad=True)
    distance_correlation(x, torch.randn(20), torch.ones(20)).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
