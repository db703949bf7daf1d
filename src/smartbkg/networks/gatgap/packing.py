"""GATGAP's weights in the order in which its kernels read them, the same for scoring and for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.networks.gatgap.kernels import PackedWeights
from smartbkg.networks.kernels.matrix import pack, padded


class LayerWeights(NamedTuple):
    """Weights of one layer, as `smartbkg.networks.gatgap.network.GATLayer` has them: tensors there, arrays here.

    ``width`` is heads · units.
    """

    matrix: Any
    """(width, n_inputs)"""
    attention_source: Any
    """(1, heads, units)"""
    attention_target: Any
    """(1, heads, units)"""
    bias: Any
    """(width,)"""
    gate: Any
    """(1, width), zeros where pooling is the mean"""
    state_matrix: Any
    """(units, state before + width), state before = 0 in the first layer, else units"""
    state_bias: Any
    """(units,)"""


class UnpackedMatrices(NamedTuple):
    """The padded matrices of all layers before packing; gradients need their transposes."""

    node: list[NDArray[Any]]
    """(n_inputs, padded width) each"""
    state: list[NDArray[Any]]
    """(padded units + padded width, padded units) each"""


def pad_heads(values: NDArray[Any], heads: int, padded_units: int) -> NDArray[Any]:
    """(..., heads * units) → (..., heads * padded_units), zeros in the new places; as it is where there are none."""
    units = values.shape[-1] // heads
    if units == padded_units:
        return values
    wide = np.zeros((*values.shape[:-1], heads, padded_units), dtype=values.dtype)
    wide[..., :units] = values.reshape(*values.shape[:-1], heads, units)
    return wide.reshape(*values.shape[:-1], heads * padded_units)


def pack_layers(
    layers: Sequence[LayerWeights], heads: int, embedding: NDArray[Any], output: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[PackedWeights, UnpackedMatrices]:
    """The weights for the kernels.

    Units of a head are padded to whole panels with weights of zero: padded numbers stay zero through all layers. The
    first layer's inputs are not padded, for its matrix may have any number of rows.

    Parameters
    ----------
    layers : arrays of one floating type.
    embedding : (n_tokens, emb_size).
    output : matrix (n_skims, units) and bias (n_skims,).
    """
    units = len(layers[0].state_bias)
    n_state = padded(units)
    width = heads * n_state
    dtype = layers[0].bias.dtype

    def wide(values: NDArray[Any]) -> NDArray[Any]:
        return pad_heads(values, heads, n_state)

    def rows(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return wide(np.stack([array.ravel() for array in arrays]))

    matrices = UnpackedMatrices([], [])
    for index, layer in enumerate(layers):
        node_matrix = wide(layer.matrix.T)
        matrices.node.append(node_matrix if index == 0 else wide(node_matrix.T).T)
        state_matrix = np.zeros((n_state + width, n_state), dtype=dtype)
        state_matrix[n_state:, :units] = wide(layer.state_matrix[:, -heads * units :]).T
        if index > 0:
            state_matrix[:units, :units] = layer.state_matrix[:, :units].T
        matrices.state.append(state_matrix)
    state_bias = np.zeros((len(layers), n_state), dtype=dtype)
    state_bias[:, :units] = np.stack([layer.state_bias for layer in layers])
    output_matrix = np.zeros((len(output[0]), n_state), dtype=dtype)
    output_matrix[:, :units] = output[0]
    packed = PackedWeights(
        embedding=embedding,
        node_matrix=np.concatenate([pack(matrix) for matrix in matrices.node]),
        node_matrix_start=np.cumsum([0, *(matrix.size for matrix in matrices.node[:-1])], dtype=np.int64),
        attention_source=rows([layer.attention_source for layer in layers]),
        attention_target=rows([layer.attention_target for layer in layers]),
        bias=rows([layer.bias for layer in layers]),
        gate=rows([layer.gate for layer in layers]),
        state_matrix=np.stack([pack(matrix) for matrix in matrices.state]),
        state_bias=state_bias,
        output_matrix=output_matrix,
        output_bias=output[1],
        heads=heads,
    )
    return packed, matrices


__all__ = ["LayerWeights", "UnpackedMatrices", "pack_layers", "pad_heads"]
