"""GATGAP on the CPU without torch: weights packed once, events shared among threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.graphs import DecayGraphs
from smartbkg.networks.backends import check_tokens
from smartbkg.networks.bundle import check_state
from smartbkg.networks.config import GATGAPConfig
from smartbkg.networks.gatgap.kernels import PackedWeights, evaluate
from smartbkg.networks.kernels.matrix import pack, padded
from smartbkg.networks.kernels.threads import EventThreads


def state_shapes(config: GATGAPConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a GATGAP's weights, as `smartbkg.networks.gatgap.network.GATGAP` has them."""
    width = config.units * config.attention_heads
    shapes: dict[str, tuple[int, ...]] = {
        "pdg_embedding.weight": (config.num_pdg + 1, config.emb_size),
        "fc_output.weight": (config.n_skims, config.units),
        "fc_output.bias": (config.n_skims,),
    }
    for layer in range(config.n_layers):
        name = f"gat_layers.{layer}."
        n_inputs, n_state = (config.num_features + config.emb_size, 0) if layer == 0 else (width, config.units)
        shapes[name + "gat.fc.weight"] = (width, n_inputs)
        shapes[name + "gat.attn_l"] = shapes[name + "gat.attn_r"] = (1, config.attention_heads, config.units)
        shapes[name + "gat.bias"] = (width,)
        shapes[name + "fc.weight"] = (config.units, n_state + width)
        shapes[name + "fc.bias"] = (config.units,)
        if config.use_gap:
            shapes[name + "gap_gate.weight"] = (1, width)
            shapes[name + "gap_gate.bias"] = (1,)
    return shapes


def _pad_heads(values: NDArray[Any], heads: int, units: int, padded_units: int) -> NDArray[np.float32]:
    """(..., heads * units) → (..., heads * padded_units), zeros in the new places."""
    split = np.asarray(values, dtype=np.float32).reshape(*values.shape[:-1], heads, units)
    wide = np.zeros((*split.shape[:-1], padded_units), dtype=np.float32)
    wide[..., :units] = split
    return wide.reshape(*values.shape[:-1], heads * padded_units)


def pack_weights(config: GATGAPConfig, state: Mapping[str, NDArray[Any]]) -> PackedWeights:
    """The weights in the order in which the kernel reads them.

    A gate's bias is left out: the softmax over an event's nodes does not depend on it. The mean is a softmax of equal
    gates.

    Raises
    ------
    ModelError
        A weight is missing, left over, of another shape, or not finite.
    """
    check_state(state_shapes(config), state)
    heads, units = config.attention_heads, config.units
    n_state = padded(units)
    width = heads * n_state
    names = [f"gat_layers.{layer}." for layer in range(config.n_layers)]

    def wide(values: NDArray[Any]) -> NDArray[np.float32]:
        return _pad_heads(values, heads, units, n_state)

    def rows(key: str) -> NDArray[np.float32]:
        return wide(np.stack([np.asarray(state[name + key]).ravel() for name in names]))

    node_matrices, state_matrices = [], []
    state_bias = np.zeros((config.n_layers, n_state), dtype=np.float32)
    for layer, name in enumerate(names):
        node_matrix = wide(state[name + "gat.fc.weight"].T)
        node_matrices.append(pack(node_matrix if layer == 0 else wide(node_matrix.T).T))
        state_matrix = np.zeros((n_state + width, n_state), dtype=np.float32)
        weights = state[name + "fc.weight"]
        state_matrix[n_state:, :units] = wide(weights[:, -heads * units :]).T
        if layer > 0:
            state_matrix[:units, :units] = weights[:, :units].T
        state_matrices.append(pack(state_matrix))
        state_bias[layer, :units] = state[name + "fc.bias"]
    output_matrix = np.zeros((config.n_skims, n_state), dtype=np.float32)
    output_matrix[:, :units] = state["fc_output.weight"]
    return PackedWeights(
        embedding=np.ascontiguousarray(state["pdg_embedding.weight"], dtype=np.float32),
        node_matrix=np.concatenate(node_matrices),
        node_matrix_start=np.cumsum([0, *(len(matrix) for matrix in node_matrices[:-1])], dtype=np.int64),
        attention_source=rows("gat.attn_l"),
        attention_target=rows("gat.attn_r"),
        bias=rows("gat.bias"),
        gate=rows("gap_gate.weight") if config.use_gap else np.zeros((config.n_layers, width), dtype=np.float32),
        state_matrix=np.stack(state_matrices),
        state_bias=state_bias,
        output_matrix=output_matrix,
        output_bias=np.ascontiguousarray(state["fc_output.bias"], dtype=np.float32),
        heads=heads,
    )


class CompiledGATGAP:
    """A backend of `smartbkg.networks.scorer.Scorer`.

    Parameters
    ----------
    config, state : of the network.
    threads : CPU threads; events are shared among them, so a single event uses one.
    """

    def __init__(self, config: GATGAPConfig, state: Mapping[str, NDArray[Any]], threads: int = 1) -> None:
        self._weights = pack_weights(config, state)
        self._n_skims = config.n_skims
        self._threads = EventThreads(threads)

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:  # noqa: ARG002
        """Logits (n_events, n_skims); a GATGAP does not look at the process.

        Raises
        ------
        ModelError
            A token has no row in the embedding.
        """
        logits = np.empty((graphs.n_events, self._n_skims), dtype=np.float32)

        def run(first: int, last: int) -> bool:
            return bool(
                evaluate(
                    graphs.offsets, graphs.token, graphs.feature, graphs.mother, first, last, self._weights, logits
                )
            )

        if not self._threads.run(run, graphs.offsets):
            check_tokens(graphs, len(self._weights.embedding))
        return logits


__all__ = ["CompiledGATGAP", "pack_weights", "state_shapes"]
