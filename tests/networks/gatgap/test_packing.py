"""Weights in the order of the kernels: padding is zeros, and nothing else is lost or moved between heads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.networks.gatgap.packing import LayerWeights, pack_layers, pad_heads
from smartbkg.networks.kernels.matrix import PANEL

HEADS = 2


def layer(random: np.random.Generator, units: int, n_inputs: int, n_state: int) -> LayerWeights:
    width = HEADS * units
    return LayerWeights(
        random.normal(size=(width, n_inputs)), random.normal(size=(1, HEADS, units)),
        random.normal(size=(1, HEADS, units)), random.normal(size=width), random.normal(size=(1, width)),
        random.normal(size=(units, n_state + width)), random.normal(size=units),
    )  # fmt: skip


@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 6))
def test_each_head_keeps_its_own_units_and_is_filled_with_zeros(heads: int, units: int, more: int) -> None:
    values = np.arange(3 * heads * units, dtype=float).reshape(3, -1) + 1
    wide = pad_heads(values, heads, units + more).reshape(3, heads, units + more)
    np.testing.assert_array_equal(wide[:, :, :units], values.reshape(3, heads, units))
    assert not wide[:, :, units:].any()


def test_full_heads_are_not_copied() -> None:
    values = np.ones((2, HEADS * PANEL))
    assert pad_heads(values, HEADS, PANEL) is values


@pytest.mark.parametrize("units", [3, PANEL])
def test_padded_numbers_stay_zero_through_a_layer(units: int) -> None:
    random = np.random.default_rng(0)
    layers = [layer(random, units, 5, 0), layer(random, units, HEADS * units, units)]
    weights, matrices = pack_layers(layers, HEADS, np.ones((4, 2)), (random.normal(size=(1, units)), np.zeros(1)))
    n_state = weights.state_bias.shape[1]
    assert n_state == PANEL
    node = random.normal(size=(6, 5)) @ matrices.node[0] + weights.bias[0]
    assert not node.reshape(6, HEADS, n_state)[:, :, units:].any()
    again = node @ matrices.node[1]
    assert not again.reshape(6, HEADS, n_state)[:, :, units:].any()
    state = np.concatenate([np.zeros((6, n_state)), node], axis=1) @ matrices.state[0] + weights.state_bias[0]
    assert not state[:, units:].any()
    np.testing.assert_allclose(
        node.reshape(6, HEADS, n_state)[:, :, :units].reshape(6, -1) @ layers[0].state_matrix.T + layers[0].state_bias,
        state[:, :units],
    )


def test_positions_of_the_matrices_follow_their_sizes() -> None:
    random = np.random.default_rng(1)
    layers = [layer(random, 4, 7, 0), *(layer(random, 4, HEADS * 4, 4) for _ in range(2))]
    weights, matrices = pack_layers(layers, HEADS, np.ones((4, 2)), (np.ones((1, 4)), np.zeros(1)))
    sizes = [matrix.size for matrix in matrices.node]
    np.testing.assert_array_equal(weights.node_matrix_start, [0, sizes[0], sizes[0] + sizes[1]])
    assert len(weights.node_matrix) == sum(sizes)
