"""What a transformer does to each row, against torch and numpy."""

from __future__ import annotations

import numba
import numpy as np
import torch

from smartbkg.networks.kernels.rows import NORM_EPSILON, add_bias, add_bias_and_cut, add_rows_and_bias, normalise


@numba.njit
def run_all(rows, added, bias):  # type: ignore[no-untyped-def]
    normed, plain, both, cut = np.empty_like(rows), rows.copy(), rows.copy(), rows.copy()
    normalise(rows, normed)
    add_bias(plain, bias)
    add_rows_and_bias(both, added, bias)
    add_bias_and_cut(cut, bias)
    return normed, plain, both, cut


def test_rows_are_those_of_torch_and_numpy() -> None:
    random = np.random.default_rng(0)
    rows, added = random.normal(2, 5, (2, 7, 24)).astype(np.float32)
    rows[3] = 4.0  # a row without spread
    bias = random.normal(size=24).astype(np.float32)
    normed, plain, both, cut = run_all(rows, added, bias)
    expected = torch.nn.functional.layer_norm(torch.from_numpy(rows), (24,), eps=float(NORM_EPSILON)).numpy()
    np.testing.assert_allclose(normed, expected, atol=2e-6)
    np.testing.assert_array_equal(normed[3], 0)
    np.testing.assert_array_equal(plain, rows + bias)
    np.testing.assert_allclose(both, rows + added + bias, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(cut, np.maximum(rows + bias, 0))
