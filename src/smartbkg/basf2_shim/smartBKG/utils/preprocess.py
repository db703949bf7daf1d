"""Which particles upstream uses, and how it numbers them."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from smartbkg.graphs import GraphRule

from .. import TOKENIZE_DICT


def check_status_bit(status_bit: int) -> bool:
    """Whether a particle is neither virtual nor initial nor a photon radiated from the initial or final state."""
    return not status_bit & GraphRule().excluded_status


def mapped_pdg_id(pdg: Any) -> Any:
    """Tokens of jagged PDG codes; a code that is not in the table is a KeyError, as upstream has it."""
    flat = ak.to_numpy(ak.flatten(pdg))
    distinct, position = np.unique(flat, return_inverse=True)
    return ak.unflatten(np.array([TOKENIZE_DICT[code] for code in distinct.tolist()])[position], ak.num(pdg))


def mapped_mother_index(array_indices: Any, mother_indices: Any) -> Any:
    """Positions of mothers among the kept particles, -1 for those that were removed; jagged as the arguments."""
    mapped = []
    for kept, mothers in zip(ak.to_list(array_indices), ak.to_list(mother_indices), strict=True):
        position = {index: place for place, index in enumerate(kept)}
        mapped.append([position.get(mother, -1) for mother in mothers])
    return ak.Array(mapped)


__all__ = ["check_status_bit", "mapped_mother_index", "mapped_pdg_id"]
