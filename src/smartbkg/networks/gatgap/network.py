"""GATGAP: graph attention with global attention pooling, number for number that of Belle II (arXiv:2307.06434).

Attention is that of arXiv:1710.10903 on the decay graph: each particle attends to itself, its mother and its daughters.
Names of weights are those of upstream's state dict, so that trained models load.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn import functional

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.backends import trains_in_kernels
from smartbkg.networks.config import GATGAPConfig
from smartbkg.networks.gatgap.autograd import run_gat_layers
from smartbkg.networks.gatgap.packing import LayerWeights
from smartbkg.networks.kernels.slopes import LEAKY_SLOPE
from smartbkg.networks.layers import attend_to_family, pool_with_gate, pool_with_mean


class GraphAttention(nn.Module):
    """Weights of one graph attention.

    Parameters
    ----------
    n_inputs : width of a node before.
    units, heads : a node has ``heads * units`` numbers after.
    """

    def __init__(self, n_inputs: int, units: int, heads: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n_inputs, units * heads, bias=False)
        self.attn_l = nn.Parameter(torch.empty(1, heads, units))
        self.attn_r = nn.Parameter(torch.empty(1, heads, units))
        self.bias = nn.Parameter(torch.zeros(units * heads))
        gain = nn.init.calculate_gain("relu")
        for weights in (self.fc.weight, self.attn_l, self.attn_r):
            nn.init.xavier_normal_(weights, gain=gain)

    def forward(self, node: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
        """(n_nodes, n_inputs) → (n_nodes, heads * units)."""
        return attend_to_family(self.fc(node), self.attn_l[0], self.attn_r[0], batch) + self.bias


class GATLayer(nn.Module):
    """One layer: nodes attend to their family, the event's state reads the pooled nodes.

    Parameters
    ----------
    n_inputs : width of a node before.
    n_state : width of the event's state before, 0 in the first layer.
    """

    def __init__(self, config: GATGAPConfig, n_inputs: int, n_state: int) -> None:
        super().__init__()
        width = config.units * config.attention_heads
        self.gat = GraphAttention(n_inputs, config.units, config.attention_heads)
        self.fc = nn.Linear(n_state + width, config.units)
        self.gap_gate = nn.Linear(width, 1) if config.use_gap else None

    def forward(
        self, node: torch.Tensor, state: torch.Tensor | None, batch: GraphBatch
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Nodes (n_nodes, width) and state (n_events, units) after."""
        node = functional.leaky_relu(self.gat(node, batch), LEAKY_SLOPE)
        if self.gap_gate is None:
            pooled = pool_with_mean(node, batch)
        else:
            pooled = pool_with_gate(node, self.gap_gate(node)[:, 0], batch)
        joined = pooled if state is None else torch.cat((state, pooled), dim=1)
        return node, functional.leaky_relu(self.fc(joined), LEAKY_SLOPE)

    def weights(self) -> LayerWeights:
        """Weights for the kernels. The gate's bias is dropped: the softmax does not depend on it."""
        gate = torch.zeros_like(self.gat.bias)[None] if self.gap_gate is None else self.gap_gate.weight
        return LayerWeights(
            self.gat.fc.weight, self.gat.attn_l, self.gat.attn_r, self.gat.bias, gate, self.fc.weight, self.fc.bias
        )


class GATGAP(nn.Module):
    """The network of `GATGAPConfig`; an event without nodes is pooled to zeros.

    Attributes
    ----------
    is_compiled : run the layers in compiled kernels where they can (`smartbkg.networks.backends.trains_in_kernels`),
        else in torch's operations; both give the same to rounding.
    """

    def __init__(self, config: GATGAPConfig) -> None:
        super().__init__()
        self.config = config
        self.is_compiled = True
        self.pdg_embedding = nn.Embedding(config.num_pdg + 1, config.emb_size)
        width = config.units * config.attention_heads
        first = GATLayer(config, config.num_features + config.emb_size, 0)
        others = [GATLayer(config, width, config.units) for _ in range(config.n_layers - 1)]
        self.gat_layers = nn.ModuleList([first, *others])
        self.fc_output = nn.Linear(config.units, config.n_skims)

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """Logits (n_events, n_skims)."""
        node = torch.cat((self.pdg_embedding(batch.token), batch.feature), dim=1)
        layers = cast("list[GATLayer]", list(self.gat_layers))
        if self.is_compiled and trains_in_kernels(node, self.config.units):
            state: torch.Tensor | None = run_gat_layers(batch, node, [layer.weights() for layer in layers])
        else:
            state = None
            for layer in layers:
                node, state = layer(node, state, batch)
        logits: torch.Tensor = self.fc_output(state)
        return logits


__all__ = ["GATGAP", "GATLayer", "GraphAttention"]
