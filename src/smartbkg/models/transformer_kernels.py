"""Compiled kernels of the transformer: one event after the other through all layers, no padding to other events.

The collector is token 0, the particles follow. The keys of a head are written in the order in which `multiply` reads a
matrix, so that logits and sums over tokens are matrix products too; tokens are padded to `PANEL` with a bias that the
softmax turns into nothing. The matrices hold the scale of the logits and the weights of the norms before them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.models import vector
from smartbkg.models.matrix_kernel import PANEL, multiply
from smartbkg.models.physics_kernel import physics_inputs
from smartbkg.models.relation_kernel import N_RELATIONS, REACH, find_lineages, find_relations
from smartbkg.models.vector import LANES

#: Added to the variance in a norm (torch's default).
NORM_EPSILON: Final = np.float32(1e-5)
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
    """(`N_RELATIONS` + 2, heads): of relations, of the collector to a particle, of all to the collector"""
    attention_matrix: NDArray[np.float32]
    """(n_layers, 3, heads, width * head width) queries, keys, values: width × head width, each packed"""
    attention_bias: NDArray[np.float32]
    """(n_layers, 3, heads, head width)"""
    attention_out: NDArray[np.float32]
    """(n_layers, width * width) packed"""
    attention_out_bias: NDArray[np.float32]
    """(n_layers, width)"""
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
    """(8,) of `smartbkg.models.physics_kernel.physics_inputs`"""
    boost: np.float32
    gamma: np.float32
    is_invariant: bool


class Workspace(NamedTuple):
    """Room for the largest event: ``n`` particles, ``length`` = n + 1 tokens, ``wide`` = length in whole panels."""

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
    relation: NDArray[np.int64]
    """(n, n)"""
    bias: NDArray[Any]
    """(heads, length * wide) added to the logits, the same in all layers"""
    state: NDArray[Any]
    """(length, width)"""
    normed: NDArray[Any]
    """(length, width)"""
    query: NDArray[Any]
    """(length, head width)"""
    key: NDArray[Any]
    """(length, head width)"""
    value: NDArray[Any]
    """(wide, head width)"""
    packed_key: NDArray[Any]
    """(wide * head width,)"""
    score: NDArray[Any]
    """(length * wide,)"""
    mixed: NDArray[Any]
    """(length, width)"""
    inner: NDArray[Any]
    """(length, inner width)"""
    lanes: NDArray[Any]
    """(`LANES`,)"""


@part
def make_workspace(n, n_inputs, weights):  # type: ignore[no-untyped-def]
    """Room for events of up to ``n`` particles."""
    kind = weights.node_bias.dtype
    length, width = n + 1, len(weights.node_bias)
    wide = -(-length // PANEL) * PANEL
    heads, head_width = weights.relation_bias.shape[1], weights.attention_bias.shape[3]
    return Workspace(
        np.empty((n, n_inputs), kind),
        np.empty(n, kind),
        np.empty((n, REACH + 1), np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty((n, n), np.int64),
        np.empty((heads, length * wide), kind),
        np.empty((length, width), kind),
        np.empty((length, width), kind),
        np.empty((length, head_width), kind),
        np.empty((length, head_width), kind),
        np.empty((wide, head_width), kind),
        np.empty(wide * head_width, kind),
        np.empty(length * wide, kind),
        np.empty((length, width), kind),
        np.empty((length, weights.inner_in_bias.shape[1]), kind),
        np.empty(LANES, kind),
    )


@part
def normalise(rows, out):  # type: ignore[no-untyped-def]
    """Each row less its mean, over the root of its variance; ``rows``, ``out`` (n, width)."""
    n, width = rows.shape
    for i in range(n):
        total = vector.constant(rows, 0.0)
        for k in range(i * width, (i + 1) * width, LANES):
            total = vector.add(total, vector.load(rows, k))
        mean = vector.sum_of(total) / np.float32(width)
        shift = vector.spread(mean)
        total = vector.constant(rows, 0.0)
        for k in range(i * width, (i + 1) * width, LANES):
            centred = vector.subtract(vector.load(rows, k), shift)
            total = vector.multiply_add(centred, centred, total)
        variance = vector.sum_of(total) / np.float32(width)
        scale = vector.spread(np.float32(1.0) / np.sqrt(variance + NORM_EPSILON))
        for k in range(i * width, (i + 1) * width, LANES):
            vector.store(out, k, vector.multiply(vector.subtract(vector.load(rows, k), shift), scale))


@part
def add_bias(rows, bias):  # type: ignore[no-untyped-def]
    """``rows += bias``; (n, width), (width,)."""
    n, width = rows.shape
    for i in range(n):
        for k in range(0, width, LANES):
            place = i * width + k
            vector.store(rows, place, vector.add(vector.load(rows, place), vector.load(bias, k)))


@part
def add_rows_and_bias(rows, added, bias):  # type: ignore[no-untyped-def]
    """``rows += added + bias``; (n, width), (n, width), (width,)."""
    n, width = rows.shape
    for i in range(n):
        for k in range(0, width, LANES):
            place = i * width + k
            both = vector.add(vector.load(added, place), vector.load(bias, k))
            vector.store(rows, place, vector.add(vector.load(rows, place), both))


@part
def add_bias_and_cut(rows, bias):  # type: ignore[no-untyped-def]
    """``rows = max(rows + bias, 0)``."""
    n, width = rows.shape
    zero = vector.constant(rows, 0.0)
    for i in range(n):
        for k in range(0, width, LANES):
            place = i * width + k
            value = vector.add(vector.load(rows, place), vector.load(bias, k))
            vector.store(rows, place, vector.larger(value, zero))


@part
def soften(score, bias, n_rows, wide, lanes):  # type: ignore[no-untyped-def]
    """Rows of logits → weights that sum to 1, after adding the bias; ``score``, ``bias`` (n_rows * wide,) flat."""
    for i in range(n_rows):
        start, stop = i * wide, (i + 1) * wide
        highest = vector.constant(score, -1e30)
        for k in range(start, stop, LANES):
            value = vector.add(vector.load(score, k), vector.load(bias, k))
            vector.store(score, k, value)
            highest = vector.larger(value, highest)
        vector.store(lanes, 0, highest)
        largest = lanes[0]
        for lane in range(1, LANES):
            largest = max(largest, lanes[lane])
        shift = vector.spread(largest)
        total = vector.constant(score, 0.0)
        for k in range(start, stop, LANES):
            value = vector.exponential(vector.subtract(vector.load(score, k), shift))
            vector.store(score, k, value)
            total = vector.add(total, value)
        scale = vector.spread(np.float32(1.0) / vector.sum_of(total))
        for k in range(start, stop, LANES):
            vector.store(score, k, vector.multiply(vector.load(score, k), scale))


@part
def attend(work, weights, layer, length, wide, n_queries):  # type: ignore[no-untyped-def]
    """What the first ``n_queries`` tokens hear from all, into ``work.mixed``; ``work.normed`` is read."""
    heads, head_width = weights.relation_bias.shape[1], weights.attention_bias.shape[3]
    normed = work.normed[:length]
    query, key, value = work.query[:n_queries], work.key[:length], work.value[:length]
    score = work.score[: n_queries * wide].reshape((n_queries, wide))
    work.value[length:wide] = 0
    work.packed_key[: wide * head_width] = 0
    for head in range(heads):
        matrix, bias = weights.attention_matrix[layer, :, head], weights.attention_bias[layer, :, head]
        multiply(normed[:n_queries], matrix[0], 0, query)
        add_bias(query, bias[0])
        multiply(normed, matrix[1], 0, key)
        add_bias(key, bias[1])
        multiply(normed, matrix[2], 0, value)
        add_bias(value, bias[2])
        for j in range(length):
            first = (j // PANEL) * head_width * PANEL + j % PANEL
            for k in range(head_width):
                work.packed_key[first + k * PANEL] = key[j, k]
        multiply(query, work.packed_key, 0, score)
        soften(work.score, work.bias[head], n_queries, wide, work.lanes)
        for column in range(0, head_width, PANEL):
            _sum_values(score, work.value[:wide], column, work.mixed, head * head_width + column)


@part
def _sum_values(score, value, column, mixed, target):  # type: ignore[no-untyped-def]
    """``mixed[i, target:target + PANEL] = score[i] @ value[:, column:column + PANEL]``."""
    n_rows, wide = score.shape
    head_width, width = value.shape[1], mixed.shape[1]
    for i in range(n_rows):
        low = high = vector.constant(score, 0.0)
        for j in range(wide):
            weight = vector.load_spread(score, i * wide + j)
            low = vector.multiply_add(weight, vector.load(value, j * head_width + column), low)
            high = vector.multiply_add(weight, vector.load(value, j * head_width + column + LANES), high)
        vector.store(mixed, i * width + target, low)
        vector.store(mixed, i * width + target + LANES, high)


@part
def fill_bias(work, weights, n, length, wide):  # type: ignore[no-untyped-def]
    """The bias of every pair of tokens: by relation, by the collector's part in it, and nothing to padding."""
    heads = weights.relation_bias.shape[1]
    for head in range(heads):
        row = work.bias[head]
        table = weights.relation_bias[:, head]
        for j in range(length):
            row[j] = table[N_RELATIONS + 1]
        for i in range(n):
            start = (i + 1) * wide
            row[start] = table[N_RELATIONS]
            for j in range(n):
                row[start + 1 + j] = table[work.relation[i, j]]
        for i in range(length):
            for j in range(length, wide):
                row[i * wide + j] = _MASKED


