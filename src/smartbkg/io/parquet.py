"""The native format: Parquet, one event a row, particles as list columns, provenance in the metadata.

Any Parquet reader opens it without this package. The schema is `smartbkg.events.columns`: event columns as they are,
particle columns as lists of the same length. Version 1.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES, EVENT_ID, EVENT_NUMBER, PARTICLE_DTYPES, VARIATION_PREFIX
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, LOGGER, EventFormat, EventReader, EventWriter, ReadOptions
from smartbkg.io.records import assemble
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.bounds import check_texts
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.parquet import CheckedParquetFile, CheckedParquetWriter, record_of
from smartbkg.storage.provenance import METADATA_KEY, check_schema, record
from smartbkg.storage.signatures import PARQUET_START

ROW_GROUP_EVENTS = 8192
#: Particles of a row group: events of thousands of them come in smaller groups, so that a group fits into memory.
ROW_GROUP_PARTICLES = 1 << 22


def metadata_of_file(file: CheckedParquetFile) -> dict[str, Any]:
    """The provenance record of a Parquet file, with what its writer added at the end (`ParquetWriter.describe`)."""
    return record_of(file.metadata.metadata, file.source)


def open_parquet(path: Path) -> CheckedParquetFile:
    """A Parquet file, opened for reading; rows are verified as they are read.

    Raises
    ------
    FileFormatError
        Missing, truncated, not Parquet, or damaged.
    """
    return CheckedParquetFile(path)


class _ArrowColumns(NamedTuple):
    """Columns of a record batch: particles per event, event columns, flat particle columns."""

    counts: NDArray[np.int64]
    event: dict[str, NDArray[Any]]
    particle: dict[str, NDArray[Any]]


def batch_from_arrow(table: pa.RecordBatch, source: str) -> EventBatch:
    """Events of a record batch with the native columns, not checked."""
    return EventBatch.from_columns(*_columns_of(table, source), source=source)


def _columns_of(table: pa.RecordBatch, source: str, numbers: NDArray[np.int64] | None = None) -> _ArrowColumns:
    """The columns, with other event numbers where some are given."""
    if numbers is not None:
        others = {name: table.column(name) for name in table.schema.names if name != EVENT_NUMBER}
        table = pa.RecordBatch.from_pydict({**others, EVENT_NUMBER: pa.array(numbers)})
    names = set(table.schema.names)
    missing = [name for name in (*EVENT_ID, *PARTICLE_DTYPES) if name not in names]
    if missing:
        raise FileFormatError(
            f"{source}: Parquet without the event columns {', '.join(missing)}; has {', '.join(names)}"
        )
    event: dict[str, NDArray[Any]] = {}
    particle: dict[str, NDArray[Any]] = {}
    counts: NDArray[np.int64] | None = None
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if name not in PARTICLE_DTYPES:
            event[name] = text_or_numbers(column, f"{source}: column '{name}'")
            continue
        if column.null_count or column.values.null_count:
            raise FileFormatError(f"{source}: particle column '{name}' has missing values")
        offsets = column.offsets.to_numpy()
        counts_here = np.diff(offsets).astype(np.int64)
        if counts is not None and not np.array_equal(counts, counts_here):
            row = int(np.flatnonzero(counts != counts_here)[0])
            raise EventError(
                f"column '{name}' lists {counts_here[row]} particles, others {counts[row]}",
                source=source,
                event=tuple(int(table.column(column)[row].as_py()) for column in EVENT_ID),
            )
        counts = counts_here
        particle[name] = column.values.to_numpy()[offsets[0] : offsets[-1]]
    return _ArrowColumns(counts if counts is not None else np.zeros(0, dtype=np.int64), event, particle)


def text_or_numbers(column: pa.Array | pa.ChunkedArray, what: str) -> NDArray[Any]:
    """A flat column as numpy; texts as an array of texts, none of them longer than a name is, a missing one empty.

    Raises
    ------
    FileFormatError
        A text is so long that the column would not fit.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        texts = [chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk for chunk in chunks]
        longest = max((pc.max(pc.binary_length(one)).as_py() or 0 for one in texts), default=0)
        check_texts(len(column), longest, what)
        column = _filled(column)
    array = np.asarray(
        column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)
    )
    return array.astype(np.str_) if array.dtype == object else array


