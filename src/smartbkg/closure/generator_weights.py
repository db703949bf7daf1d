"""Generator weights of all events that a closure check looks at: from the file that has them, never a guess.

A file of kept events states the generator weights of its own rows alone. Those of the events that were not kept are
known where another file holds them, or where all events have one weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, WEIGHT
from smartbkg.events.identity import match_events
from smartbkg.events.totals import TOTALS_KEY
from smartbkg.io.tables import Table

#: Weights that went through other programs, as single precision, may differ so much.
_TOLERANCE: Final = 1e-5


def find_generator_weights(
    ids: Mapping[str, NDArray[Any]], holders: Sequence[tuple[Table | None, str]], kept: Table
) -> NDArray[np.float64]:
    """(n_events,) generator weights of events, from the first file that holds them.

    Parameters
    ----------
    ids : columns of the event id, (n_events,) each.
    holders : tables of all events that may hold their generator weights, each with the name of the column; the best
        comes first, None stands for a table that was not given.
    kept : the file of kept events: where nothing else holds them, they are taken from it if all events have one weight.

    Raises
    ------
    DatasetError
        No file holds them, or one that should lacks an event.
    """
    for table, column in holders:
        if table is not None and column in table.columns:
            rows = match_events(ids, table, table.source)
            return np.asarray(table[column][rows], dtype=np.float64)
    n_events = len(next(iter(ids.values())))
    common = common_generator_weight(kept)
    if common is None:
        raise DatasetError(
            f"{kept.source}: generator weights are not all the same, and no file given holds those of the events that "
            f"were not kept: give the generated events (--events E), or flags with a column '{WEIGHT}'"
        )
    return np.full(n_events, common)


def common_generator_weight(kept: Table) -> float | None:
    """The generator weight of every event behind a file of kept events; None where they differ or are not stated.

    Where the file records Σw and Σw² of its generated events, (Σw)² = nΣw² tells whether all are the same, those
    that were not kept too. Without a record the rows that were kept stand for all.
    """
    totals = kept.metadata.get(TOTALS_KEY, {})
    if totals.get("n_events") and {"sum_weight", "sum_weight_squared", "sum_kept_weight"} <= set(totals):
        n, sum_w, sum_w2 = int(totals["n_events"]), float(totals["sum_weight"]), float(totals["sum_weight_squared"])
        return sum_w / n if n * sum_w2 - sum_w**2 <= _TOLERANCE**2 * n * sum_w2 else None
    if GENERATOR_WEIGHT in kept.columns:
        w = kept[GENERATOR_WEIGHT].astype(np.float64)
    else:  # a factor in `weight` may be a fault of it: only weights that need none are taken at their word
        w = kept[WEIGHT].astype(np.float64) * kept[KEEP_PROBABILITY].astype(np.float64)
        if not _are_all(w, 1.0):
            return None
    if not len(w):
        return 1.0
    return float(w[0]) if _are_all(w, float(w[0])) else None


def _are_all(values: NDArray[np.float64], number: float) -> bool:
    return bool((np.abs(values - number) <= _TOLERANCE * abs(number)).all())


__all__ = ["common_generator_weight", "find_generator_weights"]
