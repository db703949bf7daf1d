"""Upstream's network under its own path: the parameters of its class, and smartbkg's network, which reads its files.

The input is what `smartBKG.utils.dataset.get_batched_graph` makes; upstream's is a graph of DGL.
"""

from __future__ import annotations

from typing import Any

import torch

from smartbkg.networks.architectures import build_model, parse_config

from .. import TOKENIZE_DICT

NUM_PDG = len(TOKENIZE_DICT)


class GATGAPModel(torch.nn.Module):
    """Logits of decay graphs: a graph attention network with attention pooling.

    Parameters
    ----------
    units, num_features, num_pdg, emb_size, attention_heads, n_layers, use_gap : as upstream's.
    """

    def __init__(
        self,
        units: int = 128,
        num_features: int = 8,
        num_pdg: int = NUM_PDG,
        emb_size: int = 8,
        attention_heads: int = 4,
        n_layers: int = 5,
        use_gap: bool = False,
    ) -> None:
        super().__init__()
        config = parse_config(
            {
                "architecture": "gatgap", "units": units, "num_features": num_features, "num_pdg": num_pdg,
                "emb_size": emb_size, "attention_heads": attention_heads, "n_layers": n_layers, "use_gap": use_gap,
            }
        )  # fmt: skip
        self.network = build_model(config)

    def forward(self, graph: Any) -> torch.Tensor:
        """(n_events, 1) logits of a batch of graphs."""
        logits: torch.Tensor = self.network(graph)
        return logits

    def state_dict(self, *arguments: Any, **options: Any) -> Any:
        """Weights under upstream's names, so that its files and smartbkg's readers know them."""
        return self.network.state_dict(*arguments, **options)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Weights of one of upstream's files."""
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)


__all__ = ["NUM_PDG", "GATGAPModel"]