def _filled(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column whose missing texts are empty, as those of an unknown process are."""
    if column.null_count and pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.fill_null("") if column.null_count and pa.types.is_string(column.type) else column


def batch_to_arrow(batch: EventBatch) -> pa.RecordBatch:
    """The record batch of some events: event columns, then particle columns as lists."""
    columns: dict[str, pa.Array] = {}
    for name, values in batch.event.items():
        array = pa.array(values)
        columns[name] = array.dictionary_encode() if pa.types.is_string(array.type) else array
    offsets = pa.array(batch.offsets.astype(np.int32))
    for name, values in batch.particle.items():
        columns[name] = pa.ListArray.from_arrays(offsets, pa.array(values))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


class ParquetReader(EventReader):
    """Streams the row groups of a native file."""

    def __init__(self, path: Path, options: ReadOptions | None = None) -> None:
        super().__init__(str(path), options)
        self._file = open_parquet(path)
        self.metadata = metadata_of_file(self._file)
        if self.metadata:
            kind = str(self.metadata.get("kind"))
            check_schema(self.metadata, kind, SCHEMA_VERSIONS.get(kind, SCHEMA_VERSIONS[EVENTS]), self.source)
        self.n_events = self._file.metadata.num_rows

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        n_before = 0
        for group in range(self._file.metadata.num_row_groups):
            n_here = self._file.metadata.row_group(group).num_rows
            n_good = 0
            tables = self._file.iter_batches(batch_size=size, row_groups=[group], use_threads=False)
            while True:
                try:
                    table = next(tables, None)
                except FileFormatError as error:
                    self.skip(error, n_here - n_good)
                    break
                if table is None:
                    break
                first = n_before + n_good
                n_good += table.num_rows
                numbers = self.place_numbers(first, first + table.num_rows)
                batch = assemble(self, *_columns_of(table, self.source, numbers), mother_must_exist=False)
                if len(batch):
                    yield batch
            n_before += n_here

    def close(self) -> None:
        self._file.close()


def _repetitive_columns(schema: pa.Schema) -> list[str]:
    """Columns that a dictionary serves: all but lists of floating-point numbers, for which it doubles time and size."""
    columns = []
    for field in schema:
        if not pa.types.is_list(field.type):
            columns.append(field.name)
        elif not pa.types.is_floating(field.type.value_type):
            columns.append(f"{field.name}.list.element")
    return columns


class ParquetWriter(EventWriter):
    """Writes a native file in row groups of `ROW_GROUP_EVENTS`, fewer where they hold `ROW_GROUP_PARTICLES`.

    The groups do not depend on the size of the batches it is given.
    """

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        self.path = path
        self._provenance = dict(provenance)
        self._stack = contextlib.ExitStack()
        self._partial = self._stack.enter_context(atomic_path(path))
        self._writer: CheckedParquetWriter | None = None
        self._waiting: list[EventBatch] = []
        self._columns: tuple[str, ...] | None = None
        self._is_told = False
        empty = {name: np.empty(0, dtype=dtype) for name, dtype in EVENT_DTYPES.items()}
        none = {name: np.empty(0, dtype=dtype) for name, dtype in PARTICLE_DTYPES.items()}
        self._if_empty = EventBatch.from_columns([], empty, none)

    def describe(self, **further: Any) -> None:
        """Add to the provenance record what is known only at the end: counts, fractions."""
        self._provenance |= further

    def write(self, batch: EventBatch) -> None:
        if not len(batch):
            self._if_empty = batch
            return
        self._waiting.append(self._with_first_columns(batch))
        self.n_written += len(batch)
        n_particles = sum(waiting.n_particles for waiting in self._waiting)
        if sum(map(len, self._waiting)) >= ROW_GROUP_EVENTS or n_particles >= ROW_GROUP_PARTICLES:
            self._flush(is_last=False)

    def _with_first_columns(self, batch: EventBatch) -> EventBatch:
        """The batch with the event columns of the first one: a file has one schema, and weights may change in a run."""
        if self._columns is None:
            self._columns = tuple(batch.event)
        if tuple(batch.event) == self._columns:
            return batch
        missing = [name for name in self._columns if name not in batch.event]
        lost = [name for name in batch.event if name not in self._columns]
        others = [name for name in missing + lost if not name.startswith(VARIATION_PREFIX)]
        if others:
            raise EventError(
                f"column '{others[0]}' is not in all events; write them to files of their own", source=batch.source
            )
        if lost and not self._is_told:
            self._is_told = True
            LOGGER.warning(
                "%s: weights that the first events do not have are left out: %s; write several files to keep them",
                batch.source, ", ".join(lost),
            )  # fmt: skip
        nothing = np.full(len(batch), np.nan)
        return replace(batch, event={name: batch.event.get(name, nothing) for name in self._columns})

    def _flush(self, *, is_last: bool) -> None:
        if not self._waiting:
            return
        together = EventBatch.concatenate(self._waiting)
        start = 0
        with disk_errors(self.path):
            while start < len(together):
                stop = _end_of_group(together.offsets, start)
                if stop == len(together) and stop - start < ROW_GROUP_EVENTS and not is_last:
                    break
                self._write_group(batch_to_arrow(together.slice(start, stop)))
                start = stop
        self._waiting = [together.slice(start, len(together))] if start < len(together) else []

    def _write_group(self, group: pa.RecordBatch) -> None:
        if self._writer is None:
            schema = group.schema.with_metadata({METADATA_KEY: json.dumps(self._provenance, sort_keys=True)})
            self._writer = CheckedParquetWriter(
                self._partial,
                schema,
                group_rows=ROW_GROUP_EVENTS,
                compression="zstd",
                compression_level=1,
                use_dictionary=_repetitive_columns(schema),
            )
        self._writer.write(group)
        self._writer.end_group()

    def close(self) -> None:
        try:
            if self._writer is None and not self._waiting:
                self._write_group(batch_to_arrow(self._if_empty))
            self._flush(is_last=True)
            if self._writer is not None:
                with disk_errors(self.path):
                    self._writer.describe(json.dumps(self._provenance, sort_keys=True))
                    self._writer.close()
        except BaseException as error:
            self._give_up()
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self._stack.close()

    def _give_up(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.abort()

    def abort(self) -> None:
        self._give_up()
        stop = SystemExit()
        with contextlib.suppress(SystemExit):
            self._stack.__exit__(SystemExit, stop, None)
            raise stop


def _end_of_group(offsets: NDArray[np.int64], start: int) -> int:
    """Where the row group ends that begins with that event: as many events as are allowed, at least one."""
    by_particles = int(np.searchsorted(offsets, offsets[start] + ROW_GROUP_PARTICLES, side="right")) - 1
    return max(min(start + ROW_GROUP_EVENTS, by_particles), start + 1)


def _recognises(head: bytes, path: Path) -> bool:
    if head[:4] != PARQUET_START:
        return False
    try:
        return {"PDG", "arrayIndex"} <= set(open_parquet(path).schema_arrow.names)
    except FileFormatError:
        return True  # a damaged Parquet file: opening it says what is wrong


def _open(path: Path, options: ReadOptions) -> EventReader:
    return ParquetReader(path, options)


def _create(path: Path, provenance: Mapping[str, Any]) -> EventWriter:
    return ParquetWriter(path, provenance or record(EVENTS, SCHEMA_VERSIONS[EVENTS], {}))


PARQUET = EventFormat(
    name="parquet",
    description="native Parquet: one event a row, particles as list columns",
    suffixes=(".parquet", ".pq"),
    recognises=_recognises,
    open=_open,
    create=_create,
)

__all__ = ["PARQUET", "ParquetReader", "ParquetWriter", "metadata_of_file", "open_parquet", "text_or_numbers"]
