"""GATGAP on padded events, with a matrix of neighbours in place of edges: the form that ONNX exports.

Number for number the attention of `smartbkg.networks.layers.attend_to_family`; it costs n² instead of n for
n particles.
"""

from __future__ import annotations

from typing import Final, cast

import torch
from torch.nn import functional

from smartbkg.networks.gatgap.network import GATGAP, GATLayer, GraphAttention
from smartbkg.networks.kernels.slopes import ATTENTION_SLOPE, LEAKY_SLOPE

_MASKED: Final = -1e9


def _attend(attention: GraphAttention, node: torch.Tensor, is_family: torch.Tensor) -> torch.Tensor:
    """(B, N, n_inputs) → (B, N, heads · units)."""
    n_events, n_nodes = node.shape[0], node.shape[1]
    _, heads, units = attention.attn_l.shape
    split = attention.fc(node).view(n_events, n_nodes, heads, units)
    source = (split * attention.attn_l).sum(3)
    target = (split * attention.attn_r).sum(3)
    logits = functional.leaky_relu(target.unsqueeze(2) + source.unsqueeze(1), ATTENTION_SLOPE)
    weight = torch.softmax(torch.where(is_family.unsqueeze(3), logits, torch.full_like(logits, _MASKED)), dim=2)
    mixed = torch.einsum("bijh,bjhu->bihu", weight, split)
    return mixed.reshape(n_events, n_nodes, heads * units) + attention.bias


def _pool(layer: GATLayer, node: torch.Tensor, is_particle: torch.Tensor) -> torch.Tensor:
    """(B, N, width) → (B, width), zeros for an event without particles."""
    present = is_particle.to(node.dtype)
    if layer.gap_gate is None:
        weight = present / present.sum(dim=1, keepdim=True).clamp(min=1)
    else:
        gate = layer.gap_gate(node)[:, :, 0]
        weight = torch.softmax(torch.where(is_particle, gate, torch.full_like(gate, _MASKED)), dim=1) * present
    return (node * weight.unsqueeze(2)).sum(dim=1)


def gatgap_padded(
    model: GATGAP, feature: torch.Tensor, token: torch.Tensor, mother: torch.Tensor, is_particle: torch.Tensor
) -> torch.Tensor:
    """Logits (n_events, n_skims) of padded events.

    Parameters
    ----------
    feature : (n_events, length, n_features).
    token : (n_events, length) int64.
    mother : (n_events, length) int64 position within the event, -1 where there is none.
    is_particle : (n_events, length) True = a particle, False = padding.
    """
    node = torch.cat((model.pdg_embedding(token), feature), dim=2)
    slots = torch.cumsum(torch.ones_like(mother), dim=1) - 1
    is_mother = mother.unsqueeze(2) == slots.unsqueeze(1)
    is_family = is_mother | is_mother.transpose(1, 2) | (slots.unsqueeze(2) == slots.unsqueeze(1))
    state: torch.Tensor | None = None
    for module in model.gat_layers:
        layer = cast(GATLayer, module)
        node = functional.leaky_relu(_attend(layer.gat, node, is_family), LEAKY_SLOPE)
        pooled = _pool(layer, node, is_particle)
        joined = pooled if state is None else torch.cat((state, pooled), dim=1)
        state = functional.leaky_relu(layer.fc(joined), LEAKY_SLOPE)
    logits: torch.Tensor = model.fc_output(state)
    return logits


__all__ = ["gatgap_padded"]