@part
def fill_event(work, weights, token, feature, mother, process):  # type: ignore[no-untyped-def]
    """The tokens of one event before attention, and the bias of their pairs; False where a token has no embedding."""
    n, width = len(token), len(weights.node_bias)
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
        particles = work.state[1 : n + 1]
        multiply(work.inputs[:n], weights.node_matrix, 0, particles)
        add_bias(particles, weights.node_bias)
    known = process if 0 <= process < len(weights.process) else len(weights.process) - 1
    for k in range(width):
        work.state[0, k] = weights.process[known, k]
    find_lineages(mother, n, work.lineage, work.depth, work.stamp)
    find_relations(n, work.lineage, work.depth, work.stamp, work.relation)
    return True


@part
def run_layers(work, weights, length, wide):  # type: ignore[no-untyped-def]
    """All layers on ``work.state``; the last one for the collector alone, of whom the output is read."""
    n_layers = len(weights.inner_in)
    for layer in range(n_layers):
        n_queries = length if layer < n_layers - 1 else 1
        state, normed = work.state[:n_queries], work.normed[:n_queries]
        normalise(work.state[:length], work.normed[:length])
        attend(work, weights, layer, length, wide, n_queries)
        multiply(work.mixed[:n_queries], weights.attention_out[layer], 0, normed)
        add_rows_and_bias(state, normed, weights.attention_out_bias[layer])
        normalise(state, normed)
        inner = work.inner[:n_queries]
        multiply(normed, weights.inner_in[layer], 0, inner)
        add_bias_and_cut(inner, weights.inner_in_bias[layer])
        multiply(inner, weights.inner_out[layer], 0, normed)
        add_rows_and_bias(state, normed, weights.inner_out_bias[layer])


