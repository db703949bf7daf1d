"""Compiled kernels of the transformer: a few events in one pass through all layers, their rows in the cache.

The collector of an event is its first token, its particles follow; the tokens of the events of a chunk are rows one
after the other, padded to whole tiles. The matrices hold the scale of the logits and the weights of the norms before
them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.networks.kernels.attention import QUERY_ROWS, attend, whole_tiles
from smartbkg.networks.kernels.matrix import PANEL, TILE_ROWS, multiply
from smartbkg.networks.kernels.rows import add_bias, add_bias_and_cut, add_rows_and_bias, normalise
from smartbkg.networks.kernels.vector import LANES
from smartbkg.networks.physics.kernel import physics_inputs
from smartbkg.networks.transformer.relation_kernel import N_RELATIONS, REACH, find_lineages, find_relations

#: Tokens that go through all layers together, so that weights are read less often than once an event.
CHUNK_TOKENS: Final = 128

_MASKED: Final = np.float32(-1e30)


class PackedTransformer(NamedTuple):
    """Weights of a transformer in the order in which the kernels read them. ``width`` = heads · head width."""

    embedding: NDArray[np.float32]
    """(num_pdg + 1, emb_size)"""
    process: NDArray[np.float32]
    """(n_processes + 1, width) the collector at the start; the last row is for unknown processes"""
    node_matrix: NDArray[np.float32]
    """inputs × width, packed"""
    node_bias: NDArray[np.float32]
    """(width,)"""
    relation_bias: NDArray[np.float32]
    """(`N_RELATIONS` + 2, heads): of relations, of particles at the collector, of the collector at all"""
    attention_in: NDArray[np.float32]
    """(n_layers, width * 3 · width) packed: queries, keys, values of all heads"""
    query_bias: NDArray[np.float32]
    """(n_layers, width)"""
    attention_out: NDArray[np.float32]
    """(n_layers, width * width) packed"""
    attention_out_bias: NDArray[np.float32]
    """(n_layers, width) output bias, with the projected bias of the values already added"""
    inner_in: NDArray[np.float32]
    """(n_layers, width * inner width) packed"""
    inner_in_bias: NDArray[np.float32]
    """(n_layers, inner width)"""
    inner_out: NDArray[np.float32]
    """(n_layers, inner width * width) packed"""
    inner_out_bias: NDArray[np.float32]
    """(n_layers, width)"""
    output_matrix: NDArray[np.float32]
    """(n_skims, width)"""
    output_bias: NDArray[np.float32]
    """(n_skims,)"""
    columns: NDArray[np.int64]
    """(8,) of `smartbkg.networks.physics.kernel.feature_columns`"""
    boost: np.float32
    gamma: np.float32
    is_invariant: bool


class Workspace(NamedTuple):
    """Room for the largest event of ``n`` particles, and for the largest chunk of ``rows`` tokens in whole tiles."""

    inputs: NDArray[Any]
    """(n, n_inputs)"""
    n_daughters: NDArray[Any]
    """(n,)"""
    lineage: NDArray[np.int64]
    """(n, `REACH` + 1)"""
    depth: NDArray[np.int64]
    """(n,)"""
    stamp: NDArray[np.int64]
    """(n,)"""
    relation: NDArray[np.uint8]
    """(n, n)"""
    bias: NDArray[Any]
    """flat, event after event (heads, length, length in whole panels): added to the logits, the same in all layers"""
    bias_start: NDArray[np.int64]
    """(n_events,) where each event's begins"""
    state: NDArray[Any]
    """(rows, width)"""
    normed: NDArray[Any]
    """(rows, width)"""
    query: NDArray[Any]
    """(rows, width)"""
    key_value: NDArray[Any]
    """(rows, 2 · width)"""
    mixed: NDArray[Any]
    """(rows, width)"""
    inner: NDArray[Any]
    """(rows, inner width)"""
    packed_key: NDArray[Any]
    """(n + 1 in whole panels * head width,)"""
    score: NDArray[Any]
    """(`QUERY_ROWS` * n + 1 in whole panels,)"""
    inverse: NDArray[Any]
    """(`QUERY_ROWS`,)"""
    lanes: NDArray[Any]
    """(`LANES`,)"""


