"""Networks for honest comparison: one that knows no relations, and the graph convolutions of a published benchmark."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from smartbkg.graphs.collate import GraphBatch
from smartbkg.networks.config import DeepSetConfig, GCNConfig, NoNetworkConfig
from smartbkg.networks.layers import pool_with_mean


def _dense(*widths: int) -> nn.Sequential:
    """Dense layers of these widths, each but the last width's followed by a ReLU."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers)


class NoNetwork(nn.Module):
    """Says 0 of every event: the baseline that knows nothing, and that of a model that is its surrogate alone."""

    def __init__(self, config: NoNetworkConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """(n_events, n_skims) zeros."""
        return batch.feature.new_zeros((len(batch.offsets) - 1, self.config.n_skims))


class DeepSet(nn.Module):
    """Each particle by itself, mean and logarithm of the number of particles, then the event (arXiv:1703.06114)."""

    def __init__(self, config: DeepSetConfig) -> None:
        super().__init__()
        self.config = config
        units = config.units
        self.pdg_embedding = nn.Embedding(config.num_pdg + 1, config.emb_size)
        self.particle = _dense(config.num_features + config.emb_size, units, units, units)
        self.event = _dense(units + 1, units, units)
        self.fc_output = nn.Linear(units, config.n_skims)

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """(n_events, n_skims) logits."""
        node = self.particle(torch.cat((batch.feature, self.pdg_embedding(batch.token)), dim=1))
        multiplicity = torch.log1p(torch.diff(batch.offsets).to(node.dtype)).unsqueeze(1)
        logits: torch.Tensor = self.fc_output(self.event(torch.cat((pool_with_mean(node, batch), multiplicity), dim=1)))
        return logits


class GraphConvolutionNetwork(nn.Module):
    """Graph convolutions h' = ReLU(D^-1/2 A D^-1/2 h W + b) (arXiv:1609.02907) between dense layers (arXiv:2107.00656).

    A has the edges child ↔ mother and one self-loop a particle.
    """

    def __init__(self, config: GCNConfig) -> None:
        super().__init__()
        self.config = config
        units = config.units
        self.pdg_embedding = nn.Embedding(config.num_pdg + 1, config.emb_size)
        self.before = _dense(config.num_features + config.emb_size, *[units] * config.n_dense)
        self.convolutions = nn.ModuleList(nn.Linear(units, units) for _ in range(config.n_layers))
        self.after = _dense(units, *[units] * config.n_dense)
        self.fc_output = nn.Linear(units, config.n_skims)

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """(n_events, n_skims) logits."""
        node = self.before(torch.cat((batch.feature, self.pdg_embedding(batch.token)), dim=1))
        child = torch.nonzero(batch.mother >= 0)[:, 0]
        mother = batch.mother[child]
        ones = node.new_ones(len(child))
        degree = node.new_ones(len(node)).index_add(0, child, ones).index_add(0, mother, ones)
        scale = degree.rsqrt().unsqueeze(1)
        for convolution in self.convolutions:
            scaled = convolution(node) * scale
            mixed = scaled.index_add(0, child, scaled[mother]).index_add(0, mother, scaled[child])
            node = torch.relu(mixed * scale)
        logits: torch.Tensor = self.fc_output(self.after(pool_with_mean(node, batch)))
        return logits


__all__ = ["DeepSet", "GraphConvolutionNetwork", "NoNetwork"]
