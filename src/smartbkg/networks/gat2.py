"""gat2: GATGAP's attention within a particle's family, plus physics inputs, edge types, residuals and a state.

Each particle attends to its family as in `smartbkg.networks.gatgap.network`, with four differences: inputs made for
the physics (`smartbkg.networks.physics.inputs`); attention that knows whether the other is the particle itself, its
mother or a daughter; normalised layers that are added to their input (arXiv:2002.04745); and an event state, begun
with the process, that each layer reads from all particles and hands back to them, so that both B mesons know of one
another.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.config import GAT2Config
from smartbkg.networks.layers import attend_to_family, pool_with_gate
from smartbkg.networks.physics.network import PhysicsNetwork

#: Itself, mother, daughter.
N_EDGE_TYPES = 3


class _Layer(nn.Module):
    """Nodes attend to their family and read the event's state; the state reads the nodes."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)
        self.attention_source = nn.Parameter(torch.empty(heads, width // heads))
        self.attention_target = nn.Parameter(torch.empty(heads, width // heads))
        self.edge_bias = nn.Parameter(torch.zeros(N_EDGE_TYPES, heads))
        self.from_state = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.pool_norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 1)
        self.to_state = nn.Linear(2 * width, width)
        for weights in (self.attention_source, self.attention_target):
            nn.init.xavier_normal_(weights)

    def forward(self, node: torch.Tensor, state: torch.Tensor, batch: GraphBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Nodes (n_nodes, width) and states (n_events, width) after."""
        mixed = attend_to_family(
            self.fc(self.norm(node)), self.attention_source, self.attention_target, batch, self.edge_bias
        )
        told = self.from_state(state)[batch.event]
        node = node + self.out(functional.leaky_relu(mixed + told, 0.01))
        normed = self.pool_norm(node)
        pooled = pool_with_gate(normed, self.gate(normed)[:, 0], batch)
        state = state + functional.leaky_relu(self.to_state(torch.cat((state, pooled), dim=1)), 0.01)
        return node, state


class GAT2(PhysicsNetwork):
    """The network of `GAT2Config`; order of events and of siblings does not change a logit."""

    def __init__(self, config: GAT2Config) -> None:
        super().__init__(config)
        self.config = config
        width = config.width
        self.layers = nn.ModuleList(_Layer(width, config.heads) for _ in range(config.n_layers))
        self.out_norm = nn.LayerNorm(width)
        self.fc_output = nn.Linear(width, config.n_skims)
        nn.init.normal_(self.pdg_embedding.weight, std=0.5)

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """Logits (n_events, n_skims)."""
        node = self.nodes(batch.feature, batch.token, batch.mother, batch.offsets[:-1][batch.event])
        state = self.process_state(batch.process)
        for layer in self.layers:
            node, state = layer(node, state, batch)
        logits: torch.Tensor = self.fc_output(self.out_norm(state))
        return logits


__all__ = ["GAT2", "N_EDGE_TYPES"]
