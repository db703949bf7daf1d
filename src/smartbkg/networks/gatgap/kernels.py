"""Compiled kernels of GATGAP: a network on some events in one pass, its working set in the processor's cache.

The family of a particle is itself, its mother and its daughters. It is read from the mothers' positions and the lists
of daughters that follow from them; there is no edge list. All numbers are of one floating type, C-contiguous, and rows
are whole vectors: the units of a head are padded to `PANEL`, the heads of a node to `LANES`, with weights of zero.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.networks.kernels import vector
from smartbkg.networks.kernels.matrix import PANEL, multiply
from smartbkg.networks.kernels.slopes import ATTENTION_SLOPE, LEAKY_SLOPE
from smartbkg.networks.kernels.vector import LANES

#: Nodes that go through all layers together: their rows, before and after a layer, fit into the second-level cache.
CHUNK_NODES: Final = 128


class PackedWeights(NamedTuple):
    """Weights of a GATGAP in the order in which the kernels read them.

    ``width`` is heads · padded units, ``state`` the padded units.
    """

    embedding: NDArray[Any]
    """(num_pdg + 1, emb_size)"""
    node_matrix: NDArray[Any]
    """matrices of all layers, inputs × width, each packed, one after the other"""
    node_matrix_start: NDArray[np.int64]
    """(n_layers,) where each begins"""
    attention_source: NDArray[Any]
    """(n_layers, width)"""
    attention_target: NDArray[Any]
    """(n_layers, width)"""
    bias: NDArray[Any]
    """(n_layers, width)"""
    gate: NDArray[Any]
    """(n_layers, width), zeros where pooling is the mean"""
    state_matrix: NDArray[Any]
    """(n_layers, (state + width) * state): previous state and pooled nodes × state, each packed"""
    state_bias: NDArray[Any]
    """(n_layers, state)"""
    output_matrix: NDArray[Any]
    """(n_skims, state)"""
    output_bias: NDArray[Any]
    """(n_skims,)"""
    heads: int
    """attention heads"""


class Family(NamedTuple):
    """Mothers and daughters among the nodes of a chunk."""

    mother: NDArray[np.int64]
    """(n_nodes,) position of the mother in the chunk, -1 where there is none"""
    daughter_start: NDArray[np.int64]
    """(n_nodes + 1,) node i has the daughters ``daughter[daughter_start[i]:daughter_start[i + 1]]``"""
    daughter: NDArray[np.int64]
    """(n_nodes,) positions of daughters; the last ones are unused"""


class Activations(NamedTuple):
    """What the layers compute: for gradients that of each layer, for scores that of the last alone.

    ``depth`` is the number of layers that are stored: all of them, or 1 where each overwrites the one before.
    """

    node: NDArray[Any]
    """(depth, n_nodes, width) nodes multiplied with the layer's matrix"""
    dots: NDArray[Any]
    """(depth, 2, n_nodes, padded heads) of `attention_dots`: source, target"""
    attention: NDArray[Any]
    """(depth, n_nodes, 3, padded heads) of `attention_weights`"""
    mixed: NDArray[Any]
    """(depth, n_nodes, width) nodes after the layer"""
    pooling: NDArray[Any]
    """(depth, n_nodes) weight of each node in its event's mean"""
    joined: NDArray[Any]
    """(n_joined, n_events, state + width) state before the layer, then pooled nodes after it; ``n_joined`` is 1, or
    n_layers + 1 so that the last entry holds the final states"""


@part
def leaky(values, slope):  # type: ignore[no-untyped-def]
    """The leaky ReLU of a vector."""
    return vector.larger(values, vector.multiply(values, slope))


