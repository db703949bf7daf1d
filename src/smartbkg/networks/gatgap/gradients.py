"""Compiled gradients of GATGAP's layers: backward through `smartbkg.networks.gatgap.kernels`, chunk by chunk.

Each function states the forward formula that it differentiates. Gradients of weights are added to, those of
activations are replaced.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.networks.gatgap.kernels import (
    chunk_end,
    fill_family,
    largest_chunk,
    make_family,
    run_layers,
)
from smartbkg.networks.kernels import vector
from smartbkg.networks.kernels.matrix import add_transposed_product, multiply
from smartbkg.networks.kernels.slopes import ATTENTION_SLOPE, LEAKY_SLOPE
from smartbkg.networks.kernels.vector import LANES


class WeightGradients(NamedTuple):
    """Gradients of the weights of all layers; shapes as in `smartbkg.networks.gatgap.kernels.PackedWeights`."""

    node_matrix: NDArray[Any]
    """flat: (width, n_inputs) of each layer, at the positions of ``node_matrix_start``"""
    attention_source: NDArray[Any]
    """(n_layers, width)"""
    attention_target: NDArray[Any]
    """(n_layers, width)"""
    bias: NDArray[Any]
    """(n_layers, width)"""
    gate: NDArray[Any]
    """(n_layers, width)"""
    state_matrix: NDArray[Any]
    """(n_layers, state + width, state)"""
    state_bias: NDArray[Any]
    """(n_layers, state)"""


@kernel
def run_forward(offsets, mother, first, last, inputs, weights, activations, states):  # type: ignore[no-untyped-def]
    """Final states of the events ``first:last``, and their activations, of each layer where there is room for all."""
    dtype = inputs.dtype
    most_nodes, _ = largest_chunk(offsets, first, last)
    family = make_family(most_nodes)
    scratch = np.empty((2, most_nodes, activations.dots.shape[3]), dtype)
    gate = np.empty(most_nodes + LANES, dtype)
    begin = first
    while begin < last:
        end = chunk_end(offsets, begin, last)
        fill_family(offsets, mother, begin, end, family)
        origin, stop = offsets[begin], offsets[end]
        run_layers(
            offsets, begin, end, inputs[origin:stop], family, weights, activations, origin, begin, scratch, gate,
            states[begin:end],
        )  # fmt: skip
        begin = end


@part
def _through_state(joined, state, back_matrix, grad_state, grad_matrix, grad_bias, before, grad_joined):  # type: ignore[no-untyped-def]
    """state = leaky_relu(joined @ matrix + bias); the gradient before the leaky ReLU is left in ``before``."""
    n_events, n_state = grad_state.shape
    slope = vector.constant(grad_state, LEAKY_SLOPE)
    for event in range(n_events):
        for unit in range(0, n_state, LANES):
            place = event * n_state + unit
            value = vector.load(state[event], unit)
            gradient = vector.multiply(vector.load(grad_state, place), vector.slope_where_negative(value, slope))
            vector.store(before, place, gradient)
            vector.store(grad_bias, unit, vector.add(vector.load(grad_bias, unit), gradient))
    add_transposed_product(joined, before, grad_matrix)
    multiply(before, back_matrix, 0, grad_joined)


@part
def _through_pooling(mixed, pooling, start, stop, grad_pooled, gate_vector, grad_mixed, grad_gate, slopes):  # type: ignore[no-untyped-def]
    """pooled = Σ p · mixed with p the softmax of gate · mixed, over the nodes of an event; adds to ``grad_mixed``."""
    width = mixed.shape[1]
    mean = grad_pooled.dtype.type(0)
    for i in range(start, stop):
        total = vector.constant(mixed, 0.0)
        for unit in range(0, width, LANES):
            total = vector.multiply_add(vector.load(mixed, i * width + unit), vector.load(grad_pooled, unit), total)
        slopes[i] = vector.sum_of(total)
        mean += pooling[i] * slopes[i]
    for i in range(start, stop):
        weight = vector.spread(pooling[i])
        slope = vector.spread(pooling[i] * (slopes[i] - mean))
        for unit in range(0, width, LANES):
            place = i * width + unit
            gradient = vector.multiply_add(weight, vector.load(grad_pooled, unit), vector.load(grad_mixed, place))
            gradient = vector.multiply_add(slope, vector.load(gate_vector, unit), gradient)
            vector.store(grad_mixed, place, gradient)
            gradient = vector.multiply_add(slope, vector.load(mixed, place), vector.load(grad_gate, unit))
            vector.store(grad_gate, unit, gradient)


@part
def _through_activation(mixed, grad, grad_bias):  # type: ignore[no-untyped-def]
    """mixed = leaky_relu(mean of the family + bias), in place; then the gradient of the mean is that of the bias."""
    n_nodes, width = mixed.shape
    slope = vector.constant(mixed, LEAKY_SLOPE)
    for i in range(n_nodes):
        for unit in range(0, width, LANES):
            place = i * width + unit
            sign = vector.slope_where_negative(vector.load(mixed, place), slope)
            gradient = vector.multiply(vector.load(grad, place), sign)
            vector.store(grad, place, gradient)
            vector.store(grad_bias, unit, vector.add(vector.load(grad_bias, unit), gradient))


@part
def _weight_slopes(node, grad, mother, slopes):  # type: ignore[no-untyped-def]
    """mean of the family = Σ weight · node: the gradient of each weight is a dot product.

    ``node``, ``grad`` (n_nodes, heads, units); ``slopes`` (n_nodes, 3, padded heads) out, as `attention_weights`.
    """
    n_nodes, heads, units = node.shape
    width = heads * units
    zero = vector.constant(node, 0.0)
    slopes[:] = 0
    for i in range(n_nodes):
        above = mother[i]
        for head in range(heads):
            own = at_child = at_mother = zero
            for unit in range(head * units, (head + 1) * units, LANES):
                values, gradient = vector.load(node, i * width + unit), vector.load(grad, i * width + unit)
                own = vector.multiply_add(values, gradient, own)
                if above >= 0:
                    at_child = vector.multiply_add(vector.load(node, above * width + unit), gradient, at_child)
                    at_mother = vector.multiply_add(values, vector.load(grad, above * width + unit), at_mother)
            slopes[i, 0, head] = vector.sum_of(own)
            if above >= 0:
                slopes[i, 1, head] = vector.sum_of(at_child)
                slopes[i, 2, head] = vector.sum_of(at_mother)


@part
def _through_softmax(source, target, mother, weight, slopes, mean, grad_source, grad_target):  # type: ignore[no-untyped-def]
    """weight = softmax over a node's family of leaky_relu(source of the other + target of the node)."""
    n_nodes, heads = source.shape
    slope = vector.constant(source, ATTENTION_SLOPE)
    for lanes in range(0, heads, LANES):
        for i in range(n_nodes):
            here = 3 * i * heads + lanes
            total = vector.multiply(vector.load(weight, here), vector.load(slopes, here))
            if mother[i] >= 0:
                here += heads
                total = vector.multiply_add(vector.load(weight, here), vector.load(slopes, here), total)
            vector.store(mean, i * heads + lanes, total)
        for i in range(n_nodes):
            if mother[i] >= 0:
                here, above = (3 * i + 2) * heads + lanes, mother[i] * heads + lanes
                total = vector.multiply_add(
                    vector.load(weight, here), vector.load(slopes, here), vector.load(mean, above)
                )
                vector.store(mean, above, total)
        for i in range(n_nodes):
            here, place = 3 * i * heads + lanes, i * heads + lanes
            own_source, own_target, own_mean = (
                vector.load(source, place), vector.load(target, place), vector.load(mean, place),
            )  # fmt: skip
            gradient = _logit_gradient(weight, slopes, here, own_mean, vector.add(own_source, own_target), slope)
            vector.store(grad_source, place, gradient)
            vector.store(grad_target, place, gradient)
        for i in range(n_nodes):
            if mother[i] < 0:
                continue
            place, above = i * heads + lanes, mother[i] * heads + lanes
            logit = vector.add(vector.load(source, above), vector.load(target, place))
            gradient = _logit_gradient(
                weight, slopes, (3 * i + 1) * heads + lanes, vector.load(mean, place), logit, slope
            )
            vector.store(grad_source, above, vector.add(vector.load(grad_source, above), gradient))
            vector.store(grad_target, place, vector.add(vector.load(grad_target, place), gradient))
            logit = vector.add(vector.load(source, place), vector.load(target, above))
            gradient = _logit_gradient(
                weight, slopes, (3 * i + 2) * heads + lanes, vector.load(mean, above), logit, slope
            )
            vector.store(grad_source, place, vector.add(vector.load(grad_source, place), gradient))
            vector.store(grad_target, above, vector.add(vector.load(grad_target, above), gradient))


