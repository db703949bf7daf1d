"""Upstream's package `smartBKG`, by smartbkg: the same names at the same paths."""

from smartbkg.b2modules.defaults import DECORR_LIST, LIST_FIELDS, MODEL_CONFIG, PREPROC_CONFIG, tokenize_dict

TOKENIZE_DICT = tokenize_dict()
PDG_TOKENS = list(TOKENIZE_DICT)

__all__ = ["DECORR_LIST", "LIST_FIELDS", "MODEL_CONFIG", "PDG_TOKENS", "PREPROC_CONFIG", "TOKENIZE_DICT"]
