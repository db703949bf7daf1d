"""Compiled kernels of GATGAP: a network on some events in one pass, its working set in the processor's cache.

The family of a particle (itself, its mother, its daughters) is read from the array of mothers; there is no edge list.
All arrays are float32 and C-contiguous, and rows of nodes are whole vectors.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from smartbkg.models import vector
from smartbkg.models.matrix_kernel import multiply

#: What the compiler may do with sums: reorder and fuse, but not ignore NaN and infinity.
FAST: Final = {"reassoc", "contract", "arcp", "nsz"}

#: Nodes that go through all layers together: their rows, before and after a layer, fit into the second-level cache.
CHUNK_NODES: Final = 128

ATTENTION_SLOPE: Final = np.float32(0.2)
LEAKY_SLOPE: Final = np.float32(0.01)

_LOG2_E: Final = np.float32(1.44269504)
_LN2_HIGH: Final = np.float32(0.693359375)
_LN2_LOW: Final = np.float32(-2.12194440e-4)
_LOWEST: Final = np.float32(-87.0)


class CompiledWeights(NamedTuple):
    """Weights of a GATGAP in the order in which the kernel reads them.

    ``width`` is heads · units with the units of each head padded to whole vectors, ``state`` the units padded to whole
    panels (`smartbkg.models.matrix_kernel`); weights of the padding are zero.
    """

    embedding: NDArray[np.float32]
    """(num_pdg + 1, emb_size)"""
    node_matrix: NDArray[np.float32]
    """matrices of all layers, inputs × width, packed one after the other"""
    node_matrix_start: NDArray[np.int64]
    """(n_layers,) where each begins"""
    attention_source: NDArray[np.float32]
    """(n_layers, width)"""
    attention_target: NDArray[np.float32]
    """(n_layers, width)"""
    bias: NDArray[np.float32]
    """(n_layers, width)"""
    gate: NDArray[np.float32]
    """(n_layers, width), zeros where pooling is the mean"""
    state_matrix: NDArray[np.float32]
    """(n_layers, (state + width) * state): previous state and pooled nodes × state, each packed"""
    state_bias: NDArray[np.float32]
    """(n_layers, state)"""
    output_matrix: NDArray[np.float32]
    """(n_skims, state)"""
    output_bias: NDArray[np.float32]
    """(n_skims,)"""
    heads: int
    """attention heads"""


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def exponentiate(values, bits):  # type: ignore[no-untyped-def]
    """Replace numbers ≤ 0 by their exponentials, in vector instructions.

    exp(x) = 2^k · exp(r) with |r| ≤ ln 2 / 2 and the polynomial of Cephes' ``expf``; relative error below 2e-7.
    ``bits`` is scratch of the same shape, int32.
    """
    scale = bits.view(np.float32)
    for i in range(len(values)):
        x = max(values[i], _LOWEST)
        k = np.int32(x * _LOG2_E - np.float32(0.5))
        r = x - np.float32(k) * _LN2_HIGH - np.float32(k) * _LN2_LOW
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        values[i] = p * r * r + r + np.float32(1)
        bits[i] = (k + np.int32(127)) << np.int32(23)
    for i in range(len(values)):
        values[i] *= scale[i]


@numba.njit(cache=True, nogil=True)
def _leaky(value, slope):  # type: ignore[no-untyped-def]
    return max(value, slope * value)


@numba.njit(cache=True, nogil=True)
def attention_logits(node, source_vector, target_vector, source, target):  # type: ignore[no-untyped-def]
    """Dot products of each head of each node with the two halves of its attention vector, (n_nodes, heads) each."""
    n_nodes, heads = source.shape
    units = len(source_vector) // heads
    zero = vector.spread(source_vector.dtype.type(0))
    for i in range(n_nodes):
        for head in range(heads):
            sum_source = sum_target = zero
            for unit in range(head * units, (head + 1) * units, vector.LANES):
                values = vector.load(node, i * heads * units + unit)
                sum_source = vector.multiply_add(values, vector.load(source_vector, unit), sum_source)
                sum_target = vector.multiply_add(values, vector.load(target_vector, unit), sum_target)
            source[i, head] = vector.sum_of(sum_source)
            target[i, head] = vector.sum_of(sum_target)


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def attention_weights(source, target, mother, weight, highest, bits):  # type: ignore[no-untyped-def]
    """Softmax weights of each node's family.

    Parameters
    ----------
    source, target : (n_nodes, heads) of `attention_logits`.
    mother : (n_nodes,) position of the mother, -1 where there is none.
    weight : (n_nodes, 3, heads) out: of the node at itself, of its mother at it, of it at its mother.
    highest, bits : (n_nodes, heads) and (n_nodes * 3 * heads,) scratch.
    """
    n_nodes, heads = source.shape
    for i in range(n_nodes):
        for head in range(heads):
            highest[i, head] = source[i, head]
    for i in range(n_nodes):
        above = mother[i]
        if above >= 0:
            for head in range(heads):
                highest[i, head] = max(highest[i, head], source[above, head])
                highest[above, head] = max(highest[above, head], source[i, head])
    # The leaky ReLU rises, so the largest logit of a family is that of its largest source.
    for i in range(n_nodes):
        for head in range(heads):
            highest[i, head] = _leaky(highest[i, head] + target[i, head], ATTENTION_SLOPE)
    for i in range(n_nodes):
        above = mother[i]
        for head in range(heads):
            own = source[i, head]
            weight[i, 0, head] = _leaky(own + target[i, head], ATTENTION_SLOPE) - highest[i, head]
            if above >= 0:
                from_above = _leaky(source[above, head] + target[i, head], ATTENTION_SLOPE)
                to_above = _leaky(own + target[above, head], ATTENTION_SLOPE)
                weight[i, 1, head] = from_above - highest[i, head]
                weight[i, 2, head] = to_above - highest[above, head]
            else:
                weight[i, 1, head] = _LOWEST
                weight[i, 2, head] = _LOWEST
    exponentiate(weight.reshape(-1), bits)
    total = highest
    for i in range(n_nodes):
        for head in range(heads):
            total[i, head] = weight[i, 0, head]
    for i in range(n_nodes):
        above = mother[i]
        if above >= 0:
            for head in range(heads):
                total[i, head] += weight[i, 1, head]
                total[above, head] += weight[i, 2, head]
    for i in range(n_nodes):
        for head in range(heads):
            total[i, head] = np.float32(1) / total[i, head]
    for i in range(n_nodes):
        above = mother[i]
        for head in range(heads):
            weight[i, 0, head] *= total[i, head]
            if above >= 0:
                weight[i, 1, head] *= total[i, head]
                weight[i, 2, head] *= total[above, head]


@numba.njit(cache=True, nogil=True)
def mix_family(node, mother, weight, mixed):  # type: ignore[no-untyped-def]
    """``mixed`` (n_nodes, width): the mean of each node's family with the weights of `attention_weights`."""
    n_nodes, _, heads = weight.shape
    width = node.shape[1]
    units = width // heads
    for i in range(n_nodes):
        above = mother[i]
        for head in range(heads):
            own = vector.load_spread(weight, (3 * i) * heads + head)
            if above >= 0:
                other = vector.load_spread(weight, (3 * i + 1) * heads + head)
                for unit in range(head * units, (head + 1) * units, vector.LANES):
                    values = vector.multiply(own, vector.load(node, i * width + unit))
                    values = vector.multiply_add(other, vector.load(node, above * width + unit), values)
                    vector.store(mixed, i * width + unit, values)
            else:
                for unit in range(head * units, (head + 1) * units, vector.LANES):
                    vector.store(
                        mixed, i * width + unit, vector.multiply(own, vector.load(node, i * width + unit))
                    )  # fmt: skip
    for i in range(n_nodes):
        above = mother[i]
        if above >= 0:
            for head in range(heads):
                own = vector.load_spread(weight, (3 * i + 2) * heads + head)
                for unit in range(head * units, (head + 1) * units, vector.LANES):
                    place = above * width + unit
                    values = vector.load(node, i * width + unit)
                    vector.store(mixed, place, vector.multiply_add(own, values, vector.load(mixed, place)))