@part
def _logit_gradient(weight, slopes, place, mean, logit, slope):  # type: ignore[no-untyped-def]
    """Gradient of source + target of one member of a family."""
    gradient = vector.multiply(vector.load(weight, place), vector.subtract(vector.load(slopes, place), mean))
    return vector.multiply(gradient, vector.slope_where_negative(logit, slope))


@part
def _through_family(  # type: ignore[no-untyped-def]
    node, family, weight, grad, grad_dots, source_vector, target_vector, grad_node, grad_source_vector,
    grad_target_vector,
):  # fmt: skip
    """Gradient of the nodes: each gave to itself, its mother, its daughters, and to the two attention dots.

    ``node``, ``grad``, ``grad_node`` (n_nodes, heads, units); ``grad_dots`` (2, n_nodes, padded heads).
    """
    n_nodes, heads, units = node.shape
    width = heads * units
    padded_heads = weight.shape[2]
    for i in range(n_nodes):
        above = family.mother[i]
        first, last = family.daughter_start[i], family.daughter_start[i + 1]
        for head in range(heads):
            own_weight = vector.load_spread(weight, 3 * i * padded_heads + head)
            at_mother = vector.load_spread(weight, (3 * i + 2) * padded_heads + head)
            grad_source = vector.load_spread(grad_dots, i * padded_heads + head)
            grad_target = vector.load_spread(grad_dots, (n_nodes + i) * padded_heads + head)
            for unit in range(head * units, (head + 1) * units, LANES):
                place = i * width + unit
                total = vector.multiply(own_weight, vector.load(grad, place))
                if above >= 0:
                    total = vector.multiply_add(at_mother, vector.load(grad, above * width + unit), total)
                for k in range(first, last):
                    daughter = family.daughter[k]
                    at_daughter = vector.load_spread(weight, (3 * daughter + 1) * padded_heads + head)
                    total = vector.multiply_add(at_daughter, vector.load(grad, daughter * width + unit), total)
                total = vector.multiply_add(grad_source, vector.load(source_vector, unit), total)
                total = vector.multiply_add(grad_target, vector.load(target_vector, unit), total)
                vector.store(grad_node, place, total)
                values = vector.load(node, place)
                total = vector.multiply_add(grad_source, values, vector.load(grad_source_vector, unit))
                vector.store(grad_source_vector, unit, total)
                total = vector.multiply_add(grad_target, values, vector.load(grad_target_vector, unit))
                vector.store(grad_target_vector, unit, total)


