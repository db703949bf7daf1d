"""GATGAP's layers in training: compiled kernels behind torch's autograd, for float32 and float64 on the CPU."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.gatgap.gradients import WeightGradients, backward, forward
from smartbkg.networks.gatgap.kernels import Activations, PackedWeights
from smartbkg.networks.kernels.matrix import PANEL, pack
from smartbkg.networks.kernels.vector import LANES


class LayerWeights(NamedTuple):
    """Weights of one layer, as `smartbkg.networks.gatgap.network.GATLayer` has them."""

    matrix: torch.Tensor
    """(width, n_inputs)"""
    attention_source: torch.Tensor
    """(1, heads, units)"""
    attention_target: torch.Tensor
    """(1, heads, units)"""
    bias: torch.Tensor
    """(width,)"""
    gate: torch.Tensor
    """(1, width), zeros where pooling is the mean"""
    state_matrix: torch.Tensor
    """(units, state before + width)"""
    state_bias: torch.Tensor
    """(units,)"""


def run_gat_layers(batch: GraphBatch, inputs: torch.Tensor, layers: Sequence[LayerWeights]) -> torch.Tensor:
    """Final states (n_events, units) of events; differentiable once.

    Parameters
    ----------
    batch : decay graphs.
    inputs : (n_nodes, n_inputs) nodes before the first layer.
    layers : weights of all layers.
    """
    missing = -inputs.shape[1] % PANEL
    first = layers[0]._replace(matrix=torch.nn.functional.pad(layers[0].matrix, (0, missing)))
    weights = [tensor for layer in (first, *layers[1:]) for tensor in layer]
    padded_inputs = torch.nn.functional.pad(inputs, (0, missing))
    states: torch.Tensor = _GATLayers.apply(  # type: ignore[no-untyped-call]
        torch.is_grad_enabled(), batch.offsets, batch.mother, padded_inputs, *weights
    )
    return states


def _share(run: Callable[[int, int, int], None], offsets: NDArray[np.int64], n_shares: int) -> None:
    """Call ``run(share, first event, last event)`` for shares of about equal numbers of nodes, each in a thread."""
    cuts = np.searchsorted(offsets, np.arange(1, n_shares) * offsets[-1] / n_shares).tolist()
    bounds = [0, *cuts, len(offsets) - 1]
    if n_shares == 1:
        run(0, bounds[0], bounds[1])
        return
    with ThreadPoolExecutor(n_shares) as pool:
        list(pool.map(run, range(n_shares), bounds[:-1], bounds[1:]))


class _Rooms:
    """Memory that steps use one after the other: new memory must be cleared by the system, page by page, each time."""

    def __init__(self) -> None:
        self._free: list[NDArray[Any]] = []

    def borrow(self, n_numbers: int, kind: np.dtype[Any]) -> NDArray[Any]:
        """(n_numbers,) of rubbish; comes back here when nothing refers to it any more."""
        n_bytes = n_numbers * kind.itemsize
        fitting = [room for room in self._free if len(room) >= n_bytes]
        if fitting:
            room = min(fitting, key=len)
            self._free = [other for other in self._free if other is not room]
        else:
            self._free.clear()
            room = np.empty(n_bytes + n_bytes // 8, dtype=np.uint8)
        lent = room[:n_bytes].view(kind)
        weakref.finalize(lent, self._free_again, room).atexit = False
        return lent

    def _free_again(self, room: NDArray[Any]) -> None:
        self._free = [*self._free[-1:], room]


_ROOMS: Final = _Rooms()


class _ActivationShape(NamedTuple):
    """Sizes of `Activations`."""

    kept: int
    n_joined: int
    n_nodes: int
    n_events: int

    def _shapes(self, weights: PackedWeights) -> list[tuple[int, ...]]:
        width = weights.bias.shape[1]
        heads = -(-weights.heads // LANES) * LANES
        return [
            (self.kept, self.n_nodes, width),
            (self.kept, 2, self.n_nodes, heads),
            (self.kept, self.n_nodes, 3, heads),
            (self.kept, self.n_nodes, width),
            (self.kept, self.n_nodes),
            (self.n_joined, self.n_events, weights.state_bias.shape[1] + width),
        ]

    def n_numbers(self, weights: PackedWeights) -> int:
        """Room that they need."""
        return sum(math.prod(shape) for shape in self._shapes(weights))

    def within(self, room: NDArray[Any], weights: PackedWeights) -> Activations:
        """The activations in a flat array."""
        arrays, start = [], 0
        for shape in self._shapes(weights):
            arrays.append(room[start : start + math.prod(shape)].reshape(shape))
            start += math.prod(shape)
        return Activations(*arrays)


class _Packed(NamedTuple):
    """Weights in the order of the kernels, and their transposes for the way back."""

    weights: PackedWeights
    back_node_matrix: NDArray[Any]
    back_state_matrix: NDArray[Any]


def _pack_layers(layers: Sequence[LayerWeights]) -> _Packed:
    _, heads, units = layers[0].attention_source.shape
    matrices = [layer.matrix.detach().numpy() for layer in layers]
    state_matrices = np.zeros((len(layers), units + heads * units, units), dtype=matrices[0].dtype)
    for whole, layer in zip(state_matrices, layers, strict=True):
        whole[-layer.state_matrix.shape[1] :] = layer.state_matrix.detach().numpy().T

    def stacked(tensors: Iterable[torch.Tensor]) -> NDArray[Any]:
        return np.stack([tensor.detach().numpy().ravel() for tensor in tensors])

    unused = np.empty((1, 1), dtype=matrices[0].dtype)
    weights = PackedWeights(
        embedding=unused,
        node_matrix=np.concatenate([pack(matrix.T) for matrix in matrices]),
        node_matrix_start=np.cumsum([0, *(matrix.size for matrix in matrices[:-1])], dtype=np.int64),
        attention_source=stacked(layer.attention_source for layer in layers),
        attention_target=stacked(layer.attention_target for layer in layers),
        bias=stacked(layer.bias for layer in layers),
        gate=stacked(layer.gate for layer in layers),
        state_matrix=np.stack([pack(matrix) for matrix in state_matrices]),
        state_bias=stacked(layer.state_bias for layer in layers),
        output_matrix=unused,
        output_bias=unused[0],
        heads=heads,
    )
    return _Packed(
        weights,
        np.concatenate([pack(matrix) for matrix in matrices]),
        np.stack([pack(np.ascontiguousarray(matrix.T)) for matrix in state_matrices]),
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
    """What the way back needs."""

    offsets: NDArray[np.int64]
    mother: NDArray[np.int64]
    inputs: NDArray[Any]
    packed: _Packed
    activation_shape: _ActivationShape
    shapes: list[torch.Size]
    n_threads: int


class _GATLayers(torch.autograd.Function):
    """(whether a gradient is wanted, offsets, mother, inputs, weights of layer 0, of layer 1, ...) → final states."""

    @staticmethod
    def forward(ctx: Any, is_kept: bool, *tensors: torch.Tensor) -> torch.Tensor:
        offsets, mother_in_batch = tensors[0].numpy(), tensors[1].numpy()
        inputs = np.ascontiguousarray(tensors[2].detach().numpy())
        n_fields = len(LayerWeights._fields)
        layers = [LayerWeights(*tensors[i : i + n_fields]) for i in range(3, len(tensors), n_fields)]
        packed = _pack_layers(layers)
        mother = np.where(mother_in_batch >= 0, mother_in_batch - np.repeat(offsets[:-1], np.diff(offsets)), -1)
        n_nodes, n_events, n_layers = len(inputs), len(offsets) - 1, len(layers)
        shape = _ActivationShape(n_layers if is_kept else 1, n_layers + 1 if is_kept else 1, n_nodes, n_events)
        room = _ROOMS.borrow(shape.n_numbers(packed.weights), inputs.dtype)
        activations = shape.within(room, packed.weights)
        states = np.empty((n_events, packed.weights.state_bias.shape[1]), dtype=inputs.dtype)
        n_threads = max(1, min(torch.get_num_threads(), n_events))

        def run(_share: int, first: int, last: int) -> None:
            forward(offsets, mother, first, last, inputs, packed.weights, activations, states)

        _share(run, offsets, n_threads)
        shapes = [tensor.shape for tensor in tensors[3:]]
        if is_kept:
            # Torch lets go of a saved tensor after the way back, and so the room goes to the next step.
            ctx.save_for_backward(torch.from_numpy(room))
            ctx.saved = _Saved(offsets, mother, inputs, packed, shape, shapes, n_threads)
        return torch.from_numpy(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved: _Saved = ctx.saved
        weights = saved.packed.weights
        activations = saved.activation_shape.within(ctx.saved_tensors[0].numpy(), weights)
        grad_inputs = np.empty_like(saved.inputs)
        gradient = np.ascontiguousarray(grad_states.numpy())
        shares = [_no_gradients(weights) for _ in range(saved.n_threads)]

        def run(share: int, first: int, last: int) -> None:
            backward(
                saved.offsets, saved.mother, first, last, saved.inputs, weights, saved.packed.back_node_matrix,
                saved.packed.back_state_matrix, activations, gradient, grad_inputs, shares[share],
            )  # fmt: skip

        _share(run, saved.offsets, saved.n_threads)
        total = (
            shares[0]
            if len(shares) == 1
            else WeightGradients(*(np.sum(parts, axis=0) for parts in zip(*shares, strict=True)))
        )
        return (
            None,
            None,
            None,
            torch.from_numpy(grad_inputs),
            *_as_tensors(total, weights.node_matrix_start, saved.shapes),
        )


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


__all__ = ["LayerWeights", "run_gat_layers"]