@numba.njit(cache=True, nogil=True)
def activate(mixed, bias, gate_vector, n_nodes, gate):  # type: ignore[no-untyped-def]
    """Add the bias, apply the leaky ReLU, and leave the dot product with the gate's vector in ``gate`` (n_nodes,)."""
    width = mixed.shape[1]
    slope = vector.spread(LEAKY_SLOPE)
    for i in range(n_nodes):
        total = vector.spread(np.float32(0))
        for unit in range(0, width, vector.LANES):
            values = vector.add(vector.load(mixed, i * width + unit), vector.load(bias, unit))
            values = vector.larger(values, vector.multiply(slope, values))
            vector.store(mixed, i * width + unit, values)
            total = vector.multiply_add(values, vector.load(gate_vector, unit), total)
        gate[i] = vector.sum_of(total)


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def pool(mixed, gate, bits, start, stop, joined, place):  # type: ignore[no-untyped-def]
    """The mean of the nodes ``start:stop``, weighted with the softmax of their gates, at ``joined.flat[place:]``.

    ``gate`` is overwritten. No nodes give zeros.
    """
    width = mixed.shape[1]
    if stop == start:
        for unit in range(0, width, vector.LANES):
            vector.store(joined, place + unit, vector.spread(np.float32(0)))
        return
    highest = gate[start]
    for i in range(start + 1, stop):
        highest = max(highest, gate[i])
    for i in range(start, stop):
        gate[i] -= highest
    exponentiate(gate[start:stop], bits)
    total = np.float32(0)
    for i in range(start, stop):
        total += gate[i]
    for i in range(start, stop):
        gate[i] /= total
    for unit in range(0, width, 2 * vector.LANES):
        low = high = vector.spread(np.float32(0))
        for i in range(start, stop):
            weight = vector.load_spread(gate, i)
            low = vector.multiply_add(weight, vector.load(mixed, i * width + unit), low)
            high = vector.multiply_add(weight, vector.load(mixed, i * width + unit + vector.LANES), high)
        vector.store(joined, place + unit, low)
        vector.store(joined, place + unit + vector.LANES, high)