@part
def attention_dots(node, source_vector, target_vector, source, target):  # type: ignore[no-untyped-def]
    """Dot products of the heads of each node with the two halves of their attention vectors.

    ``node`` (n_nodes, heads, units); ``source``, ``target`` (n_nodes, padded heads) out, zeros in the padding.
    """
    n_nodes, heads, units = node.shape
    zero = vector.constant(node, 0.0)
    for i in range(n_nodes):
        for head in range(heads):
            sum_source = sum_target = zero
            for unit in range(head * units, (head + 1) * units, LANES):
                values = vector.load(node, i * heads * units + unit)
                sum_source = vector.multiply_add(values, vector.load(source_vector, unit), sum_source)
                sum_target = vector.multiply_add(values, vector.load(target_vector, unit), sum_target)
            source[i, head] = vector.sum_of(sum_source)
            target[i, head] = vector.sum_of(sum_target)
        for head in range(heads, source.shape[1]):
            source[i, head] = target[i, head] = 0


@part
def attention_weights(source, target, mother, weight, total):  # type: ignore[no-untyped-def]
    """Softmax weights of each node's family.

    Parameters
    ----------
    source, target : (n_nodes, padded heads) of `attention_dots`.
    mother : (n_nodes,) of `Family`.
    weight : (n_nodes, 3, padded heads) out: of the node at itself, of its mother at it, of it at its mother.
    total : (2, n_nodes, padded heads) scratch.
    """
    n_nodes, heads = source.shape
    slope = vector.constant(source, ATTENTION_SLOPE)
    one = vector.constant(source, 1.0)
    peak, inverse = total[0], total[1]
    for lanes in range(0, heads, LANES):
        for i in range(n_nodes):
            vector.store(peak, i * heads + lanes, vector.load(source, i * heads + lanes))
        for i in range(n_nodes):
            if mother[i] >= 0:
                here, above = i * heads + lanes, mother[i] * heads + lanes
                vector.store(peak, here, vector.larger(vector.load(peak, here), vector.load(source, above)))
                vector.store(peak, above, vector.larger(vector.load(peak, above), vector.load(source, here)))
        for i in range(n_nodes):
            here = i * heads + lanes
            own_target = vector.load(target, here)
            # The leaky ReLU rises, so the largest logit of a family is that of its largest source.
            highest = leaky(vector.add(vector.load(peak, here), own_target), slope)
            logit = leaky(vector.add(vector.load(source, here), own_target), slope)
            own = vector.exponential(vector.subtract(logit, highest))
            vector.store(weight, 3 * i * heads + lanes, own)
            if mother[i] >= 0:
                logit = leaky(vector.add(vector.load(source, mother[i] * heads + lanes), own_target), slope)
                from_mother = vector.exponential(vector.subtract(logit, highest))
                vector.store(weight, (3 * i + 1) * heads + lanes, from_mother)
                own = vector.add(own, from_mother)
            vector.store(peak, here, highest)
            vector.store(inverse, here, own)
        for i in range(n_nodes):
            if mother[i] >= 0:
                here, above = i * heads + lanes, mother[i] * heads + lanes
                logit = leaky(vector.add(vector.load(source, here), vector.load(target, above)), slope)
                at_mother = vector.exponential(vector.subtract(logit, vector.load(peak, above)))
                vector.store(weight, (3 * i + 2) * heads + lanes, at_mother)
                vector.store(inverse, above, vector.add(vector.load(inverse, above), at_mother))
        for i in range(n_nodes):
            here = i * heads + lanes
            vector.store(inverse, here, vector.divide(one, vector.load(inverse, here)))
        for i in range(n_nodes):
            here = 3 * i * heads + lanes
            scale = vector.load(inverse, i * heads + lanes)
            vector.store(weight, here, vector.multiply(vector.load(weight, here), scale))
            if mother[i] >= 0:
                here += heads
                vector.store(weight, here, vector.multiply(vector.load(weight, here), scale))
                here += heads
                scale = vector.load(inverse, mother[i] * heads + lanes)
                vector.store(weight, here, vector.multiply(vector.load(weight, here), scale))


