"""Which row of one table is which event of another: by (experiment, run, evtNum), never by the number alone.

Ids are integers, or an error: draws and joins depend on them, and a number that was rounded, wrapped around or made up
would be another event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import DatasetError, EventError
from smartbkg.events.columns import EVENT_DTYPES, EVENT_ID
from smartbkg.seeds import event_keys

if TYPE_CHECKING:
    from smartbkg.events.batch import EventBatch


def ids_of(
    values: ArrayLike, name: str, source: str = "", first_row: int = 0, *, column_name: str | None = None
) -> NDArray[Any]:
    """A column of the event id, from whatever another program wrote.

    Parameters
    ----------
    values : (n_events,) numbers of any type; floating-point numbers must be whole, and small enough to be exact.
    name : ``experiment``, ``run`` or ``evtNum``.
    source, first_row, column_name : the file, the row in it of the first value, and what it calls the column.

    Returns
    -------
    (n_events,) in the type of `smartbkg.events.columns.EVENT_DTYPES`.

    Raises
    ------
    EventError
        Names the first row whose value is missing, no whole number, or out of range.
    """
    wanted = EVENT_DTYPES[name]
    array: Any = np.ma.asarray(values)
    column = np.asarray(array.data)
    if column.dtype == wanted and array.mask is np.ma.nomask:
        return column
    limits = np.iinfo(wanted)
    if column.dtype.kind == "O":
        is_wrong = np.array([not _is_whole(value, limits.min, limits.max) for value in column], dtype=np.bool_)
    elif column.dtype.kind == "f":
        exact = min(2.0 ** (np.finfo(column.dtype).nmant + 1), float(limits.max))
        with np.errstate(invalid="ignore"):
            is_wrong = ~((np.abs(column) < exact) & (column == np.trunc(column)))
    elif column.dtype.kind == "u":
        is_wrong = column > np.uint64(limits.max)
    elif column.dtype.kind == "i":
        is_wrong = (column < limits.min) | (column > limits.max)
    else:
        is_wrong = np.ones(len(column), dtype=np.bool_)
    is_wrong = is_wrong | np.ma.getmaskarray(array)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        value = array[row]
        is_missing = value is np.ma.masked or value is None or value != value
        got = "no value" if is_missing else value
        raise EventError(
            f"column '{column_name or name}', row {first_row + row}: {got}, expected a whole number "
            f"from {limits.min} to {limits.max}" + (" (exact in its type)" if column.dtype.kind == "f" else ""),
            source=source,
        )
    return column.astype(wanted)


def _is_whole(value: object, smallest: int, largest: int) -> bool:
    """Whether a Python object is an integer in that range."""
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)
    is_integer = is_integer or (isinstance(value, float) and value.is_integer() and abs(value) < 2.0**53)
    return is_integer and smallest <= int(value) <= largest  # type: ignore[call-overload]


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
    key = _keys(table, source)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    if len(ordered) and (ordered[1:] == ordered[:-1]).any():
        row = int(order[int(np.flatnonzero(ordered[1:] == ordered[:-1])[0])])
        event = tuple(int(table[name][row]) for name in EVENT_ID)
        raise DatasetError(f"{source}: event {event} is in it twice")
    sought = _keys(wanted, "")
    if not len(ordered):
        return np.zeros(len(sought), dtype=np.int64), np.ones(len(sought), dtype=bool)
    place = np.searchsorted(ordered, sought).clip(max=len(ordered) - 1)
    return order[place], ordered[place] != sought


def id_rows(columns: Columns, source: str = "") -> NDArray[np.int64]:
    """(n_rows, 3) the ids of a table as one array: experiment, run, evtNum.

    Raises
    ------
    EventError
        A value is no whole number, or out of range.
    """
    return np.stack([ids_of(columns[name], name, source).astype(np.int64) for name in EVENT_ID], axis=1)


class EventGroups(NamedTuple):
    """The rows of a table by event."""

    ids: NDArray[np.int64]
    """(n_events, 3) each id once, in ascending order."""
    first: NDArray[np.int64]
    """(n_events,) the first row of each event."""
    event: NDArray[np.int64]
    """(n_rows,) the position of each row's event among the ids."""
    n_rows: NDArray[np.int64]
    """(n_events,) rows of each event."""


def group_events(ids: NDArray[np.int64]) -> EventGroups:
    """Which rows are of one event, of (n_rows, 3) ids such as `id_rows` makes."""
    distinct, first, event, n_rows = np.unique(ids, axis=0, return_index=True, return_inverse=True, return_counts=True)
    return EventGroups(distinct, first, event.reshape(-1), n_rows)  # NumPy 2.0 alone keeps a second axis


