"""A transformer over the particles of an event, for many skims at once.

Each particle attends to all others of its event, with a learned bias for how the two are related in the decay tree
(`smartbkg.networks.transformer.relations`). A further token carries the process and collects the event; one logit
per skim is read from it. Pre-normalised layers after arXiv:2002.04745; the pairwise bias is that of
arXiv:2202.03772, with relations in place of kinematics.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.config import TransformerConfig
from smartbkg.networks.physics.network import PhysicsNetwork
from smartbkg.networks.transformer.relations import N_RELATIONS, relations

#: Events are padded to a common length in groups of neighbours in length, of at most this many particles in all.
GROUP_PARTICLES = 4096

_MASKED = -1e9


class _Layer(nn.Module):
    """Self-attention, then a two-layer network on each particle; both added to their input."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.attention_out = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.inner_in = nn.Linear(width, expansion * width)
        self.inner_out = nn.Linear(expansion * width, width)

    def forward(self, hidden: torch.Tensor, bias: torch.Tensor, n_queries: int) -> torch.Tensor:
        """The first ``n_queries`` tokens after this layer; they look at all.

        Parameters
        ----------
        hidden : (n, length, width).
        bias : (n, heads, length, length), added to the logits of attention.

        Returns
        -------
        (n, n_queries, width)
        """
        n, length, width = hidden.shape
        normed = self.attention_norm(hidden)
        query = self.query(normed[:, :n_queries]).view(n, n_queries, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(normed).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[:, :, :n_queries])
        seen = hidden[:, :n_queries] + self.attention_out(mixed.transpose(1, 2).reshape(n, n_queries, width))
        out: torch.Tensor = seen + self.inner_out(torch.relu(self.inner_in(self.inner_norm(seen))))
        return out


class Transformer(PhysicsNetwork):
    """The network. Order of events, order of siblings and padding do not change a logit."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.config = config
        width = config.width
        self.relation_bias = nn.Embedding(N_RELATIONS + 2, config.heads)
        self.layers = nn.ModuleList(_Layer(width, config.heads, config.expansion) for _ in range(config.n_layers))
        self.out_norm = nn.LayerNorm(width)
        self.fc_output = nn.Linear(width, config.n_skims)
        nn.init.normal_(self.relation_bias.weight, std=0.02)
        nn.init.normal_(self.pdg_embedding.weight, std=0.5)

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """(n_events, n_skims) logits."""
        counts = torch.diff(batch.offsets)
        nodes = self.nodes(batch.feature, batch.token, batch.mother, batch.offsets[:-1][batch.event])
        order = torch.argsort(counts, stable=True)
        logits = [self._group(batch, nodes, counts, group) for group in _groups(order, counts)]
        return torch.cat(logits)[torch.argsort(order)]

    def forward_padded(
        self, feature: torch.Tensor, token: torch.Tensor, mother: torch.Tensor, is_particle: torch.Tensor,
        process: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Logits (n_events, n_skims) of events that are padded already: no branch on lengths, as ONNX wants it.

        Parameters
        ----------
        feature : (n_events, length, n_features).
        token, mother : (n_events, length) int64; mothers by their position within the event, -1 where there is none.
        is_particle : (n_events, length) True = a particle, False = padding.
        process : (n_events,) position of the process, -1 where unknown.
        """
        n_events, length = token.shape
        first = (torch.cumsum(torch.ones_like(token), dim=0) - 1) * length
        in_batch = torch.where(mother >= 0, mother + first, torch.full_like(mother, -1))
        flat = feature.reshape(-1, feature.shape[2])
        hidden = self.nodes(flat, token.reshape(-1), in_batch.reshape(-1), first.reshape(-1))
        return self.events(hidden.view(n_events, length, -1), mother, is_particle, process)

    def events(
        self, hidden: torch.Tensor, mother: torch.Tensor, is_particle: torch.Tensor, process: torch.Tensor
    ) -> torch.Tensor:
        """(n, n_skims) logits of padded events.

        Parameters
        ----------
        hidden : (n, length, width) particles.
        mother : (n, length) position within the event, -1 where there is none.
        is_particle : (n, length) True = a particle, False = padding.
        process : (n,) position of the process, -1 where unknown.
        """
        collector = self.process_state(process).unsqueeze(1)
        to_collector = functional.pad(relations(mother), (1, 0, 0, 0), value=N_RELATIONS)
        of_collector = functional.pad(to_collector, (0, 0, 1, 0), value=N_RELATIONS + 1)
        bias = self.relation_bias(of_collector)
        is_token = torch.cat((torch.ones_like(is_particle[:, :1]), is_particle), dim=1)
        masked = bias.permute(0, 3, 1, 2).masked_fill(~is_token[:, None, None, :], _MASKED)
        state = torch.cat((collector, hidden), dim=1)
        for layer in self.layers[:-1]:
            state = layer(state, masked, state.shape[1])
        state = self.layers[-1](state, masked, 1)
        logits: torch.Tensor = self.fc_output(self.out_norm(state[:, 0]))
        return logits

    def _group(self, batch: GraphBatch, nodes: torch.Tensor, counts: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """Logits of some events, padded to the longest of them."""
        n_here = counts[group]
        slots = torch.arange(max(int(n_here.max()), 1), device=nodes.device)
        is_particle = slots < n_here.unsqueeze(1)
        first = batch.offsets[:-1][group].unsqueeze(1)
        index = torch.where(is_particle, first + slots, 0)
        if not len(nodes):
            hidden = nodes.new_zeros(*index.shape, self.config.width)
            mother = torch.full_like(index, -1)
        else:
            hidden = nodes[index] * is_particle.unsqueeze(-1)
            mother = batch.mother[index]
            mother = torch.where(is_particle & (mother >= 0), mother - first, -1)
        return self.events(hidden, mother, is_particle, batch.process[group])


def _groups(order: torch.Tensor, counts: torch.Tensor) -> list[torch.Tensor]:
    """Split events sorted by length so that a group, padded, has at most `GROUP_PARTICLES` slots."""
    lengths = (counts[order] + 1).tolist()
    starts = [0]
    for position, length in enumerate(lengths):
        if (position - starts[-1] + 1) * length > GROUP_PARTICLES and position > starts[-1]:
            starts.append(position)
    return [order[start:stop] for start, stop in zip(starts, [*starts[1:], len(lengths)], strict=True)]