@part
def mix_family(node, family, weight, bias, gate_vector, mixed, gate):  # type: ignore[no-untyped-def]
    """Nodes after the layer, leaky_relu(mean of the family + bias), and the dot product of each with the gate's vector.

    ``node``, ``mixed`` (n_nodes, heads, units); ``weight`` of `attention_weights`; ``gate`` (n_nodes,) out.
    """
    n_nodes, heads, units = node.shape
    width = heads * units
    padded_heads = weight.shape[2]
    slope = vector.constant(node, LEAKY_SLOPE)
    for i in range(n_nodes):
        above = family.mother[i]
        first, last = family.daughter_start[i], family.daughter_start[i + 1]
        total = vector.constant(node, 0.0)
        for head in range(heads):
            own_weight = vector.load_spread(weight, 3 * i * padded_heads + head)
            mother_weight = vector.load_spread(weight, (3 * i + 1) * padded_heads + head)
            for unit in range(head * units, (head + 1) * units, PANEL):
                place = i * width + unit
                low = vector.multiply(own_weight, vector.load(node, place))
                high = vector.multiply(own_weight, vector.load(node, place + LANES))
                if above >= 0:
                    other = above * width + unit
                    low = vector.multiply_add(mother_weight, vector.load(node, other), low)
                    high = vector.multiply_add(mother_weight, vector.load(node, other + LANES), high)
                for k in range(first, last):
                    daughter = family.daughter[k]
                    daughter_weight = vector.load_spread(weight, (3 * daughter + 2) * padded_heads + head)
                    other = daughter * width + unit
                    low = vector.multiply_add(daughter_weight, vector.load(node, other), low)
                    high = vector.multiply_add(daughter_weight, vector.load(node, other + LANES), high)
                low = leaky(vector.add(low, vector.load(bias, unit)), slope)
                high = leaky(vector.add(high, vector.load(bias, unit + LANES)), slope)
                vector.store(mixed, place, low)
                vector.store(mixed, place + LANES, high)
                total = vector.multiply_add(low, vector.load(gate_vector, unit), total)
                total = vector.multiply_add(high, vector.load(gate_vector, unit + LANES), total)
        gate[i] = vector.sum_of(total)


@part
def pool(mixed, gate, start, stop, pooled):  # type: ignore[no-untyped-def]
    """The mean of the nodes ``start:stop``, weighted with the softmax of their gates; zeros where there are none.

    ``mixed`` (n_nodes, width); ``gate`` (n_nodes + LANES,) holds the weights afterwards and scratch values in the first
    `LANES` places from ``stop`` on; ``pooled`` (width,) out.
    """
    width = mixed.shape[1]
    zero = vector.constant(mixed, 0.0)
    highest = gate[start]
    for i in range(start + 1, stop):
        highest = max(highest, gate[i])
    after = vector.load(gate, stop)
    vector.store(gate, stop, vector.constant(mixed, -np.inf))
    total = zero
    for i in range(start, stop, LANES):
        values = vector.exponential(vector.subtract(vector.load(gate, i), vector.spread(highest)))
        vector.store(gate, i, values)
        total = vector.add(total, values)
    if stop > start:
        scale = vector.divide(vector.constant(mixed, 1.0), vector.spread(vector.sum_of(total)))
        for i in range(start, stop, LANES):
            vector.store(gate, i, vector.multiply(vector.load(gate, i), scale))
    vector.store(gate, stop, after)
    for unit in range(0, width, PANEL):
        low = high = zero
        for i in range(start, stop):
            weight = vector.load_spread(gate, i)
            low = vector.multiply_add(weight, vector.load(mixed, i * width + unit), low)
            high = vector.multiply_add(weight, vector.load(mixed, i * width + unit + LANES), high)
        vector.store(pooled, unit, low)
        vector.store(pooled, unit + LANES, high)


@part
def chunk_end(offsets, first, last):  # type: ignore[no-untyped-def]
    """End of the chunk that begins at event ``first``: `CHUNK_NODES` nodes, or one event if it has more."""
    end = first + 1
    while end < last and offsets[end + 1] - offsets[first] <= CHUNK_NODES:
        end += 1
    return end


@part
def largest_chunk(offsets, first, last):  # type: ignore[no-untyped-def]
    """Most nodes and most events of a chunk."""
    n_nodes = n_events = 1
    begin = first
    while begin < last:
        end = chunk_end(offsets, begin, last)
        n_nodes = max(n_nodes, offsets[end] - offsets[begin])
        n_events = max(n_events, end - begin)
        begin = end
    return n_nodes, n_events