def _keys(columns: Columns, source: str) -> NDArray[Any]:
    """One sortable value per event, equal for equal (experiment, run, evtNum) and for no others."""
    table = np.empty(len(columns[EVENT_ID[0]]), dtype=[(name, "<i8") for name in EVENT_ID])
    for name in EVENT_ID:
        table[name] = ids_of(columns[name], name, source)
    return table


def keys_of(event: Mapping[str, ArrayLike]) -> NDArray[np.uint64]:
    """(n_events,) uint64: a hash of each event's (experiment, run, evtNum), on which tables are joined."""
    experiment, run, number = (ids_of(event[name], name) for name in EVENT_ID)
    return event_keys(0, experiment, run, number)


class _Numbers:
    """A set of event numbers of one run, as disjoint ranges ``first..last``."""

    def __init__(self) -> None:
        self.first = np.empty(0, dtype=np.int64)
        self.last = np.empty(0, dtype=np.int64)

    def add(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add distinct numbers in ascending order; returns those that were in the set already."""
        place = np.searchsorted(self.first, numbers, side="right") - 1
        is_known = np.zeros(len(numbers), dtype=np.bool_)
        if len(self.first):
            is_known = (place >= 0) & (numbers <= self.last[place.clip(min=0)])
        fresh = numbers[~is_known]
        if len(fresh):
            breaks = np.flatnonzero(np.diff(fresh) != 1)
            first = np.concatenate([self.first, fresh[np.concatenate([[0], breaks + 1])]])
            last = np.concatenate([self.last, fresh[np.concatenate([breaks, [len(fresh) - 1]])]])
            order = np.argsort(first, kind="stable")
            first, last = first[order], last[order]
            begins = np.concatenate([[True], first[1:] != last[:-1] + 1])
            ends = np.concatenate([begins[1:], [True]])
            self.first, self.last = first[begins], last[ends]
        return numbers[is_known]


class EventIds:
    """The events seen so far, by (experiment, run, evtNum).

    Memory: 16 bytes for each gap in the event numbers of a run, so nothing to speak of where they are consecutive.

    Attributes
    ----------
    n_duplicates : events that were seen before.
    first_duplicate : the first of them, None where there is none.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[int, int], _Numbers] = {}
        self.n_duplicates = 0
        self.first_duplicate: tuple[int, int, int] | None = None

    def add(self, batch: EventBatch) -> int:
        """Add the events of a batch; returns how many of them were seen before."""
        return self.add_columns(*(batch.event[name] for name in EVENT_ID))

    def add_columns(
        self, experiment: NDArray[np.integer], run: NDArray[np.integer], number: NDArray[np.integer]
    ) -> int:
        """Add events by their ids, (n_events,) each; returns how many of them were seen before."""
        n_before = self.n_duplicates
        runs, which = np.unique(np.stack([experiment, run], axis=1), axis=0, return_inverse=True)
        for index, (its_experiment, its_run) in enumerate(runs.tolist()):
            numbers = np.asarray(number)[which.reshape(-1) == index].astype(np.int64)
            distinct, n_times = np.unique(numbers, return_counts=True)
            known = self._runs.setdefault((its_experiment, its_run), _Numbers()).add(distinct)
            repeated = np.concatenate([known, distinct[n_times > 1]])
            self.n_duplicates += len(numbers) - len(distinct) + len(known)
            if len(repeated) and self.first_duplicate is None:
                self.first_duplicate = (its_experiment, its_run, int(repeated[0]))
        return self.n_duplicates - n_before


def unique_events(
    batches: Iterable[EventBatch], *, allow_duplicates: bool = False, seen: EventIds | None = None
) -> Iterator[EventBatch]:
    """The batches as they are, as long as no event comes twice.

    Parameters
    ----------
    allow_duplicates : only count them, in ``seen``.
    seen : shared between files that belong together.

    Raises
    ------
    EventError
        An event comes twice: decisions are drawn per event id, so that copies would share their fate and their weight.
    """
    seen = seen or EventIds()
    for batch in batches:
        if seen.add(batch) and not allow_duplicates:
            raise EventError(
                "occurs twice; give the files their own run numbers with --run, number the events anew with `smartbkg "
                "convert --number-events`, or accept it with --allow-duplicates",
                source=batch.source,
                event=seen.first_duplicate,
            )
        yield batch
