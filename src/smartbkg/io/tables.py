"""Flat tables with provenance, in Parquet: flags, scores, data sets' labels, weights. One row per event, no lists.

A table has a *kind* (``flags``, ``scores``, ``kept``...) and a schema version in its provenance record; a reader asks
for the kind it expects and refuses another. Written whole or not at all, readable by every Parquet reader.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import FileFormatError, UsageError, nearest
from smartbkg.io.parquet import metadata_of_file, open_parquet, text_or_numbers
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.parquet import CheckedParquetFile, CheckedParquetWriter
from smartbkg.storage.provenance import METADATA_KEY, check_schema

ROW_GROUP_ROWS = 1 << 17


@dataclass(frozen=True)
class Table:
    """A flat table in memory.

    Attributes
    ----------
    columns : name → (n_rows,) array, in the order of the file.
    metadata : its provenance record, empty where it has none.
    source : the file, for messages.
    """

    columns: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, Any]
    source: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column of that name.

        Raises
        ------
        FileFormatError
            There is none: names the nearest.
        """
        if name not in self.columns:
            raise FileFormatError(f"{self.source}: no column '{name}': {nearest(name, self.columns)}")
        return self.columns[name]


def _to_arrow(columns: Mapping[str, ArrayLike]) -> pa.RecordBatch:
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError(f"columns of a table differ in length: {lengths}")
    packed = [pa.array(array) for array in arrays.values()]
    encoded = [array.dictionary_encode() if pa.types.is_string(array.type) else array for array in packed]
    return pa.RecordBatch.from_arrays(encoded, names=list(arrays))


def _to_numpy(column: pa.ChunkedArray, name: str, source: str) -> NDArray[Any]:
    if pa.types.is_nested(column.type):
        raise FileFormatError(
            f"{source}: column '{name}' holds {column.type}, expected one value per row: "
            "is it a file of events, where a table belongs?"
        )
    if column.null_count:
        raise FileFormatError(f"{source}: column '{name}' has {column.null_count} missing values")
    return text_or_numbers(column, f"{source}: column '{name}'")


class TableWriter:
    """Writes a flat table piece by piece; the columns of the first piece fix the schema.

    Used as a context manager: the file appears at a normal end, and not at all otherwise.
    """

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        self.path = path
        self.n_rows = 0
        self._provenance = dict(provenance)
        self._stack = contextlib.ExitStack()
        self._partial: Path | None = None
        self._writer: CheckedParquetWriter | None = None

    def __enter__(self) -> Self:
        self._partial = self._stack.enter_context(atomic_path(self.path))
        return self

    def write(self, columns: Mapping[str, ArrayLike]) -> None:
        """Append rows, at least one call; ``columns``: name → (n_rows,)."""
        if self._partial is None:
            raise UsageError(f"{self.path}: the table is not open: use it in a with statement")
        batch = _to_arrow(columns)
        with disk_errors(self.path):
            if self._writer is None:
                content = json.dumps(self._provenance, sort_keys=True)
                schema = batch.schema.with_metadata({METADATA_KEY: content})
                self._writer = CheckedParquetWriter(
                    self._partial, schema, group_rows=ROW_GROUP_ROWS, compression="zstd"
                )
            schema = self._writer.schema
            if batch.schema.names != schema.names:
                raise UsageError(f"{self.path}: rows with columns {batch.schema.names}, expected {schema.names}")
            self._writer.write(batch)
        self.n_rows += batch.num_rows

    def describe(self, **further: Any) -> None:
        """Add to the provenance record what is known only at the end."""
        self._provenance |= further

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writer is not None:
                with disk_errors(self.path):
                    self._writer.describe(json.dumps(self._provenance, sort_keys=True))
                    self._writer.__exit__(kind, error, trace)
            elif kind is None:
                raise UsageError(f"{self.path}: a table without columns cannot be written")
        except BaseException as failure:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)


def write_table(path: str | Path, columns: Mapping[str, ArrayLike], provenance: Mapping[str, Any]) -> None:
    """Write a flat table, whole or not at all.

    Parameters
    ----------
    columns : name → (n_rows,) numbers, truth values or text.
    provenance : the record of `smartbkg.storage.provenance.record`, whose ``kind`` says what the table is.
    """
    with TableWriter(Path(path), provenance) as writer:
        writer.write(columns)


def _check(metadata: Mapping[str, Any], kind: str | None, schema_version: int, source: str) -> None:
    if kind is not None and metadata:
        check_schema(metadata, kind, schema_version, source)


def _wanted(names: Sequence[str], columns: Sequence[str] | None, source: str) -> list[str]:
    for name in columns or ():
        if name not in names:
            raise FileFormatError(f"{source}: no column '{name}': {nearest(name, names)}")
    return list(names if columns is None else columns)


def iterate_table(
    path: str | Path,
    kind: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    schema_version: int = 1,
    size: int = ROW_GROUP_ROWS,
) -> Iterator[Table]:
    """The rows of a flat table, at most ``size`` at a time, in constant memory.

    Raises
    ------
    FileFormatError, SchemaError
        Not readable, a column is missing, of another kind, or of a newer schema.
    """
    with _opened(path, kind, columns, schema_version) as (file, metadata, wanted):
        for batch in file.iter_batches(batch_size=size, columns=wanted, use_threads=False):
            table = pa.Table.from_batches([batch])
            yield _table(table, metadata, wanted, str(path))


def read_table(
    path: str | Path, kind: str | None = None, columns: Sequence[str] | None = None, *, schema_version: int = 1
) -> Table:
    """A flat table, whole.

    Parameters
    ----------
    kind : what it must be, where it says what it is; a table without provenance is taken as it is.
    columns : the columns wanted, None for all.

    Raises
    ------
    FileFormatError, SchemaError
        Not readable, a column is missing, of another kind, or of a newer schema.
    """
    with _opened(path, kind, columns, schema_version) as (file, metadata, wanted):
        table = file.read(columns=wanted, use_threads=False)
    return _table(table, metadata, wanted, str(path))


@contextlib.contextmanager
def _opened(
    path: str | Path, kind: str | None, columns: Sequence[str] | None, schema_version: int
) -> Iterator[tuple[CheckedParquetFile, dict[str, Any], list[str]]]:
    """A table's file, its record, and the columns to read, all of them checked."""
    source = str(path)
    with open_parquet(Path(path)) as file:
        metadata = metadata_of_file(file)
        _check(metadata, kind, schema_version, source)
        yield file, metadata, _wanted(file.schema_arrow.names, columns, source)


def _table(table: pa.Table, metadata: dict[str, Any], names: Sequence[str], source: str) -> Table:
    return Table({name: _to_numpy(table.column(name), name, source) for name in names}, metadata, source)


__all__ = ["Table", "TableWriter", "iterate_table", "read_table", "write_table"]
