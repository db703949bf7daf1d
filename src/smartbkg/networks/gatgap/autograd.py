"""GATGAP's layers in training: compiled kernels behind torch's autograd, for float32 and float64 on the CPU."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.gatgap.gradients import WeightGradients, run_backward, run_forward
from smartbkg.networks.gatgap.kernels import Activations, PackedWeights, activation_shapes
from smartbkg.networks.gatgap.packing import LayerWeights, pack_layers
from smartbkg.networks.kernels.matrix import PANEL, pack
from smartbkg.networks.kernels.threads import EventThreads


def run_gat_layers(batch: GraphBatch, inputs: torch.Tensor, layers: Sequence[LayerWeights]) -> torch.Tensor:
    """Final states (n_events, units) of events; differentiable once.

    Parameters
    ----------
    batch : decay graphs.
    inputs : (n_nodes, n_inputs) nodes before the first layer; see `smartbkg.networks.backends.trains_in_kernels`.
    layers : weights of all layers, tensors.
    """
    # The gradient of the inputs is a product with the first matrix, whose rows then are columns: whole panels of them.
    missing = -inputs.shape[1] % PANEL
    first = layers[0]._replace(matrix=torch.nn.functional.pad(layers[0].matrix, (0, missing)))
    weights = [tensor for layer in (first, *layers[1:]) for tensor in layer]
    padded_inputs = torch.nn.functional.pad(inputs, (0, missing))
    states: torch.Tensor = _GATLayers.apply(  # type: ignore[no-untyped-call]
        torch.is_grad_enabled(), batch.offsets, batch.mother, padded_inputs, *weights
    )
    return states


class _Buffers:
    """Buffers reused from step to step; fresh allocations would be zeroed page by page at every step."""

    def __init__(self) -> None:
        self._free: list[NDArray[Any]] = []

    def borrow(self, n_numbers: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """An uninitialised array (n_numbers,); its memory returns here when it is dropped, whatever views are left."""
        n_bytes = n_numbers * dtype.itemsize
        fitting = [buffer for buffer in self._free if len(buffer) >= n_bytes]
        if fitting:
            buffer = min(fitting, key=len)
            self._free = [other for other in self._free if other is not buffer]
        else:
            self._free.clear()
            buffer = np.empty(n_bytes + n_bytes // 8, dtype=np.uint8)
        lent = buffer[:n_bytes].view(dtype)
        weakref.finalize(lent, self._take_back, buffer).atexit = False
        return lent

    def _take_back(self, buffer: NDArray[Any]) -> None:
        self._free = [*self._free[-1:], buffer]


_BUFFERS: Final = _Buffers()


class _Sizes(NamedTuple):
    """Sizes of `Activations`: the arguments of `activation_shapes`."""

    depth: int
    n_joined: int
    n_nodes: int
    n_events: int

    def n_numbers(self, weights: PackedWeights) -> int:
        """Length of a flat array for all of them."""
        return sum(math.prod(shape) for shape in activation_shapes(*self, weights))

    def within(self, buffer: NDArray[Any], weights: PackedWeights) -> Activations:
        """The activations as views of a flat array."""
        arrays, start = [], 0
        for shape in activation_shapes(*self, weights):
            arrays.append(buffer[start : start + math.prod(shape)].reshape(shape))
            start += math.prod(shape)
        return Activations(*arrays)


class _Packed(NamedTuple):
    """Weights in the order of the kernels, and their transposes for the backward pass."""

    weights: PackedWeights
    back_node_matrix: NDArray[Any]
    back_state_matrix: NDArray[Any]


def _pack(layers: Sequence[LayerWeights]) -> _Packed:
    arrays = [LayerWeights(*(tensor.detach().numpy() for tensor in layer)) for layer in layers]
    unused = np.empty((1, 1), dtype=arrays[0].bias.dtype)
    weights, matrices = pack_layers(arrays, arrays[0].attention_source.shape[1], unused, (unused, unused[0]))
    return _Packed(
        weights,
        np.concatenate([pack(matrix.T) for matrix in matrices.node]),
        np.stack([pack(matrix.T) for matrix in matrices.state]),
    )


def _no_gradients(weights: PackedWeights) -> WeightGradients:
    n_layers, width = weights.bias.shape
    n_state = weights.state_bias.shape[1]
    return WeightGradients(
        node_matrix=np.zeros_like(weights.node_matrix),
        attention_source=np.zeros_like(weights.bias),
        attention_target=np.zeros_like(weights.bias),
        bias=np.zeros_like(weights.bias),
        gate=np.zeros_like(weights.bias),
        state_matrix=np.zeros((n_layers, n_state + width, n_state), dtype=weights.bias.dtype),
        state_bias=np.zeros_like(weights.state_bias),
    )


class _Saved(NamedTuple):
    """What the backward pass needs."""

    offsets: NDArray[np.int64]
    mother: NDArray[np.int64]
    inputs: NDArray[Any]
    packed: _Packed
    sizes: _Sizes
    shapes: list[torch.Size]
    """of inputs' weights, in the order of `_GATLayers.forward`"""
    n_threads: int


