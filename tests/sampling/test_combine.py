"""Merged samples are unbiased, by enumeration; the balance heuristic has the least variance of the two ways."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smartbkg.errors import PolicyError
from smartbkg.sampling.combine import balance_weights, union_probability, union_weights
from smartbkg.sampling.draw import draw

KEEP = st.floats(0.01, 1)


@given(
    data=st.data(), n_kinds=st.integers(1, 4), n_filters=st.integers(1, 4), n=st.lists(st.integers(0, 50), min_size=4)
)
@settings(deadline=None)
def test_balanced_sums_are_unbiased(data: st.DataObject, n_kinds: int, n_filters: int, n: list[int]) -> None:
    """Events are of a few kinds with probabilities f; each filter's sample has expectation n_k f q_k of each kind."""
    q = data.draw(arrays(np.float64, (n_kinds, n_filters), elements=KEEP))
    f = data.draw(arrays(np.float64, n_kinds, elements=st.floats(0.1, 1)))
    value = data.draw(arrays(np.float64, n_kinds, elements=st.floats(-5, 5)))
    generated = np.array(n[:n_filters], dtype=float)
    if not generated.sum():
        return
    expected_kept = (f / f.sum())[:, None] * q * generated
    weights = balance_weights(q, generated)
    expectation = (expected_kept.sum(axis=1) * weights * value).sum()
    assert expectation == pytest.approx(generated.sum() * (f / f.sum() * value).sum(), rel=1e-9, abs=1e-9)


@given(data=st.data(), seeds=st.lists(st.integers(0, 2), min_size=1, max_size=4))
@settings(deadline=None)
def test_union_probabilities_are_those_of_the_draws(data: st.DataObject, seeds: list[int]) -> None:
    """Each seed has one uniform number an event: integrate over a grid on which every q lies."""
    q = data.draw(arrays(np.int64, (3, len(seeds)), elements=st.integers(0, 8))) / 8
    distinct = sorted(set(seeds))
    grid = (np.arange(8) + 0.5) / 8
    kept = np.zeros(3)
    for point in product(grid, repeat=len(distinct)):
        uniform = np.array([point[distinct.index(seed)] for seed in seeds])
        kept += (uniform < q).any(axis=1) / 8 ** len(distinct)
    np.testing.assert_allclose(union_probability(q, seeds), kept, atol=1e-12)


def test_the_union_of_real_draws_is_unbiased() -> None:
    n = 200_000
    generator = np.random.default_rng(1)
    q = generator.uniform(0.05, 0.5, (n, 3))
    seeds = [4, 4, 9]
    kept = np.any([draw(q[:, k], seed, 0, 0, np.arange(n)) for k, seed in enumerate(seeds)], axis=0)
    weights = union_weights(q[kept], seeds)
    error = np.sqrt((weights**2 - weights).sum())
    assert abs(weights.sum() - n) < 5 * error  # false alarm 6e-7


def test_the_balance_heuristic_has_less_variance_than_putting_samples_together() -> None:
    q = np.random.default_rng(2).uniform(0.02, 1, (5000, 2))
    n = np.array([1000.0, 3000.0])
    balanced = (balance_weights(q, n) ** 2 * (q * n).sum(axis=1)).sum()
    together = (n / q).sum()
    assert balanced < together


def test_one_filter_alone_keeps_its_weights() -> None:
    q = np.array([[0.5], [0.1]])
    np.testing.assert_allclose(balance_weights(q, [77]), [2, 10])
    np.testing.assert_allclose(union_weights(q, [3], [2.0, -1.0]), [4, -10])


def test_numbers_may_differ_by_process() -> None:
    q = np.full((2, 2), 0.5)
    np.testing.assert_allclose(balance_weights(q, [[100, 0], [100, 300]]), [2, 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: balance_weights([[0.5, 0.5]], [1]), "shape"),
        (lambda: balance_weights([[0.5, 0.5]], [1, -1]), "expected finite numbers"),
        (lambda: balance_weights([[0.0, 0.0]], [1, 1]), "belongs to none"),
        (lambda: balance_weights([[0.5, 1.5]], [1, 1]), r"in \[0, 1\]"),
        (lambda: union_probability([[0.5, 0.5]], [1]), "for 1 draws"),
        (lambda: union_weights([[0.0, 0.0]], [1, 2]), "belongs to none"),
    ],
)
def test_what_cannot_be_merged_is_refused(call: object, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        call()  # type: ignore[operator]
