"""Which events passed a skim: from what the skim wrote.

The result is a table (kind ``flags``) with the columns ``experiment, run, evtNum`` and ``passes_<skim>``, one row per
event, sorted, and event-level variables where they were asked for. From a skimmed file alone it lists the events that
passed; with the file of all events it holds them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from smartbkg.datasets.event_tables import Columns, columns_of, numbers_of, rows_of
from smartbkg.datasets.flags import as_label
from smartbkg.datasets.origin import ALL_EVENTS_KEY
from smartbkg.errors import DatasetError, FileFormatError, UsageError, nearest
from smartbkg.events.columns import (
    EVENT_DTYPES,
    EVENT_ID,
    EVENT_NUMBER,
    EXPERIMENT,
    ID_NAMES,
    PASSES_PREFIX,
    RUN,
    id_column,
)
from smartbkg.events.identity import group_events, id_rows, ids_of
from smartbkg.events.selection import Selection, parse_selection
from smartbkg.io import ReadOptions, open_events
from smartbkg.io.basf2.mdst import TREE, event_ids, is_basf2
from smartbkg.io.parquet import metadata_of_file, open_parquet
from smartbkg.io.root import open_root, root_errors
from smartbkg.io.tables import write_table
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import EVENTS, FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import inputs_of, record
from smartbkg.storage.signatures import PARQUET_START, ROOT_START, first_bytes

_ROWS: Final = 1 << 17
#: Column of a training file of one skim.
_LABEL: Final = "label"
#: Columns that say whether a row passed, where none is named after the skim.
_SAY_WHETHER: Final = ("passes", _LABEL)


class FlagSummary(NamedTuple):
    """What a table of flags holds."""

    n_events: int
    n_passing: int
    n_rows_read: int
    """Rows of the input: more than events where an n-tuple has several candidates per event."""


def make_flags(
    sources: Sequence[Path],
    output: Path,
    skim: str,
    *,
    all_events: Sequence[Path] = (),
    selections: Sequence[str] = (),
    variables: Sequence[str] | None = (),
    allow_duplicates: bool = False,
    options: ReadOptions | None = None,
) -> FlagSummary:
    """Write the table of flags of a skim.

    Parameters
    ----------
    sources : skimmed mDST or uDST, n-tuples (ROOT, as basf2's variablesToNtuple writes them; Parquet; CSV), or lists of
        event numbers: the events in them passed, or those with a row that passes the selections. Where a table has a
        column ``passes_<skim>``, ``passes`` or ``label``, as training files do, that says which did.
    skim : name of the skim.
    all_events : files of all generated events; those that are not in ``sources`` did not pass.
    selections : conditions on columns, all of which a row must meet: ``Mbc > 5.27``, ``abs(deltaE) < 0.2``.
    variables : columns of the tables to keep as event-level variables; None: all that hold numbers. Of an event with
        several rows the first that passes counts; events that are in ``all_events`` alone have none (NaN).
    allow_duplicates : accept that an event comes twice in files that hold one entry per event.

    Raises
    ------
    FileFormatError
        A source is not readable, or its columns do not say which events they are.
    DatasetError
        An event comes twice, or passed without being among ``all_events``.
    UsageError
        A source is the output of a generator, of which every event would pass; or it holds flags of other skims.
    """
    refuse_same_file(output, *sources, *all_events)
    options = options or ReadOptions()
    chosen = [parse_selection(text) for text in selections]
    names = tuple(_common_numbers(sources) if variables is None else variables)
    passing = _Collected(skim, names)
    for path in sources:
        passing.add_file(path, chosen, options, allow_duplicates=allow_duplicates)
    ids, is_passing, values = passing.flags()
    if all_events:
        everything = _Collected(skim)
        for path in all_events:
            everything.add_events(path, options, allow_duplicates=allow_duplicates)
        ids, is_passing, values = _among(everything.flags()[0], ids, is_passing, values, all_events[0])
    columns: dict[str, NDArray[Any]] = {name: ids[:, k].astype(EVENT_DTYPES[name]) for k, name in enumerate(EVENT_ID)}
    columns[PASSES_PREFIX + skim] = is_passing
    columns |= {name: values[:, k] for k, name in enumerate(names)}
    settings = {"skim": skim, "selections": list(selections), "variables": list(names)}
    about = record(
        FLAGS, SCHEMA_VERSIONS[FLAGS], settings, [*sources, *all_events], **{ALL_EVENTS_KEY: inputs_of(all_events)}
    )
    write_table(output, columns, about)
    return FlagSummary(len(ids), int(is_passing.sum()), passing.n_rows)


class _Collected:
    """Ids of events, whether they passed, and their variables, from several files."""

    def __init__(self, skim: str, variables: Sequence[str] = ()) -> None:
        self.n_rows = 0
        self._skim = skim
        self._variables = tuple(variables)
        self._ids: list[NDArray[np.int64]] = []
        self._passes: list[NDArray[np.bool_]] = []
        self._values: list[NDArray[np.float64]] = []

    def add_file(
        self, path: Path, selections: Sequence[Selection], options: ReadOptions, *, allow_duplicates: bool
    ) -> None:
        """Add a file of any kind."""
        wanted = [selection.column for selection in selections]
        if _is_events(path):
            if wanted or self._variables:
                raise UsageError(
                    f"{path}: holds events, not a table: a selection or a variable needs columns of an n-tuple"
                )
            if not self._add_labelled(path, options):
                _refuse_generated(path)
                self.add_events(path, options, allow_duplicates=allow_duplicates)
            return
        is_chosen = any(name in _SAY_WHETHER or name.startswith(PASSES_PREFIX) for name in wanted)
        flag = None if is_chosen else _flag_column(columns_of(path), self._skim, path)
        n_before = self.n_rows
        for columns in rows_of(path, [*wanted, *self._variables, *([] if flag is None else [flag])]):
            ids = _ids(columns, path, options, self.n_rows - n_before)
            passes = np.ones(len(ids), dtype=np.bool_)
            if flag is not None:
                passes &= as_label(columns[flag], f"{path}: column '{flag}'") > 0
            for selection in selections:
                passes &= selection.passes(columns[selection.column], str(path))
            self._add(ids, passes, [_numbers(columns[name], name, path) for name in self._variables])

    def _add_labelled(self, path: Path, options: ReadOptions) -> bool:
        """Add a training file, whose events carry the label whether they passed; False where a file has no labels."""
        if first_bytes(path) != PARQUET_START:
            return False
        with open_parquet(path) as file:
            if _LABEL not in file.schema_arrow.names:
                return False
        with open_events(path, options) as reader:
            for batch in reader.batches():
                self._add(
                    id_rows(batch.event, str(path)), as_label(batch.event[_LABEL], f"{path}: column '{_LABEL}'") > 0
                )
        return True

    def add_events(self, path: Path, options: ReadOptions, *, allow_duplicates: bool) -> None:
        """Add a file with one entry per event."""
        found = [ids for ids in _event_blocks(path, options) if len(ids)]
        ids = np.concatenate(found) if found else np.empty((0, 3), dtype=np.int64)
        groups = group_events(ids)
        n_times = groups.n_rows
        if len(groups.ids) < len(ids) and not allow_duplicates:
            event = tuple(groups.ids[n_times > 1][0].tolist())
            raise DatasetError(f"{path}: event {event} occurs {n_times.max()} times; accept it with --allow-duplicates")
        self._add(ids, np.ones(len(ids), dtype=np.bool_))

    def _add(
        self, ids: NDArray[np.int64], passes: NDArray[np.bool_], values: Sequence[NDArray[np.float64]] = ()
    ) -> None:
        self.n_rows += len(ids)
        columns = np.stack(values, axis=1) if values else np.empty((len(ids), 0))
        distinct, is_passing, first = _by_event(ids, passes, columns)
        self._ids.append(distinct)
        self._passes.append(is_passing)
        self._values.append(first)

    def flags(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
        """Ids (n_events, 3), sorted; whether any row of the event passed (n_events,); its variables (n_events, n)."""
        if not self._ids:
            no_values = np.empty((0, len(self._variables)))
            return np.empty((0, 3), dtype=np.int64), np.empty(0, dtype=np.bool_), no_values
        return _by_event(np.concatenate(self._ids), np.concatenate(self._passes), np.concatenate(self._values))


def _by_event(
    ids: NDArray[np.int64], passes: NDArray[np.bool_], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """One row per event, sorted: its first row that passes, or the first of all."""
    order = np.argsort(~passes, kind="stable")
    groups = group_events(ids[order])
    chosen = order[groups.first]
    return groups.ids, passes[chosen], values[chosen]


def _numbers(values: NDArray[Any], name: str, path: Path) -> NDArray[np.float64]:
    if values.dtype.kind not in "iufb":
        raise FileFormatError(f"{path}: column '{name}' holds {values.dtype}, expected numbers")
    return values.astype(np.float64)


def _common_numbers(sources: Sequence[Path]) -> list[str]:
    """Columns of numbers that all tables have; none for files of events and of flags alone."""
    names = [[] if _is_events(path) else numbers_of(path) for path in sources]
    common = names[0] if names else []
    return [
        name
        for name in common
        if all(name in other for other in names) and name not in _SAY_WHETHER and not name.startswith(PASSES_PREFIX)
    ]


def _flag_column(names: Sequence[str], skim: str, path: Path) -> str | None:
    """The column that says whether a row passed; None where every row of the table did.

    Raises
    ------
    UsageError
        There are flags of several skims, none of them this one.
    """
    flags = [name for name in names if name.startswith(PASSES_PREFIX)]
    if PASSES_PREFIX + skim in flags:
        return PASSES_PREFIX + skim
    if len(flags) == 1:
        return flags[0]
    if flags:
        known = [name.removeprefix(PASSES_PREFIX) for name in flags]
        raise UsageError(f"{path}: holds flags of several skims, choose one by --skim: {', '.join(known)}")
    return next((name for name in _SAY_WHETHER if name in names), None)


def _refuse_generated(path: Path) -> None:
    """Raise `UsageError` for the output of a generator, which no skim has seen."""
    if first_bytes(path) != PARQUET_START:
        return
    with open_parquet(path) as file:
        metadata = metadata_of_file(file)
    if metadata.get("kind") == EVENTS and "generator" in metadata.get("settings", {}):
        raise UsageError(
            f"{path}: holds generated events, which no skim has looked at: all of them would pass; give the skim's "
            "output, and this file as --events"
        )


def _among(
    ids: NDArray[np.int64],
    known: NDArray[np.int64],
    passes: NDArray[np.bool_],
    values: NDArray[np.float64],
    source: Path,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """All events with what is known of some; those that passed must be among them."""
    groups = group_events(np.concatenate([ids, known]))
    together, row = groups.ids, groups.event
    is_event = np.zeros(len(together), dtype=np.bool_)
    is_event[row[: len(ids)]] = True
    is_passing = np.zeros(len(together), dtype=np.bool_)
    is_passing[row[len(ids) :]] = passes
    strangers = together[~is_event & is_passing]
    if len(strangers):
        raise DatasetError(
            f"{source}: {len(strangers)} of {int(passes.sum())} passing events are not in it, the first is "
            f"{tuple(strangers[0].tolist())}: the flags are of another sample"
        )
    filled = np.full((len(together), values.shape[1]), np.nan)
    filled[row[len(ids) :]] = values
    return together[is_event], is_passing[is_event], filled[is_event]


def _is_events(path: Path) -> bool:
    """Whether a file holds one entry per event, rather than a table."""
    head = first_bytes(path)
    if head == ROOT_START:
        return is_basf2(path)
    if head == PARQUET_START:
        with open_parquet(path) as file:
            return any(pa.types.is_nested(field.type) for field in file.schema_arrow)
    return head.lstrip().startswith(b"Hep") or head[:2] in (b"\x1f\x8b", b"PK", b"BZ") or not head.isascii()


def _event_blocks(path: Path, options: ReadOptions) -> Iterator[NDArray[np.int64]]:
    """Ids of the events of a file; of a uDST without particles, too."""
    if is_basf2(path) if path.is_file() else False:
        with open_root(path) as file:
            with root_errors(str(path), f"tree '{TREE}'"):
                tree, n_entries = file[TREE], int(file[TREE].num_entries)
            for start in range(0, n_entries, _ROWS):
                stop = min(start + _ROWS, n_entries)
                yield id_rows(event_ids(tree, start, stop, str(path)), str(path))
        return
    with open_events(path, options) as reader:
        for batch in reader.batches():
            yield id_rows(batch.event, str(path))


def _ids(columns: Columns, path: Path, options: ReadOptions, first_row: int) -> NDArray[np.int64]:
    """(n_rows, 3) event ids; experiment and run from the options where the table has none."""
    given = {EXPERIMENT: options.experiment, RUN: options.run, EVENT_NUMBER: None}
    parts: list[NDArray[np.int64]] = []
    n_rows = len(next(iter(columns.values())))
    for name in EVENT_ID:
        found = id_column(name, columns)
        if found is None and len(columns) == 1 and name == EVENT_NUMBER:
            found = next(iter(columns))  # a bare list of event numbers, as basf2's SaveFlag writes it
        value = given[name]
        if value is not None:
            parts.append(np.full(n_rows, value, dtype=np.int64))
        elif found is not None:
            ids = ids_of(columns[found], name, str(path), first_row, column_name=found)
            parts.append(ids.astype(np.int64))
        else:
            hint = f": give it with --{name}" if name != EVENT_NUMBER else ""
            raise FileFormatError(
                f"{path}: no column '{name}' (or {', '.join(ID_NAMES[name][1:])}){hint}; {nearest(name, columns)}"
            )
    return np.stack(parts, axis=1)


__all__ = ["FlagSummary", "make_flags"]