@part
def bias_size(length, heads):  # type: ignore[no-untyped-def]
    """Numbers in the bias of an event with that many tokens."""
    return heads * length * (-(-length // PANEL) * PANEL)


@part
def chunk_end(offsets, first, last):  # type: ignore[no-untyped-def]
    """End of the chunk that begins at event ``first``: `CHUNK_TOKENS` tokens, or one event if it has more."""
    end = first + 1
    while end < last and offsets[end + 1] - offsets[first] + end + 1 - first <= CHUNK_TOKENS:
        end += 1
    return end


@part
def make_workspace(offsets, first, last, n_inputs, weights):  # type: ignore[no-untyped-def]
    """Room for each chunk of the events ``first:last``."""
    heads, width = weights.relation_bias.shape[1], len(weights.node_bias)
    n = n_rows = n_events = n_bias = 1
    begin = first
    while begin < last:
        end = chunk_end(offsets, begin, last)
        size = 0
        for event in range(begin, end):
            length = offsets[event + 1] - offsets[event] + 1
            n = max(n, length - 1)
            size += bias_size(length, heads)
        n_rows = max(n_rows, offsets[end] - offsets[begin] + end - begin)
        n_events, n_bias = max(n_events, end - begin), max(n_bias, size)
        begin = end
    # Tiles of an event in the middle of a chunk reach beyond its own rows.
    rows = whole_tiles(n_rows) + TILE_ROWS
    wide = -(-(n + 1) // PANEL) * PANEL
    kind = weights.node_bias.dtype
    return Workspace(
        np.empty((n, n_inputs), kind),
        np.empty(n, kind),
        np.empty((n, REACH + 1), np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty((n, n), np.uint8),
        np.empty(n_bias, kind),
        np.empty(n_events, np.int64),
        np.zeros((rows, width), kind),
        np.zeros((rows, width), kind),
        np.zeros((rows, width), kind),
        np.zeros((rows, 2 * width), kind),
        np.zeros((rows, width), kind),
        np.empty((rows, weights.inner_in_bias.shape[1]), kind),
        np.empty(wide * (width // heads), kind),
        np.empty(QUERY_ROWS * wide, kind),
        np.empty(QUERY_ROWS, kind),
        np.empty(LANES, kind),
    )


@part
def fill_bias(relation, n, table, start, bias):  # type: ignore[no-untyped-def]
    """The bias of every pair of an event's tokens: by relation, by the collector's part in it, nothing to padding."""
    length = n + 1
    wide = -(-length // PANEL) * PANEL
    for head in range(table.shape[1]):
        for i in range(length):
            bias[start] = table[N_RELATIONS + 1 if i == 0 else N_RELATIONS, head]
            for j in range(n):
                bias[start + 1 + j] = table[N_RELATIONS + 1 if i == 0 else relation[i - 1, j], head]
            bias[start + length : start + wide] = _MASKED
            start += wide


@part
def fill_particles(work, weights, token, feature, mother, particles):  # type: ignore[no-untyped-def]
    """An event's particles before attention, and their relations; False where a token has no row in the embedding."""
    n = len(token)
    n_physics = work.inputs.shape[1] - weights.embedding.shape[1]
    work.n_daughters[:n] = 0
    for i in range(n):
        if token[i] < 0 or token[i] >= len(weights.embedding):
            return False
        if mother[i] >= 0 and mother[i] != i:
            work.n_daughters[mother[i]] += np.float32(1.0)
        for k in range(weights.embedding.shape[1]):
            work.inputs[i, n_physics + k] = weights.embedding[token[i], k]
    if n > 0:
        physics_inputs(
            feature, weights.columns, weights.boost, weights.gamma, work.n_daughters, weights.is_invariant, work.inputs
        )
        multiply(work.inputs[:n], weights.node_matrix, 0, particles)
        add_bias(particles, weights.node_bias)
    find_lineages(mother, n, work.lineage, work.depth, work.stamp)
    find_relations(n, work.lineage, work.depth, work.stamp, work.relation)
    return True


@part
def fill_chunk(graphs, process, begin, end, weights, work):  # type: ignore[no-untyped-def]
    """The tokens of the events ``begin:end`` before attention, and the bias of their pairs; False as above."""
    offsets, token, feature, mother = graphs
    row = size = 0
    for event in range(begin, end):
        start, stop = offsets[event], offsets[event + 1]
        n = stop - start
        known = process[event] if 0 <= process[event] < len(weights.process) else len(weights.process) - 1
        work.state[row] = weights.process[known]
        particles = work.state[row + 1 : row + 1 + n]
        if not fill_particles(work, weights, token[start:stop], feature[start:stop], mother[start:stop], particles):
            return False
        work.bias_start[event - begin] = size
        fill_bias(work.relation, n, weights.relation_bias, size, work.bias)
        size += bias_size(n + 1, weights.relation_bias.shape[1])
        row += n + 1
    return True


@part
def run_inner(work, weights, layer, n_rows):  # type: ignore[no-untyped-def]
    """The half of a layer that follows attention, on the first ``n_rows`` tokens of ``work.state``."""
    state, normed, inner = work.state[:n_rows], work.normed[:n_rows], work.inner[:n_rows]
    multiply(work.mixed[:n_rows], weights.attention_out[layer], 0, normed)
    add_rows_and_bias(state, normed, weights.attention_out_bias[layer])
    normalise(state, normed)
    multiply(normed, weights.inner_in[layer], 0, inner)
    add_bias_and_cut(inner, weights.inner_in_bias[layer])
    multiply(inner, weights.inner_out[layer], 0, normed)
    add_rows_and_bias(state, normed, weights.inner_out_bias[layer])


@part
def run_layers(offsets, begin, end, weights, work):  # type: ignore[no-untyped-def]
    """All layers on the events ``begin:end``; leaves their collectors in the first rows of ``work.state``."""
    n_layers, width = weights.query_bias.shape
    head_width = width // weights.relation_bias.shape[1]
    n_events = end - begin
    n_rows = whole_tiles(offsets[end] - offsets[begin] + n_events)
    for layer in range(n_layers):
        is_last = layer == n_layers - 1
        matrix = weights.attention_in[layer]
        normalise(work.state[:n_rows], work.normed[:n_rows])
        multiply(work.normed[:n_rows], matrix, width * width, work.key_value[:n_rows])
        n_asking = n_rows
        if is_last:
            # The output is read from the collectors: only they look at the others once more.
            for event in range(n_events):
                row = offsets[begin + event] - offsets[begin] + event
                work.state[event] = work.state[row]
                work.normed[event] = work.normed[row]
            n_asking = whole_tiles(n_events)
        query = work.query[:n_asking]
        multiply(work.normed[:n_asking], matrix, 0, query)
        add_bias(query, weights.query_bias[layer])
        for event in range(n_events):
            row = offsets[begin + event] - offsets[begin] + event
            length = offsets[begin + event + 1] - offsets[begin + event] + 1
            asking, n_queries = (event, 1) if is_last else (row, length)
            attend(
                work.query, asking, n_queries, work.key_value, row, length, head_width,
                work.bias, work.bias_start[event], work, work.mixed,
            )  # fmt: skip
        run_inner(work, weights, layer, n_asking)


@kernel
def evaluate(offsets, token, feature, mother, process, first, last, weights, logits):  # type: ignore[no-untyped-def]
    """Logits of the events ``first:last`` into ``logits`` (n_events, n_skims).

    ``offsets``, ``token``, ``feature``, ``mother`` are those of `smartbkg.graphs.DecayGraphs`, ``process`` (n_events,)
    positions, -1 where unknown; mothers must lie within their event, which nothing here checks. Returns False, with
    logits missing, if a token has no row in the embedding.
    """
    width = len(weights.node_bias)
    work = make_workspace(offsets, first, last, len(weights.node_matrix) // width, weights)
    begin = first
    while begin < last:
        end = chunk_end(offsets, begin, last)
        if not fill_chunk((offsets, token, feature, mother), process, begin, end, weights, work):
            return False
        run_layers(offsets, begin, end, weights, work)
        normalise(work.state[: end - begin], work.normed[: end - begin])
        for event in range(begin, end):
            for skim in range(len(weights.output_bias)):
                total = weights.output_bias[skim]
                for k in range(width):
                    total += work.normed[event - begin, k] * weights.output_matrix[skim, k]
                logits[event, skim] = total
        begin = end
    return True


__all__ = ["CHUNK_TOKENS", "PackedTransformer", "evaluate"]
