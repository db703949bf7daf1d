"""The stream of an event inside compiled code: SplitMix64's numbers, and the distributions made of them."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.experiment import random_stream

N = 40_000


@numba.njit
def numbers(seed, n, mean):  # type: ignore[no-untyped-def]
    state = np.full(1, seed, dtype=np.uint64)
    out = np.empty((n, 7))
    for i in range(n):
        out[i, 0] = random_stream.uniform(state)
        out[i, 1] = random_stream.exponential(state)
        out[i, 2] = random_stream.normal(state)
        out[i, 3] = random_stream.poisson(state, mean)
        out[i, 4], out[i, 5], out[i, 6] = random_stream.direction(state)
    return out


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return np.asarray(numbers(np.uint64(7), N, 0.8))


def test_numbers_are_those_of_splitmix64() -> None:
    """First outputs of the reference implementation (https://prng.di.unimi.it/splitmix64.c) from state 0."""
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        found = [random_stream.uniform.py_func(state) for _ in range(3)]
    reference = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert found == [(number >> 11) * 2.0**-53 for number in reference]


@pytest.mark.parametrize(
    ("column", "mean", "variance"),
    [(0, 0.5, 1 / 12), (1, 1.0, 1.0), (2, 0.0, 1.0), (3, 0.8, 0.8), (4, 0.0, 1 / 3), (5, 0.0, 1 / 3), (6, 0.0, 1 / 3)],
)
def test_means_and_variances_are_those_of_the_distribution(
    drawn: np.ndarray, column: int, mean: float, variance: float
) -> None:
    values = drawn[:, column]
    assert values.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / N))
    assert values.var() == pytest.approx(variance, rel=0.06)


def test_directions_are_of_length_one_and_uniforms_below_one(drawn: np.ndarray) -> None:
    np.testing.assert_allclose((drawn[:, 4:] ** 2).sum(axis=1), 1.0)
    assert ((drawn[:, 0] >= 0) & (drawn[:, 0] < 1)).all()
    assert (drawn[:, 3] == np.round(drawn[:, 3])).all()


def test_a_mean_of_zero_is_never_exceeded() -> None:
    assert not numbers(np.uint64(3), 100, 0.0)[:, 3].any()