class _GATLayers(torch.autograd.Function):
    """(whether a gradient is wanted, offsets, mother, inputs, weights of layer 0, of layer 1, ...) → final states."""

    @staticmethod
    def forward(ctx: Any, with_gradient: bool, *tensors: torch.Tensor) -> torch.Tensor:
        offsets, mother_in_batch = tensors[0].numpy(), tensors[1].numpy()
        inputs = np.ascontiguousarray(tensors[2].detach().numpy())
        n_fields = len(LayerWeights._fields)
        layers = [LayerWeights(*tensors[i : i + n_fields]) for i in range(3, len(tensors), n_fields)]
        packed = _pack(layers)
        mother = np.where(mother_in_batch >= 0, mother_in_batch - np.repeat(offsets[:-1], np.diff(offsets)), -1)
        n_nodes, n_events, n_layers = len(inputs), len(offsets) - 1, len(layers)
        sizes = _Sizes(n_layers if with_gradient else 1, n_layers + 1 if with_gradient else 1, n_nodes, n_events)
        buffer = _BUFFERS.borrow(sizes.n_numbers(packed.weights), inputs.dtype)
        activations = sizes.within(buffer, packed.weights)
        states = np.empty((n_events, packed.weights.state_bias.shape[1]), dtype=inputs.dtype)
        n_threads = max(1, min(torch.get_num_threads(), n_events))

        def run(_share: int, first: int, last: int) -> None:
            run_forward(offsets, mother, first, last, inputs, packed.weights, activations, states)

        with EventThreads(n_threads) as threads:
            threads.run(run, offsets)
        if with_gradient:
            # Torch drops a saved tensor after the backward pass, and so the buffer goes to the next step.
            ctx.save_for_backward(torch.from_numpy(buffer))
            shapes = [tensor.shape for tensor in tensors[3:]]
            ctx.saved = _Saved(offsets, mother, inputs, packed, sizes, shapes, n_threads)
        return torch.from_numpy(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved: _Saved = ctx.saved
        packed, weights = saved.packed, saved.packed.weights
        activations = saved.sizes.within(ctx.saved_tensors[0].numpy(), weights)
        grad_inputs = np.empty_like(saved.inputs)
        gradient = np.ascontiguousarray(grad_states.numpy())

        def run(_share: int, first: int, last: int) -> WeightGradients:
            gradients = _no_gradients(weights)
            run_backward(
                saved.offsets, saved.mother, first, last, saved.inputs, weights, packed.back_node_matrix,
                packed.back_state_matrix, activations, gradient, grad_inputs, gradients,
            )  # fmt: skip
            return gradients

        with EventThreads(saved.n_threads) as threads:
            shares = threads.run(run, saved.offsets)
        total = (
            shares[0]
            if len(shares) == 1
            else WeightGradients(*(np.sum(parts, axis=0) for parts in zip(*shares, strict=True)))
        )
        grad_weights = _as_tensors(total, weights.node_matrix_start, saved.shapes)
        return (None, None, None, torch.from_numpy(grad_inputs), *grad_weights)


def _as_tensors(
    total: WeightGradients, matrix_start: NDArray[np.int64], shapes: Sequence[torch.Size]
) -> list[torch.Tensor]:
    """The gradients in the order and shapes of the weights."""
    arrays: list[NDArray[Any]] = []
    n_fields = len(LayerWeights._fields)
    for layer, start in enumerate(matrix_start):
        matrix, *_, state_matrix, _ = shapes[layer * n_fields : (layer + 1) * n_fields]
        arrays += [
            total.node_matrix[start : start + matrix.numel()],
            total.attention_source[layer],
            total.attention_target[layer],
            total.bias[layer],
            total.gate[layer],
            total.state_matrix[layer][-state_matrix[1] :].T,
            total.state_bias[layer],
        ]
    return [
        torch.from_numpy(np.ascontiguousarray(array)).reshape(shape)
        for array, shape in zip(arrays, shapes, strict=True)
    ]


__all__ = ["run_gat_layers"]