@part
def fill_family(offsets, mother, begin, end, family):  # type: ignore[no-untyped-def]
    """The families of the events ``begin:end``."""
    origin = offsets[begin]
    n_nodes = offsets[end] - origin
    start = family.daughter_start
    start[: n_nodes + 1] = 0
    for event in range(begin, end):
        for i in range(offsets[event], offsets[event + 1]):
            above = -1
            if mother[i] >= 0 and mother[i] != i - offsets[event]:
                above = mother[i] + offsets[event] - origin
                start[above + 1] += 1
            family.mother[i - origin] = above
    for i in range(n_nodes):
        start[i + 1] += start[i]
    # Filled from the back: each entry of the start moves down to where its daughters begin.
    for i in range(n_nodes - 1, -1, -1):
        above = family.mother[i]
        if above >= 0:
            start[above + 1] -= 1
            family.daughter[start[above + 1]] = i
    for i in range(n_nodes):
        start[i] = start[i + 1]
    n_daughters = 0
    for i in range(n_nodes):
        if family.mother[i] >= 0:
            n_daughters += 1
    start[n_nodes] = n_daughters


@part
def fill_inputs(token, feature, embedding, inputs):  # type: ignore[no-untyped-def]
    """Embedding and features of each node side by side; False if a token has no row in the embedding."""
    n_tokens, emb_size = embedding.shape
    for i in range(len(token)):
        if token[i] < 0 or token[i] >= n_tokens:
            return False
        for k in range(emb_size):
            inputs[i, k] = embedding[token[i], k]
        for k in range(feature.shape[1]):
            inputs[i, emb_size + k] = feature[i, k]
    return True


@part
def update_states(joined, state_matrix, state_bias, updated):  # type: ignore[no-untyped-def]
    """``updated`` (n_events, state): leaky_relu(joined @ matrix + bias)."""
    multiply(joined, state_matrix, 0, updated)
    n_events, n_state = updated.shape
    slope = vector.constant(updated, LEAKY_SLOPE)
    for event in range(n_events):
        for unit in range(0, n_state, LANES):
            values = vector.add(vector.load(updated, event * n_state + unit), vector.load(state_bias, unit))
            vector.store(updated, event * n_state + unit, leaky(values, slope))