@kernel
def run_backward(  # type: ignore[no-untyped-def]
    offsets, mother, first, last, inputs, weights, back_node_matrix, back_state_matrix, activations,
    grad_states, grad_inputs, gradients,
):  # fmt: skip
    """Gradients of the events ``first:last``.

    Parameters
    ----------
    offsets, mother, inputs, weights, activations : as they were after `run_forward`.
    back_node_matrix, back_state_matrix : the packed transposes of ``weights.node_matrix`` and ``state_matrix``.
    grad_states : (n_events, state) gradient of the final states.
    grad_inputs : (n_nodes, n_inputs) out.
    gradients : `WeightGradients`, added to.
    """
    dtype = inputs.dtype
    heads, width, n_state = weights.heads, weights.bias.shape[1], weights.state_bias.shape[1]
    padded_heads = activations.dots.shape[3]
    most_nodes, most_events = largest_chunk(offsets, first, last)
    family = make_family(most_nodes)
    room = np.empty((2, most_nodes, width), dtype)
    head_room = np.empty(6 * most_nodes * padded_heads, dtype)
    node_slopes = np.empty(most_nodes, dtype)
    state_room = np.empty((2, most_events, n_state), dtype)
    joined_room = np.empty((most_events, n_state + width), dtype)
    begin = first
    while begin < last:
        end = chunk_end(offsets, begin, last)
        fill_family(offsets, mother, begin, end, family)
        origin, stop = offsets[begin], offsets[end]
        n, n_events = stop - origin, end - begin
        grad, grad_node = room[0, :n], room[1, :n]
        slopes = head_room[: 3 * n * padded_heads].reshape((n, 3, padded_heads))
        mean = head_room[3 * n * padded_heads : 4 * n * padded_heads].reshape((n, padded_heads))
        grad_dots = head_room[4 * n * padded_heads : 6 * n * padded_heads].reshape((2, n, padded_heads))
        grad_state, before = state_room[0, :n_events], state_room[1, :n_events]
        grad_joined = joined_room[:n_events]
        shape = (n, heads, width // heads)
        grad_state[:] = grad_states[begin:end]
        grad[:] = 0
        for layer in range(len(weights.bias) - 1, -1, -1):
            node, mixed = activations.node[layer, origin:stop], activations.mixed[layer, origin:stop]
            _through_state(
                activations.joined[layer, begin:end], activations.joined[layer + 1, begin:end],
                back_state_matrix[layer], grad_state, gradients.state_matrix[layer], gradients.state_bias[layer],
                before, grad_joined,
            )  # fmt: skip
            grad_state[:] = grad_joined[:, :n_state]
            for event in range(n_events):
                _through_pooling(
                    mixed, activations.pooling[layer, origin:stop], offsets[begin + event] - origin,
                    offsets[begin + event + 1] - origin, grad_joined[event, n_state:], weights.gate[layer], grad,
                    gradients.gate[layer], node_slopes,
                )  # fmt: skip
            _through_activation(mixed, grad, gradients.bias[layer])
            split, split_grad = node.reshape(shape), grad.reshape(shape)
            weight = activations.attention[layer, origin:stop]
            _weight_slopes(split, split_grad, family.mother, slopes)
            _through_softmax(
                activations.dots[layer, 0, origin:stop], activations.dots[layer, 1, origin:stop], family.mother, weight,
                slopes, mean, grad_dots[0], grad_dots[1],
            )  # fmt: skip
            _through_family(
                split, family, weight, split_grad, grad_dots, weights.attention_source[layer],
                weights.attention_target[layer], grad_node.reshape(shape), gradients.attention_source[layer],
                gradients.attention_target[layer],
            )  # fmt: skip
            start = weights.node_matrix_start[layer]
            if layer == 0:
                size = width * inputs.shape[1]
                matrix = gradients.node_matrix[start : start + size].reshape((width, inputs.shape[1]))
                add_transposed_product(grad_node, inputs[origin:stop], matrix)
                multiply(grad_node, back_node_matrix, start, grad_inputs[origin:stop])
            else:
                matrix = gradients.node_matrix[start : start + width * width].reshape((width, width))
                add_transposed_product(grad_node, activations.mixed[layer - 1, origin:stop], matrix)
                multiply(grad_node, back_node_matrix, start, grad)
        begin = end


__all__ = ["WeightGradients", "run_backward", "run_forward"]
