"""The transformer on the CPU without torch: weights packed once, events shared among threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.graphs import DecayGraphs
from smartbkg.networks.backends import check_tokens
from smartbkg.networks.bundle import check_state
from smartbkg.networks.config import TransformerConfig
from smartbkg.networks.kernels.matrix import PANEL, pack
from smartbkg.networks.kernels.threads import EventThreads
from smartbkg.networks.physics.kernel import N_INVARIANT, feature_columns
from smartbkg.networks.transformer.kernels import PackedTransformer, evaluate
from smartbkg.networks.transformer.relation_kernel import N_RELATIONS


def is_supported(config: TransformerConfig) -> bool:
    """Whether the kernels run this configuration: the width of a head must be a multiple of `PANEL`.

    Others are left to torch (`smartbkg.networks.backends.make_backend`), which is slower and gives the same scores.
    """
    return config.width // config.heads % PANEL == 0


def state_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights, as `smartbkg.networks.transformer.network.Transformer` has them."""
    width, inner = config.width, config.expansion * config.width
    n_inputs = N_INVARIANT + (0 if config.is_azimuth_invariant else 2) + config.emb_size
    shapes: dict[str, tuple[int, ...]] = {
        "pdg_embedding.weight": (config.num_pdg + 1, config.emb_size),
        "process_embedding.weight": (len(config.processes) + 1, width),
        "relation_bias.weight": (N_RELATIONS + 2, config.heads),
    }
    linear = {"node_in": (width, n_inputs), "fc_output": (config.n_skims, width)}
    norms = ["out_norm"]
    for layer in range(config.n_layers):
        name = f"layers.{layer}."
        norms += [name + "attention_norm", name + "inner_norm"]
        linear |= {name + "query": (width, width), name + "key_value": (2 * width, width)}
        linear |= {name + "attention_out": (width, width)}
        linear |= {name + "inner_in": (inner, width), name + "inner_out": (width, inner)}
    for name, shape in linear.items():
        shapes[name + ".weight"], shapes[name + ".bias"] = shape, shape[:1]
    for name in norms:
        shapes[name + ".weight"] = shapes[name + ".bias"] = (width,)
    return shapes


def pack_weights(config: TransformerConfig, state: Mapping[str, NDArray[Any]]) -> PackedTransformer:
    """The weights in the order in which the kernel reads them, norms' weights and the scale of logits multiplied in.

    Raises
    ------
    ModelError
        A weight is missing, left over, of another shape, or not finite; or a feature that is needed is not there.
    """
    check_state(state_shapes(config), state)
    width = config.width

    def linear(name: str, norm: str | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(inputs, outputs) matrix and bias of a layer, after a norm's own weight and bias."""
        matrix = np.asarray(state[name + ".weight"], dtype=np.float64).T
        bias = np.asarray(state[name + ".bias"], dtype=np.float64)
        if norm is None:
            return matrix, bias
        return state[norm + ".weight"][:, None] * matrix, bias + state[norm + ".bias"] @ matrix

    def packed(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        return pack(np.ascontiguousarray(matrix, dtype=np.float32))

    layers: dict[str, list[NDArray[Any]]] = {}
    for layer in range(config.n_layers):
        name = f"layers.{layer}."
        query, query_bias = linear(name + "query", name + "attention_norm")
        key_value, key_value_bias = linear(name + "key_value", name + "attention_norm")
        out, out_bias = linear(name + "attention_out")
        inner_in, inner_in_bias = linear(name + "inner_in", name + "inner_norm")
        inner_out, inner_out_bias = linear(name + "inner_out")
        scale = (width // config.heads) ** -0.5
        # A bias of the keys adds the same to all logits of a query, which the softmax takes away again. A bias of the
        # values goes through the mean as it is.
        for key, values in {
            "attention_in": packed(np.concatenate((query * scale, key_value), axis=1)),
            "query_bias": query_bias * scale,
            "attention_out": packed(out),
            "attention_out_bias": out_bias + key_value_bias[width:] @ out,
            "inner_in": packed(inner_in),
            "inner_in_bias": inner_in_bias,
            "inner_out": packed(inner_out),
            "inner_out_bias": inner_out_bias,
        }.items():
            layers.setdefault(key, []).append(values)
    node_matrix, node_bias = linear("node_in")
    output_matrix, output_bias = linear("fc_output", "out_norm")

    def plain(values: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(values, dtype=np.float32)

    return PackedTransformer(
        embedding=plain(state["pdg_embedding.weight"]),
        process=plain(state["process_embedding.weight"]),
        node_matrix=packed(node_matrix),
        node_bias=plain(node_bias),
        relation_bias=plain(state["relation_bias.weight"]),
        output_matrix=plain(output_matrix.T),
        output_bias=plain(output_bias),
        columns=np.array(feature_columns(config.features), dtype=np.int64),
        boost=np.float32(config.boost),
        gamma=np.float32((1.0 - config.boost**2) ** -0.5),
        is_invariant=config.is_azimuth_invariant,
        **{key: plain(np.stack(values)) for key, values in layers.items()},
    )


class CompiledTransformer:
    """A backend of `smartbkg.networks.scorer.Scorer`.

    Parameters
    ----------
    config, state : of the network, of a width that `is_supported`.
    threads : CPU threads; events are shared among them, so a single event uses one.
    """

    def __init__(self, config: TransformerConfig, state: Mapping[str, NDArray[Any]], threads: int = 1) -> None:
        self._weights = pack_weights(config, state)
        self._n_skims = config.n_skims
        self._threads = EventThreads(threads)

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n_events, n_skims); ``process`` (n_events,) positions in the model's list, -1 where unknown.

        Raises
        ------
        ModelError
            A token has no row in the embedding.
        """
        processes = np.ascontiguousarray(process, dtype=np.int64)
        logits = np.empty((graphs.n_events, self._n_skims), dtype=np.float32)

        def run(_share: int, first: int, last: int) -> bool:
            return bool(
                evaluate(
                    graphs.offsets, graphs.token, graphs.feature, graphs.mother, processes, first, last, self._weights,
                    logits,
                )
            )  # fmt: skip

        if not all(self._threads.run(run, graphs.offsets)):
            check_tokens(graphs, len(self._weights.embedding))
        return logits


__all__ = ["CompiledTransformer", "is_supported", "pack_weights", "state_shapes"]
