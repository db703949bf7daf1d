"""The vector operations and matrix products that the kernels are made of."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.networks.kernels import matrix, vector
from smartbkg.networks.kernels.matrix import add_transposed_product, multiply, pack, padded


@numba.njit
def run_multiply(left, packed, start, out):  # type: ignore[no-untyped-def]
    multiply(left, packed, start, out)


@numba.njit
def run_transposed(left, right, out):  # type: ignore[no-untyped-def]
    add_transposed_product(left, right, out)


@numba.njit
def run_exponential(values):  # type: ignore[no-untyped-def]
    for i in range(0, len(values), vector.LANES):
        vector.store(values, i, vector.exponential(vector.load(values, i)))


@numba.njit
def run_elementwise(left, right, out):  # type: ignore[no-untyped-def]
    a, b = vector.load(left, 0), vector.load(right, 0)
    vector.store(out, 0, vector.add(a, b))
    vector.store(out, 8, vector.subtract(a, b))
    vector.store(out, 16, vector.divide(a, b))
    vector.store(out, 24, vector.larger(a, b))
    vector.store(out, 32, vector.slope_where_negative(a, vector.constant(out, 0.25)))
    return vector.sum_of(a)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [0, 1, 4, 5, 6, 41])
def test_products_are_those_of_numpy(kind: type, n_rows: int) -> None:
    generator = np.random.default_rng(n_rows)
    left = generator.normal(size=(n_rows, 12)).astype(kind)
    weights = generator.normal(size=(12, 48)).astype(kind)
    out = np.full((n_rows, 48), np.nan, dtype=kind)
    run_multiply(left, np.concatenate([np.ones(5, kind), pack(weights)]), 5, out)
    np.testing.assert_allclose(out, left @ weights, rtol=1e-4, atol=1e-5)
    total = np.ones((12, 48), dtype=kind)
    run_transposed(left, out, total)
    np.testing.assert_allclose(total, 1 + left.T @ out, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_exponential_is_accurate_to_rounding(kind: type) -> None:
    values = -np.concatenate([np.logspace(-8, np.log10(80), 4000), np.zeros(8)]).astype(kind)
    result = values.copy()
    run_exponential(result)
    np.testing.assert_allclose(result, np.exp(values.astype(np.float64)), rtol=2e-7)
    assert np.all(result[-8:] == 1)


def test_the_exponential_of_very_negative_numbers_is_nearly_nothing() -> None:
    values = np.array([-87, -88, -1e4, -np.inf] * 2, dtype=np.float32)
    run_exponential(values)
    assert np.all((values >= 0) & (values < 2e-38))


def test_elementwise_operations_are_those_of_numpy() -> None:
    generator = np.random.default_rng(1)
    left, right = generator.normal(size=(2, 8)).astype(np.float32)
    out = np.empty(40, dtype=np.float32)
    total = run_elementwise(left, right, out)
    assert total == pytest.approx(left.sum(), rel=1e-5)
    expected = [left + right, left - right, left / right, np.maximum(left, right), np.where(left > 0, 1, 0.25)]
    np.testing.assert_allclose(out, np.concatenate(expected), rtol=1e-6)


def test_widths_are_padded_to_whole_panels() -> None:
    assert [padded(width) for width in (1, 16, 17, 128)] == [16, 16, 32, 128]


def test_a_tile_that_does_not_fit_its_loop_is_refused_at_import() -> None:
    with pytest.raises(ImportError, match="unrolled by hand to 5 rows, and its loop takes 6"):
        matrix._check_tile(matrix.multiply, 6)