def activation_shapes(
    depth: int, n_joined: int, n_nodes: int, n_events: int, weights: PackedWeights
) -> tuple[tuple[int, ...], ...]:
    """Shapes of the fields of `Activations`, in their order; called from Python and, compiled, from kernels."""
    width = weights.bias.shape[1]
    padded_heads = -(-weights.heads // LANES) * LANES
    return (
        (depth, n_nodes, width),
        (depth, 2, n_nodes, padded_heads),
        (depth, n_nodes, 3, padded_heads),
        (depth, n_nodes, width),
        (depth, n_nodes),
        (n_joined, n_events, weights.state_bias.shape[1] + width),
    )


_activation_shapes = part(activation_shapes)


@part
def make_activations(n_nodes, n_events, weights):  # type: ignore[no-untyped-def]
    """Uninitialised `Activations` of one layer at a time."""
    dtype = weights.bias.dtype
    node, dots, attention, mixed, pooling, joined = _activation_shapes(1, 1, n_nodes, n_events, weights)
    return Activations(
        np.empty(node, dtype),
        np.empty(dots, dtype),
        np.empty(attention, dtype),
        np.empty(mixed, dtype),
        np.empty(pooling, dtype),
        np.empty(joined, dtype),
    )


@part
def make_family(n_nodes):  # type: ignore[no-untyped-def]
    """An uninitialised `Family`."""
    return Family(np.empty(n_nodes, np.int64), np.empty(n_nodes + 1, np.int64), np.empty(n_nodes, np.int64))


@part
def run_layers(  # type: ignore[no-untyped-def]
    offsets, begin, end, inputs, family, weights, activations, first_node, first_event, scratch, gate, updated
):
    """All layers for the events ``begin:end``; leaves their final states in ``updated``.

    Parameters
    ----------
    inputs : (n_nodes, n_inputs) of these events.
    activations, first_node, first_event : where their activations begin.
    scratch, gate, updated : (2, n_nodes, padded heads), (n_nodes + LANES,), (n_events, state).
    """
    n, n_events = offsets[end] - offsets[begin], end - begin
    heads, width = weights.heads, weights.bias.shape[1]
    n_state = weights.state_bias.shape[1]
    depth, n_joined = len(activations.node), len(activations.joined)
    nodes = slice(first_node, first_node + n)
    events = slice(first_event, first_event + n_events)
    activations.joined[0, events, :n_state] = 0
    for layer in range(len(weights.bias)):
        place = layer % depth
        node, mixed = activations.node[place, nodes], activations.mixed[place, nodes]
        start = weights.node_matrix_start[layer]
        if layer == 0:
            multiply(inputs, weights.node_matrix, start, node)
        else:
            multiply(activations.mixed[(layer - 1) % depth, nodes], weights.node_matrix, start, node)
        source, target = activations.dots[place, 0, nodes], activations.dots[place, 1, nodes]
        attention = activations.attention[place, nodes]
        split = node.reshape((n, heads, width // heads))
        attention_dots(split, weights.attention_source[layer], weights.attention_target[layer], source, target)
        attention_weights(source, target, family.mother, attention, scratch)
        mix_family(split, family, attention, weights.bias[layer], weights.gate[layer], mixed, gate)
        joined = activations.joined[layer % n_joined, events]
        for event in range(n_events):
            start, stop = offsets[begin + event] - offsets[begin], offsets[begin + event + 1] - offsets[begin]
            pool(mixed, gate, start, stop, joined[event, n_state:])
        activations.pooling[place, nodes] = gate[:n]
        update_states(joined, weights.state_matrix[layer], weights.state_bias[layer], updated)
        activations.joined[(layer + 1) % n_joined, events, :n_state] = updated


@kernel
def evaluate(offsets, token, feature, mother, first, last, weights, logits):  # type: ignore[no-untyped-def]
    """Logits of the events ``first:last`` into ``logits`` (n_events, n_skims).

    ``offsets``, ``token``, ``feature``, ``mother`` are those of `smartbkg.graphs.DecayGraphs`; mothers must lie within
    their event, which nothing here checks. Returns False, with logits missing, if a token has no row in the embedding.
    """
    dtype = weights.bias.dtype
    n_state = weights.state_bias.shape[1]
    most_nodes, most_events = largest_chunk(offsets, first, last)
    inputs = np.empty((most_nodes, weights.embedding.shape[1] + feature.shape[1]), dtype)
    family = make_family(most_nodes)
    activations = make_activations(most_nodes, most_events, weights)
    scratch = np.empty((2, most_nodes, activations.dots.shape[3]), dtype)
    gate = np.empty(most_nodes + LANES, dtype)
    states = np.empty((most_events, n_state), dtype)
    begin = first
    while begin < last:
        end = chunk_end(offsets, begin, last)
        origin, n = offsets[begin], offsets[end] - offsets[begin]
        if not fill_inputs(token[origin : origin + n], feature[origin : origin + n], weights.embedding, inputs):
            return False
        fill_family(offsets, mother, begin, end, family)
        updated = states[: end - begin]
        run_layers(offsets, begin, end, inputs[:n], family, weights, activations, 0, 0, scratch, gate, updated)
        for event in range(end - begin):
            for skim in range(len(weights.output_bias)):
                total = weights.output_bias[skim]
                for unit in range(n_state):
                    total += updated[event, unit] * weights.output_matrix[skim, unit]
                logits[begin + event, skim] = total
        begin = end
    return True


__all__ = [
    "CHUNK_NODES",
    "Activations",
    "Family",
    "PackedWeights",
    "activation_shapes",
    "chunk_end",
    "evaluate",
    "fill_family",
    "largest_chunk",
    "leaky",
    "make_activations",
    "make_family",
    "run_layers",
]