@kernel
def evaluate(offsets, token, feature, mother, process, first, last, weights, logits):  # type: ignore[no-untyped-def]
    """Logits of the events ``first:last`` into ``logits`` (n_events, n_skims).

    ``offsets``, ``token``, ``feature``, ``mother`` are those of `smartbkg.graphs.DecayGraphs`, ``process`` (n_events,)
    positions, -1 where unknown. Returns False, with logits missing, if a token has no row in the embedding.
    """
    most = 1
    for event in range(first, last):
        most = max(most, offsets[event + 1] - offsets[event])
    n_inputs = len(weights.node_matrix) // len(weights.node_bias)
    work = make_workspace(most, n_inputs, weights)
    for event in range(first, last):
        start, stop = offsets[event], offsets[event + 1]
        n = stop - start
        length = n + 1
        wide = -(-length // PANEL) * PANEL
        if not fill_event(work, weights, token[start:stop], feature[start:stop], mother[start:stop], process[event]):
            return False
        fill_bias(work, weights, n, length, wide)
        run_layers(work, weights, length, wide)
        normalise(work.state[:1], work.normed[:1])
        for skim in range(len(weights.output_bias)):
            total = weights.output_bias[skim]
            for k in range(len(weights.node_bias)):
                total += work.normed[0, k] * weights.output_matrix[skim, k]
            logits[event, skim] = total
    return True


__all__ = ["PackedTransformer", "evaluate"]
