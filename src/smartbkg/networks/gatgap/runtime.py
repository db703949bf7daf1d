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
from smartbkg.networks.gatgap.packing import LayerWeights, pack_layers
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

    def weight(name: str) -> NDArray[np.float32]:
        return np.ascontiguousarray(state[name], dtype=np.float32)

    no_gate = np.zeros((1, config.units * config.attention_heads), dtype=np.float32)
    layers = [
        LayerWeights(
            weight(name + "gat.fc.weight"),
            weight(name + "gat.attn_l"),
            weight(name + "gat.attn_r"),
            weight(name + "gat.bias"),
            weight(name + "gap_gate.weight") if config.use_gap else no_gate,
            weight(name + "fc.weight"),
            weight(name + "fc.bias"),
        )
        for name in (f"gat_layers.{layer}." for layer in range(config.n_layers))
    ]
    output = weight("fc_output.weight"), weight("fc_output.bias")
    packed, _ = pack_layers(layers, config.attention_heads, weight("pdg_embedding.weight"), output)
    return packed


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

        def run(_share: int, first: int, last: int) -> bool:
            return bool(
                evaluate(
                    graphs.offsets, graphs.token, graphs.feature, graphs.mother, first, last, self._weights, logits
                )
            )

        if not all(self._threads.run(run, graphs.offsets)):
            check_tokens(graphs, len(self._weights.embedding))
        return logits


__all__ = ["CompiledGATGAP", "pack_weights", "state_shapes"]
