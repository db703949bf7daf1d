"""basf2's ``EventExtraInfo`` in mDST and uDST files: the event type of the generator, and the weights of filters.

ROOT splits the object's maps into branches of names and of values: ``eventExtraInfo.first`` and ``.second`` (numbers),
``eventExtraStringInfo.first`` and ``.second`` (texts).
"""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, PROCESS, WEIGHT
from smartbkg.io.root import root_errors

_NUMBERS: Final = "eventExtraInfo"
_TEXTS: Final = "eventExtraStringInfo"
_EVENT_TYPE: Final = "eventType"
_KEPT: Final = f"_{KEEP_PROBABILITY}"
#: Weights of basf2's module ``SmartBackground``: one per skim, 1/q without the generator's weight.
_SKIM_WEIGHT: Final = f"{WEIGHT}_"


def read_map(tree: Any, name: str, start: int, stop: int, source: str) -> dict[str, NDArray[Any]]:
    """A map of each of the entries ``start:stop``, by key.

    Returns
    -------
    key → (n_events,) values; NaN, or an empty text, where an event has no such key. Empty where the file has no branch.
    """
    branches = {str(path).rsplit("/", 1)[-1]: path for path in tree.keys()}  # noqa: SIM118 - a tree is no mapping
    if f"{name}.first" not in branches or f"{name}.second" not in branches:
        return {}
    with root_errors(source, f"entries {start} to {stop - 1} of EventExtraInfo"):
        keys, values = (
            tree[branches[f"{name}.{part}"]].array(entry_start=start, entry_stop=stop) for part in ("first", "second")
        )
    entry = np.repeat(np.arange(stop - start), ak.to_numpy(ak.num(keys, axis=1)))
    flat_keys, flat_values = ak.to_numpy(ak.flatten(keys, axis=1)), ak.to_numpy(ak.flatten(values, axis=1))
    found: dict[str, NDArray[Any]] = {}
    for key in np.unique(flat_keys).tolist():
        is_here = flat_keys == key
        absent = "" if flat_values.dtype.kind in "US" else np.nan
        column = np.full(stop - start, absent, dtype=flat_values.dtype if absent == "" else np.float64)
        column[entry[is_here]] = flat_values[is_here]
        found[str(key)] = column
    return found


def extra_columns(
    tree: Any, generator_weight: NDArray[np.float64], start: int, stop: int, source: str
) -> dict[str, NDArray[Any]]:
    """The event columns that ``EventExtraInfo`` holds.

    Of filters under `NNFilterModule`: ``keep_probability``, the product of theirs; ``weight``, with which sums are
    unbiased; ``generator_weight``, as it was before. Of basf2's ``SmartBackground``: ``weight_<Skim>``, which does not
    contain the generator's weight. ``process``, where the generator wrote the event type down.

    Parameters
    ----------
    generator_weight : (n_events,) of ``EventMetaData``.
    """
    columns: dict[str, NDArray[Any]] = {}
    process = read_map(tree, _TEXTS, start, stop, source).get(_EVENT_TYPE)
    if process is not None:
        columns[PROCESS] = process.astype(np.str_)
    numbers = read_map(tree, _NUMBERS, start, stop, source)
    columns |= {name: values for name, values in numbers.items() if name.startswith(_SKIM_WEIGHT)}
    filters = [name.removesuffix(_KEPT) for name in numbers if name.endswith(_KEPT)]
    filters = [name for name in filters if f"{name}_{WEIGHT}" in numbers]
    if not filters:
        return columns
    keep_probability = np.ones(stop - start)
    factor = np.ones(stop - start)
    for name in filters:
        keep, weight = numbers[name + _KEPT], numbers[f"{name}_{WEIGHT}"]
        keep_probability *= np.where(np.isnan(keep), 1.0, keep)
        # the stored weight contains the generator's and has single precision: only whether it is 0 is taken from it
        factor *= np.where(np.isnan(keep), 1.0, np.where(weight == 0, 0.0, 1 / np.where(keep > 0, keep, 1.0)))
    return columns | {
        KEEP_PROBABILITY: keep_probability,
        WEIGHT: generator_weight * factor,
        GENERATOR_WEIGHT: generator_weight.copy(),
    }


__all__ = ["extra_columns", "read_map"]
