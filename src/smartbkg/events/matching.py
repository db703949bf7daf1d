"""Which row of one table is which event of another: by (experiment, run, evtNum), never by the number alone."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError
from smartbkg.events.fields import EVENT_ID


class Columns(Protocol):
    """Anything with columns by name: a mapping or a `smartbkg.io.tables.Table`."""

    def __getitem__(self, name: str, /) -> NDArray[Any]:
        """(n_events,) the column of that name."""


def match_events(wanted: Columns, table: Columns, source: str) -> NDArray[np.int64]:
    """The row of each wanted event in a table, by (experiment, run, evtNum).

    Raises
    ------
    DatasetError
        An event is not in the table, or one is in it twice.
    """
    found, missing = find_events(wanted, table, source)
    if missing.any():
        first = int(np.flatnonzero(missing)[0])
        event = tuple(int(wanted[name][first]) for name in EVENT_ID)
        raise DatasetError(
            f"{source}: {int(missing.sum())} of {len(missing)} events are not in it, the first is {event}"
        )
    return found


def find_events(wanted: Columns, table: Columns, source: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The row of each wanted event in a table, and where there is none (row 0 then).

    Raises
    ------
    DatasetError
        An event is in the table twice.
    """
    key = _keys(table)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    if len(ordered) and (ordered[1:] == ordered[:-1]).any():
        row = int(order[int(np.flatnonzero(ordered[1:] == ordered[:-1])[0])])
        event = tuple(int(table[name][row]) for name in EVENT_ID)
        raise DatasetError(f"{source}: event {event} is in it twice")
    sought = _keys(wanted)
    if not len(ordered):
        return np.zeros(len(sought), dtype=np.int64), np.ones(len(sought), dtype=bool)
    place = np.searchsorted(ordered, sought).clip(max=len(ordered) - 1)
    return order[place], ordered[place] != sought


def _keys(columns: Columns) -> NDArray[Any]:
    """One sortable value an event, equal for equal (experiment, run, evtNum) and for no others."""
    table = np.empty(len(columns[EVENT_ID[0]]), dtype=[(name, "<i8") for name in EVENT_ID])
    for name in EVENT_ID:
        table[name] = columns[name]
    return table
