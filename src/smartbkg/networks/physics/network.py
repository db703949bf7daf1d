"""What the networks with inputs made for the physics begin with: particles and processes as vectors of one width."""

from __future__ import annotations

import torch
from torch import nn

from smartbkg.networks.config import PhysicsConfig
from smartbkg.networks.physics.inputs import PhysicsInputs


class PhysicsNetwork(nn.Module):
    """Base of `smartbkg.networks.transformer.network.Transformer` and `smartbkg.networks.gat2.GAT2`.

    Parameters
    ----------
    config : width, features, processes.
    """

    def __init__(self, config: PhysicsConfig) -> None:
        super().__init__()
        self.n_processes = len(config.processes)
        self.inputs = PhysicsInputs(config.features, config.boost, is_azimuth_invariant=config.is_azimuth_invariant)
        self.pdg_embedding = nn.Embedding(config.num_pdg + 1, config.emb_size)
        self.process_embedding = nn.Embedding(self.n_processes + 1, config.width)
        self.node_in = nn.Linear(self.inputs.n_inputs + config.emb_size, config.width)

    def nodes(
        self, feature: torch.Tensor, token: torch.Tensor, mother: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """(n_nodes, width) each particle by itself; ``first`` is the position of its event's first node."""
        has_mother = (mother >= 0).to(feature.dtype)
        n_daughters = torch.zeros_like(has_mother).scatter_add(0, mother.clamp(min=0), has_mother)
        inputs = self.inputs(feature, feature[first], n_daughters)
        hidden: torch.Tensor = self.node_in(torch.cat((inputs, self.pdg_embedding(token)), dim=1))
        return hidden

    def process_state(self, process: torch.Tensor) -> torch.Tensor:
        """(n_events, width) the vector of each event's process; ``process`` is its position, -1 where unknown."""
        known = torch.where(process < 0, torch.full_like(process, self.n_processes), process)
        state: torch.Tensor = self.process_embedding(known)
        return state


__all__ = ["PhysicsNetwork"]