@numba.njit(cache=True, nogil=True)
def _update_states(joined, state_matrix, state_bias, n_events, updated):  # type: ignore[no-untyped-def]
    """Replace the state, the first columns of ``joined``, by leaky_relu(joined @ matrix + bias)."""
    multiply(joined, state_matrix, 0, updated, n_events)
    for event in range(n_events):
        for unit in range(len(state_bias)):
            joined[event, unit] = _leaky(updated[event, unit] + state_bias[unit], LEAKY_SLOPE)


@numba.njit(cache=True, nogil=True)
def _chunk_end(offsets, first, last):  # type: ignore[no-untyped-def]
    """End of the chunk that begins at event ``first``: `CHUNK_NODES` nodes, or one event if it has more."""
    end = first + 1
    while end < last and offsets[end + 1] - offsets[first] <= CHUNK_NODES:
        end += 1
    return end


@numba.njit(cache=True, nogil=True)
def _fill_inputs(offsets, token, feature, mother, begin, end, embedding, inputs, above):  # type: ignore[no-untyped-def]
    """Inputs of the first layer and mothers within the chunk; False if a token has no row in the embedding."""
    origin = offsets[begin]
    n_tokens, emb_size = embedding.shape
    for event in range(begin, end):
        for i in range(offsets[event], offsets[event + 1]):
            if token[i] < 0 or token[i] >= n_tokens:
                return False
            above[i - origin] = mother[i] + offsets[event] - origin if mother[i] >= 0 else -1
            for k in range(emb_size):
                inputs[i - origin, k] = embedding[token[i], k]
            for k in range(feature.shape[1]):
                inputs[i - origin, emb_size + k] = feature[i, k]
    return True


