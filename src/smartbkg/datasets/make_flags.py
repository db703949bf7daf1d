"""Which events passed a skim: from what the skim wrote.

The result is a table (kind ``flags``) with the columns ``experiment, run, evtNum`` and ``passes_<skim>``, one row an
event, sorted. From a skimmed file alone it lists the events that passed; with the file of all events it holds them all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
from numpy.typing import NDArray

from smartbkg.datasets.flags import as_label
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
    is_id_column,
)
from smartbkg.events.identity import ids_of
from smartbkg.events.selection import Selection, parse_selection
from smartbkg.io import ReadOptions, open_events
from smartbkg.io.mdst import TREE, event_ids, is_basf2
from smartbkg.io.root import open_root, root_errors
from smartbkg.io.tables import iterate_table, write_table
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.machine import reading
from smartbkg.storage.provenance import record

_ROWS: Final = 1 << 17
#: Column of a training file of one skim.
_LABEL: Final = "label"

Columns = Mapping[str, NDArray[Any]]


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
    allow_duplicates: bool = False,
    options: ReadOptions | None = None,
) -> FlagSummary:
    """Write the table of flags of a skim.

    Parameters
    ----------
    sources : skimmed mDST or uDST, n-tuples (ROOT, as basf2's variablesToNtuple writes them; Parquet; CSV), or lists of
        event numbers: the events in them passed, or those with a row that passes the selections; or training files,
        whose labels say which did.
    skim : name of the skim.
    all_events : files of all generated events; those that are not in ``sources`` did not pass.
    selections : conditions on columns, all of which a row must meet: ``Mbc > 5.27``, ``abs(deltaE) < 0.2``.
    allow_duplicates : accept that an event comes twice in files that hold one entry per event.

    Raises
    ------
    FileFormatError
        A source is not readable, or its columns do not say which events they are.
    DatasetError
        An event comes twice, or passed without being among ``all_events``.
    """
    refuse_same_file(output, *sources, *all_events)
    options = options or ReadOptions()
    chosen = [parse_selection(text) for text in selections]
    passing = _Collected()
    for path in sources:
        passing.add_file(path, chosen, options, allow_duplicates=allow_duplicates)
    ids, is_passing = passing.flags()
    if all_events:
        everything = _Collected()
        for path in all_events:
            everything.add_events(path, options, allow_duplicates=allow_duplicates)
        ids, is_passing = _among(everything.flags()[0], ids[is_passing], all_events[0])
    columns: dict[str, NDArray[Any]] = {name: ids[:, k].astype(EVENT_DTYPES[name]) for k, name in enumerate(EVENT_ID)}
    columns[PASSES_PREFIX + skim] = is_passing
    settings = {"skim": skim, "selections": list(selections)}
    write_table(output, columns, record(FLAGS, SCHEMA_VERSIONS[FLAGS], settings, [*sources, *all_events]))
    return FlagSummary(len(ids), int(is_passing.sum()), passing.n_rows)


class _Collected:
    """Ids of events, and whether they passed, from several files."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._ids: list[NDArray[np.int64]] = []
        self._passes: list[NDArray[np.bool_]] = []

    def add_file(
        self, path: Path, selections: Sequence[Selection], options: ReadOptions, *, allow_duplicates: bool
    ) -> None:
        """Add a file of any kind."""
        wanted = [selection.column for selection in selections]
        if _is_events(path):
            if wanted:
                raise UsageError(f"{path}: holds events, not a table: a selection needs columns of an n-tuple")
            if not self._add_labelled(path, options):
                self.add_events(path, options, allow_duplicates=allow_duplicates)
            return
        n_before = self.n_rows
        for columns in _rows(path, wanted):
            ids = _ids(columns, path, options, self.n_rows - n_before)
            passes = np.ones(len(ids), dtype=np.bool_)
            for selection in selections:
                passes &= selection.passes(columns[selection.column], str(path))
            self._add(ids, passes)

    def _add_labelled(self, path: Path, options: ReadOptions) -> bool:
        """Add a training file, whose events carry the label whether they passed; False where a file has no labels."""
        with path.open("rb") as handle:
            if handle.read(4) != b"PAR1":
                return False
        from smartbkg.io.parquet import open_parquet

        with open_parquet(path) as file:
            if _LABEL not in file.schema_arrow.names:
                return False
        with open_events(path, options) as reader:
            for batch in reader.batches():
                self._add(
                    _stack(batch.event, str(path)), as_label(batch.event[_LABEL], f"{path}: column '{_LABEL}'") > 0
                )
        return True

    def add_events(self, path: Path, options: ReadOptions, *, allow_duplicates: bool) -> None:
        """Add a file with one entry per event."""
        found = [ids for ids in _event_blocks(path, options) if len(ids)]
        ids = np.concatenate(found) if found else np.empty((0, 3), dtype=np.int64)
        distinct, n_times = np.unique(ids, axis=0, return_counts=True)
        if len(distinct) < len(ids) and not allow_duplicates:
            event = tuple(distinct[n_times > 1][0].tolist())
            raise DatasetError(f"{path}: event {event} occurs {n_times.max()} times; accept it with --allow-duplicates")
        self._add(ids, np.ones(len(ids), dtype=np.bool_))

    def _add(self, ids: NDArray[np.int64], passes: NDArray[np.bool_]) -> None:
        self.n_rows += len(ids)
        distinct, row = np.unique(ids, axis=0, return_inverse=True)
        self._ids.append(distinct)
        self._passes.append(np.bincount(row.reshape(-1), weights=passes, minlength=len(distinct)) > 0)

    def flags(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(n_events, 3) ids, sorted, and (n_events,) whether any row of the event passed."""
        if not self._ids:
            return np.empty((0, 3), dtype=np.int64), np.empty(0, dtype=np.bool_)
        distinct, row = np.unique(np.concatenate(self._ids), axis=0, return_inverse=True)
        passes = np.bincount(row.reshape(-1), weights=np.concatenate(self._passes), minlength=len(distinct)) > 0
        return distinct, passes


def _among(
    ids: NDArray[np.int64], passing: NDArray[np.int64], source: Path
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whether each event is among the passing ones, all of which must be events."""
    together, row = np.unique(np.concatenate([ids, passing]), axis=0, return_inverse=True)
    if len(together) > len(ids):
        known = np.zeros(len(together), dtype=np.bool_)
        known[row.reshape(-1)[: len(ids)]] = True
        strangers = together[~known]
        raise DatasetError(
            f"{source}: {len(strangers)} of {len(passing)} passing events are not in it, the first is "
            f"{tuple(strangers[0].tolist())}: the flags are of another sample"
        )
    is_passing = np.zeros(len(together), dtype=np.bool_)
    is_passing[row.reshape(-1)[len(ids) :]] = True
    return together, is_passing


def _is_events(path: Path) -> bool:
    """Whether a file holds one entry per event, rather than a table."""
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot read: {error.strerror}") from error
    if head == b"root":
        return is_basf2(path)
    if head == b"PAR1":
        from smartbkg.io.parquet import open_parquet

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
                yield _stack(event_ids(tree, start, stop, str(path)), str(path))
        return
    with open_events(path, options) as reader:
        for batch in reader.batches():
            yield _stack(batch.event, str(path))


def _stack(columns: Columns, source: str) -> NDArray[np.int64]:
    return np.stack([ids_of(columns[name], name, source).astype(np.int64) for name in EVENT_ID], axis=1)


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


def _rows(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    """The id columns of a table and those of the selections, in blocks."""
    with path.open("rb") as handle:
        head = handle.read(4)
    blocks = _root_rows if head == b"root" else (_parquet_rows if head == b"PAR1" else _csv_rows)
    read: Callable[[Path, Sequence[str]], Iterator[Columns]] = blocks
    yield from read(path, wanted)


def _needed(names: Sequence[str], wanted: Sequence[str], source: str) -> list[str]:
    for name in wanted:
        if name not in names:
            raise FileFormatError(f"{source}: no column '{name}': {nearest(name, names)}")
    if len(names) == 1:
        return list(names)
    ids = [name for name in names if is_id_column(name)]
    return list(dict.fromkeys([*ids, *wanted])) or list(names)


def _root_rows(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    """Rows of the only tree with event numbers in a ROOT file."""
    with open_root(path) as file:
        with root_errors(str(path), "list of trees"):
            trees = {
                name: file[name]
                for name, kind in file.classnames().items()
                if kind.startswith(("TTree", "ROOT::RNTuple"))
            }
            usable = {name: tree for name, tree in trees.items() if id_column(EVENT_NUMBER, tree.keys()) is not None}
        if len(usable) != 1:
            found = ", ".join(usable or trees) or "none"
            raise FileFormatError(f"{path}: expected one tree with event numbers (__event__), found: {found}")
        tree = next(iter(usable.values()))
        with root_errors(str(path), "tree"):
            names, n_rows = list(tree.keys()), int(tree.num_entries)
        needed = _needed(names, wanted, str(path))
        for start in range(0, n_rows, _ROWS):
            n_here = min(_ROWS, n_rows - start)
            with root_errors(str(path), f"rows from {start}"):
                rows = dict(tree.arrays(needed, library="np", entry_start=start, entry_stop=start + n_here))
            for name, column in rows.items():
                if column.shape != (n_here,):
                    raise FileFormatError(f"{path}: '{name}' has {len(column)} of {n_here} rows from {start}")
            yield rows


def _parquet_rows(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    from smartbkg.io.parquet import open_parquet

    with open_parquet(path) as file:
        needed = _needed(file.schema_arrow.names, wanted, str(path))
    for table in iterate_table(path, columns=needed):
        yield table.columns


def _csv_rows(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    with _csv_errors(path):
        reader = csv.open_csv(path)
    with reader:
        with _csv_errors(path):
            names = list(reader.schema.names)
        needed = _needed(names, wanted, str(path))
        if id_column(EVENT_NUMBER, needed) is None:
            raise FileFormatError(
                f"{path}: not a table of events: no column 'evtNum' (or {', '.join(ID_NAMES[EVENT_NUMBER][1:])}) in "
                f"the first line: {', '.join(names)[:80]}"
            )
        repeated = [name for name in needed if names.count(name) > 1]
        if repeated:
            raise FileFormatError(f"{path}: two columns are called '{repeated[0]}'")
        batches = iter(reader)
        while True:
            with _csv_errors(path):
                batch = next(batches, None)
                if batch is None:
                    return
                rows = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in needed}
            yield rows


@contextlib.contextmanager
def _csv_errors(path: Path) -> Iterator[None]:
    try:
        with reading(str(path)):
            yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise FileFormatError(f"{path}: not a readable CSV table: {str(error).splitlines()[0]}") from error


__all__ = ["FlagSummary", "make_flags"]
