"""Packed matrices and their products, for any number of rows around that of a tile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks.kernels.test_vector import run_multiply

from smartbkg.networks.kernels import vector
from smartbkg.networks.kernels.matrix import PANEL, TILE_ROWS, pack, padded


@given(st.integers(0, 1000))
def test_a_padded_width_is_whole_panels_and_less_than_one_wider(width: int) -> None:
    assert padded(width) % PANEL == 0
    assert 0 <= padded(width) - width < PANEL
    assert PANEL == 2 * vector.LANES


@given(st.integers(1, 9), st.integers(1, 4))
def test_packing_only_moves_numbers_panel_by_panel(depth: int, panels: int) -> None:
    weights = np.arange(depth * panels * PANEL, dtype=np.float32).reshape(depth, -1)
    packed = pack(weights).reshape(panels, depth, PANEL)
    for panel in range(panels):
        np.testing.assert_array_equal(packed[panel], weights[:, panel * PANEL : (panel + 1) * PANEL])


@pytest.mark.parametrize("n_rows", [0, 1, TILE_ROWS - 1, TILE_ROWS, TILE_ROWS + 1, 3 * TILE_ROWS + 2])
def test_a_row_does_not_depend_on_the_rows_beside_it(n_rows: int) -> None:
    """A row of a tile and a row left over add in one order: scores must not depend on the batch."""
    random = np.random.default_rng(n_rows)
    left = random.normal(size=(n_rows, 13)).astype(np.float32)
    packed = pack(random.normal(size=(13, 2 * PANEL)).astype(np.float32))
    together = np.full((n_rows, 2 * PANEL), np.nan, dtype=np.float32)
    run_multiply(left, packed, 0, together)
    for row in range(n_rows):
        alone = np.empty((1, 2 * PANEL), dtype=np.float32)
        run_multiply(left[row : row + 1], packed, 0, alone)
        np.testing.assert_array_equal(alone[0], together[row])
