"""GATGAP from PyTorch Geometric's own layers: what one would write without this package."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import leaky_relu
from torch_geometric.nn import AttentionalAggregation, GATConv

from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import mothers_in_batch

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int]


class PyGGATGAP(nn.Module):
    """The published network: 6 layers of 4 heads of 32 units."""

    def __init__(self, units: int = 32, heads: int = 4, layers: int = 6) -> None:
        super().__init__()
        width = units * heads
        self.embedding = nn.Embedding(541, 8)
        self.attention = nn.ModuleList(
            GATConv(16 if layer == 0 else width, units, heads=heads, add_self_loops=False) for layer in range(layers)
        )
        self.pooling = nn.ModuleList(AttentionalAggregation(nn.Linear(width, 1)) for _ in range(layers))
        self.state = nn.ModuleList(nn.Linear(width + units * (layer > 0), units) for layer in range(layers))
        self.output = nn.Linear(units, 1)

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take the weights of a bundle of ours."""
        names = {"pdg_embedding.weight": "embedding.weight", "fc_output.weight": "output.weight"}
        names["fc_output.bias"] = "output.bias"
        for i in range(len(self.attention)):
            ours = f"gat_layers.{i}."
            names |= {
                ours + "gat.fc.weight": f"attention.{i}.lin.weight",
                ours + "gat.attn_l": f"attention.{i}.att_src",
                ours + "gat.attn_r": f"attention.{i}.att_dst",
                ours + "gat.bias": f"attention.{i}.bias",
                ours + "gap_gate.weight": f"pooling.{i}.gate_nn.weight",
                ours + "gap_gate.bias": f"pooling.{i}.gate_nn.bias",
                ours + "fc.weight": f"state.{i}.weight",
                ours + "fc.bias": f"state.{i}.bias",
            }
        self.load_state_dict({names[name]: torch.tensor(weights) for name, weights in state.items()})

    def forward(self, token: torch.Tensor, feature: torch.Tensor, edge: torch.Tensor, event: torch.Tensor, n: int):
        node = torch.cat((self.embedding(token), feature), 1)
        state = None
        for attention, pooling, dense in zip(self.attention, self.pooling, self.state, strict=True):
            node = leaky_relu(attention(node, edge))
            pooled = pooling(node, event, dim_size=n)
            state = leaky_relu(dense(pooled if state is None else torch.cat((state, pooled), 1)))
        return self.output(state)


def pyg_inputs(graphs: DecayGraphs) -> Inputs:
    """Tensors of the graphs with an edge list, made in one go (faster than PyG's own lists of ``Data``)."""
    mother = mothers_in_batch(graphs.offsets, graphs.mother)
    child = np.flatnonzero(mother >= 0)
    own = np.arange(len(mother))
    edge = np.stack([np.concatenate([own, child, mother[child]]), np.concatenate([own, mother[child], child])])
    event = np.repeat(np.arange(graphs.n_events), np.diff(graphs.offsets))
    token = torch.from_numpy(graphs.token.astype(np.int64))
    return token, torch.from_numpy(graphs.feature), torch.from_numpy(edge), torch.from_numpy(event), graphs.n_events
