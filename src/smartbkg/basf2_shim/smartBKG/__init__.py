"""Upstream's package `smartBKG`, by smartbkg: the same names at the same paths."""

from smartbkg.b2modules.defaults import DECORR_LIST, LIST_FIELDS, MODEL_CONFIG, PREPROC_CONFIG, tokenize_dict

TOKENIZE_DICT = tokenize_dict()
PDG_TOKENS = list(TOKENIZE_DICT)
#: Columns of the training records that become tokens and features of nodes.
DEFAULT_NODE_FEATURES = {
    "x_pdg": ("particles", "PDG"),
    "x_feature": ("particles", ["prodTime", "energy", "x", "y", "z", "px", "py", "pz"]),
}

__all__ = [
    "DECORR_LIST",
    "DEFAULT_NODE_FEATURES",
    "LIST_FIELDS",
    "MODEL_CONFIG",
    "PDG_TOKENS",
    "PREPROC_CONFIG",
    "TOKENIZE_DICT",
]
