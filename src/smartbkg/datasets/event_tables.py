"""Tables with one or several rows per event (n-tuples, lists, CSV), read in blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as csv
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError, nearest
from smartbkg.events.columns import CONTENT, EVENT_NUMBER, ID_NAMES, id_column, is_id_column
from smartbkg.io.parquet import open_parquet
from smartbkg.io.root import open_root, root_errors
from smartbkg.io.root_volume import Volume
from smartbkg.io.tables import iterate_table
from smartbkg.storage.machine import reading
from smartbkg.storage.signatures import PARQUET_START, ROOT_START, first_bytes

_ROWS: Final = 1 << 17

Columns = Mapping[str, NDArray[Any]]


def columns_of(path: Path) -> list[str]:
    """Names of the columns of a table."""
    head = first_bytes(path)
    if head == ROOT_START:
        with open_root(path) as file, root_errors(str(path), "list of trees"):
            return list(_tree_of_events(file, path).keys())
    if head == PARQUET_START:
        with open_parquet(path) as file:
            return list(file.schema_arrow.names)
    with _csv_errors(path), csv.open_csv(path) as reader:
        return list(reader.schema.names)


def numbers_of(path: Path) -> list[str]:
    """Names of the columns of a table that hold numbers, in the order of the file; ids left out."""
    for rows in rows_of(path, [name for name in columns_of(path) if not is_id_column(name)]):
        return [
            name
            for name, values in rows.items()
            if values.dtype.kind in "iufb" and name != CONTENT and not is_id_column(name)
        ]
    return []


def rows_of(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    """The id columns of a table and the wanted ones, in blocks.

    Raises
    ------
    FileFormatError
        The table is not readable, has no event numbers, or lacks a wanted column.
    """
    read: dict[bytes, Callable[[Path, Sequence[str]], Iterator[Columns]]] = {
        ROOT_START: _root_rows,
        PARQUET_START: _parquet_rows,
    }
    yield from read.get(first_bytes(path), _csv_rows)(path, wanted)


def _needed(names: Sequence[str], wanted: Sequence[str], source: str) -> list[str]:
    for name in wanted:
        if name not in names:
            raise FileFormatError(f"{source}: no column '{name}': {nearest(name, names)}")
    if len(names) == 1:
        return list(names)
    ids = [name for name in names if is_id_column(name)]
    return list(dict.fromkeys([*ids, *wanted])) or list(names)


def _tree_of_events(file: Any, path: Path) -> Any:
    """The only tree with event numbers."""
    with root_errors(str(path), "list of trees"):
        trees = {
            name: file[name] for name, kind in file.classnames().items() if kind.startswith(("TTree", "ROOT::RNTuple"))
        }
        usable = {name: tree for name, tree in trees.items() if id_column(EVENT_NUMBER, tree.keys()) is not None}
    if len(usable) != 1:
        found = ", ".join(usable or trees) or "none"
        raise FileFormatError(f"{path}: expected one tree with event numbers (__event__), found: {found}")
    return next(iter(usable.values()))


def _root_rows(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    """Rows of the only tree with event numbers in a ROOT file."""
    with open_root(path) as file:
        tree = _tree_of_events(file, path)
        with root_errors(str(path), "tree"):
            names, n_rows = list(tree.keys()), int(tree.num_entries)
        needed = _needed(names, wanted, str(path))
        with root_errors(str(path), "tree"):
            volume = Volume(tree, [tree[name] for name in needed])
        for start in range(0, n_rows, _ROWS):
            n_here = min(_ROWS, n_rows - start)
            with root_errors(str(path), f"rows from {start}"):
                volume.check(start, start + n_here, str(path))
                read = tree.arrays(needed, library="np", entry_start=start, entry_stop=start + n_here)
                rows = {name: read[name] for name in needed}  # of RNTuples uproot 5.6.1 makes records of numpy
            for name, column in rows.items():
                if column.shape != (n_here,):
                    raise FileFormatError(f"{path}: '{name}' has {len(column)} of {n_here} rows from {start}")
            yield rows


def _parquet_rows(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
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


__all__ = ["Columns", "columns_of", "numbers_of", "rows_of"]