@numba.njit(cache=True, nogil=True)
def _largest_chunk(offsets, first, last):  # type: ignore[no-untyped-def]
    """Most nodes and most events of a chunk."""
    n_nodes = n_events = 1
    begin = first
    while begin < last:
        end = _chunk_end(offsets, begin, last)
        n_nodes = max(n_nodes, offsets[end] - offsets[begin])
        n_events = max(n_events, end - begin)
        begin = end
    return n_nodes, n_events


@numba.njit(cache=True, nogil=True)
def evaluate(offsets, token, feature, mother, first, last, weights, logits):  # type: ignore[no-untyped-def]
    """Logits of the events ``first:last`` into ``logits`` (n_events, n_skims).

    ``offsets``, ``token``, ``feature``, ``mother`` are those of `smartbkg.graphs.DecayGraphs`; mothers must lie within
    their event, which nothing here checks. Returns False, with logits missing, if a token has no row in the embedding.
    """
    n_layers, width = weights.bias.shape
    n_state = weights.state_bias.shape[1]
    heads = weights.heads
    n_most_nodes, n_most_events = _largest_chunk(offsets, first, last)
    inputs = np.empty((n_most_nodes, weights.embedding.shape[1] + feature.shape[1]), np.float32)
    above = np.empty(n_most_nodes, np.int64)
    node = np.empty((n_most_nodes, width), np.float32)
    mixed = np.empty((n_most_nodes, width), np.float32)
    dots = np.empty((3, n_most_nodes, heads), np.float32)
    attention = np.empty((n_most_nodes, 3, heads), np.float32)
    bits = np.empty(n_most_nodes * 3 * heads, np.int32)
    gate = np.empty(n_most_nodes, np.float32)
    joined = np.empty((n_most_events, n_state + width), np.float32)
    updated = np.empty((n_most_events, n_state), np.float32)
    begin = first
    while begin < last:
        end = _chunk_end(offsets, begin, last)
        origin = offsets[begin]
        n = offsets[end] - origin
        n_events = end - begin
        if not _fill_inputs(offsets, token, feature, mother, begin, end, weights.embedding, inputs, above):
            return False
        joined[:n_events, :n_state] = np.float32(0)
        for layer in range(n_layers):
            if layer == 0:
                multiply(inputs, weights.node_matrix, 0, node, n)
            else:
                multiply(mixed, weights.node_matrix, weights.node_matrix_start[layer], node, n)
            source, target = dots[0, :n], dots[1, :n]
            attention_logits(node, weights.attention_source[layer], weights.attention_target[layer], source, target)
            attention_weights(source, target, above, attention[:n], dots[2, :n], bits)
            mix_family(node, above, attention[:n], mixed)
            activate(mixed, weights.bias[layer], weights.gate[layer], n, gate)
            for event in range(n_events):
                start, stop = offsets[begin + event] - origin, offsets[begin + event + 1] - origin
                pool(mixed, gate, bits, start, stop, joined, event * (n_state + width) + n_state)
            _update_states(joined, weights.state_matrix[layer], weights.state_bias[layer], n_events, updated)
        for event in range(n_events):
            for skim in range(len(weights.output_bias)):
                total = weights.output_bias[skim]
                for unit in range(n_state):
                    total += joined[event, unit] * weights.output_matrix[skim, unit]
                logits[begin + event, skim] = total
        begin = end
    return True


__all__ = ["CHUNK_NODES", "CompiledWeights", "evaluate", "exponentiate"]
