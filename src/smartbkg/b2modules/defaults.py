"""Constants of upstream's package ``smartBKG``. Importing them needs no basf2."""

from __future__ import annotations

from typing import Any, Final

from smartbkg.events.pdg import load_token_table
from smartbkg.graphs import GraphRule
from smartbkg.networks.upstream import DEFAULT_MODEL_CONFIG

#: Hyper-parameters of a ``.pth`` file; other model files carry their own.
MODEL_CONFIG: Final[dict[str, Any]] = dict(DEFAULT_MODEL_CONFIG)

#: Cuts on particles and features of nodes of a ``.pth`` file; other model files carry their own.
PREPROC_CONFIG: Final[dict[str, Any]] = {
    "cuts": list(GraphRule().cuts),
    "features": ["PDG", *GraphRule().features],
}

#: Particle columns of the training data.
LIST_FIELDS: Final[list[str]] = [
    "arrayIndex", "PDG", "mass", "charge", "energy", "prodTime", "x", "y", "z", "px", "py", "pz", "nDaughters",
    "status", "motherPDG", "motherIndex",
]  # fmt: skip

#: Event-level variables that `data_production` saves in advanced mode.
DECORR_LIST: Final[dict[str, list[str]]] = {
    "Y4S": [
        "aplanarity", "sphericity", "thrust", "missingEnergyOfEventCMS", "missingMass2OfEvent",
        "missingMomentumOfEvent",
    ],
    "B": ["Mbc", "deltaE"],
}  # fmt: skip


def tokenize_dict() -> dict[int, int]:
    """PDG code → token of upstream's GATGAP, in the order of tokens."""
    table = load_token_table("gatgap-2023")
    pairs = zip(table.sorted_codes.tolist(), table.sorted_tokens.tolist(), strict=True)
    return dict(sorted(pairs, key=lambda pair: pair[1]))
