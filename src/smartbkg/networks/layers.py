"""Operations on decay graphs without an edge list: the family of a particle is itself, its mother, its daughters.

Everything is written from `GraphBatch.mother` and `GraphBatch.event`, and differentiable on any device.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.kernels.slopes import ATTENTION_SLOPE


def attend_to_family(
    node: torch.Tensor,
    attention_source: torch.Tensor,
    attention_target: torch.Tensor,
    batch: GraphBatch,
    edge_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Graph attention (arXiv:1710.10903, equations 1 to 5) over child ↔ mother edges and self-loops.

    Parameters
    ----------
    node : (n_nodes, heads * units), already multiplied with the layer's matrix.
    attention_source, attention_target : (heads, units), the two halves of the attention vector.
    edge_bias : (3, heads) added to the logits where the other is the node itself, its mother, its daughter.

    Returns
    -------
    (n_nodes, heads * units): for each head the mean over a node's family, weighted with the softmax of
    leaky_relu(source of the other + target of the node itself).
    """
    heads, units = attention_source.shape
    split = node.view(-1, heads, units)
    source = (split * attention_source).sum(2)
    target = (split * attention_target).sum(2)
    child = torch.nonzero(batch.mother >= 0)[:, 0]
    mother = batch.mother[child]
    to_self = functional.leaky_relu(source + target, ATTENTION_SLOPE)
    to_child = functional.leaky_relu(source[mother] + target[child], ATTENTION_SLOPE)
    to_mother = functional.leaky_relu(source[child] + target[mother], ATTENTION_SLOPE)
    if edge_bias is not None:
        to_self, to_child, to_mother = to_self + edge_bias[0], to_child + edge_bias[1], to_mother + edge_bias[2]
    with torch.no_grad():
        highest = to_self.clone()
        highest[child] = torch.maximum(highest[child], to_child)
        highest.scatter_reduce_(0, mother[:, None].expand_as(to_mother), to_mother, "amax")
    weight_self = torch.exp(to_self - highest)
    weight_child = torch.exp(to_child - highest[child])
    weight_mother = torch.exp(to_mother - highest[mother])
    total = weight_self.index_add(0, child, weight_child).index_add(0, mother, weight_mother)
    mixed = (
        (split * weight_self[:, :, None])
        .index_add(0, child, split[mother] * weight_child[:, :, None])
        .index_add(0, mother, split[child] * weight_mother[:, :, None])
    )
    return (mixed / total[:, :, None]).reshape(len(node), heads * units)


def pool_with_gate(node: torch.Tensor, gate: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """Mean of each event's nodes, weighted with the softmax of their gates (arXiv:1511.05493, equation 7).

    Parameters
    ----------
    node : (n_nodes, width).
    gate : (n_nodes,).

    Returns
    -------
    (n_events, width), zeros for an event without nodes.
    """
    with torch.no_grad():
        highest = gate.new_full((batch.n_events,), -torch.inf).scatter_reduce(0, batch.event, gate, "amax")
    weight = torch.exp(gate - highest[batch.event])
    total = weight.new_zeros(batch.n_events).index_add(0, batch.event, weight)
    return sum_over_events(node * (weight / total[batch.event])[:, None], batch)


def pool_with_mean(node: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """Mean of each event's nodes: (n_nodes, width) → (n_events, width), zeros for an event without nodes."""
    counts = torch.diff(batch.offsets).clamp(min=1)
    return sum_over_events(node, batch) / counts[:, None]


def sum_over_events(node: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """Sum of each event's nodes: (n_nodes, width) → (n_events, width)."""
    return node.new_zeros(batch.n_events, node.shape[1]).index_add(0, batch.event, node)


__all__ = ["attend_to_family", "pool_with_gate", "pool_with_mean", "sum_over_events"]
