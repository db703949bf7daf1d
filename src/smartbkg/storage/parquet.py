"""Parquet files that prove what they hold: row groups and the footer carry checksums, and every count is compared.

Page checksums of Parquet cover the pages' data, not their headers and not the footer: one damaged bit there can lose a
row group without a word. Files written here hold, under a key of their own in the footer, the CRC-32 of the bytes of
each row group, and the SHA-256 of the bytes of the footer itself, in which that digest stands as zeros. Whatever wrote
a file, the rows that come out are compared with the rows that the footer announces.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from smartbkg.errors import FileFormatError
from smartbkg.storage.bounds import check_expansion, rows_at_a_time
from smartbkg.storage.json_content import from_json
from smartbkg.storage.machine import reading
from smartbkg.storage.provenance import METADATA_KEY

#: Key of the checksums in the footer.
CHECKSUMS_KEY: Final = "smartbkg_checksums"
#: What shows that a footer had checksums, in whatever place a damaged one has lost them.
_MARKS: Final = (CHECKSUMS_KEY.encode(), b', "footer": "')
_BLOCK: Final = 1 << 22
_FIRST_BYTE: Final = 4  # after the magic
_TAIL_BYTES: Final = 8  # length of the footer, magic
_NO_DIGEST: Final = b"0" * 64
#: Bytes of a value in memory by its physical type; of a text, those of its place in a dictionary.
_VALUE_BYTES: Final = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_TEXT_BYTES: Final = 16


class _Group(NamedTuple):
    """A row group as its writer knew it."""

    n_rows: int
    end: int
    """Position behind its last byte."""
    crc: int
    """CRC-32 of its bytes."""


def _with_digest(footer: bytes) -> bytes:
    """A footer whose place for its own digest is filled: the first zeros of that length behind our key."""
    place = footer.index(_NO_DIGEST, footer.index(CHECKSUMS_KEY.encode()))
    digest = hashlib.sha256(footer).hexdigest().encode()
    return footer[:place] + digest + footer[place + len(digest) :]


def _is_as_written(footer: bytes, digest: str) -> bool:
    """Whether a footer is the one whose digest it carries."""
    place = footer.find(digest.encode(), max(footer.find(CHECKSUMS_KEY.encode()), 0))
    if len(digest) != len(_NO_DIGEST) or place < 0:
        return False
    return hashlib.sha256(footer[:place] + _NO_DIGEST + footer[place + len(_NO_DIGEST) :]).hexdigest() == digest


class _Sink:
    """A file that is written to, with a checksum of what went into it since the last look."""

    def __init__(self, path: Path) -> None:
        self._handle = path.open("wb+")
        self._n_bytes = 0
        self.crc = 0
        self.closed = False

    def write(self, content: bytes) -> int:
        self.crc = zlib.crc32(content, self.crc)
        self._n_bytes += len(content)
        return self._handle.write(content)

    def tell(self) -> int:
        return self._n_bytes

    def flush(self) -> None:
        self._handle.flush()

    def end(self, start: int) -> bytes:
        """All bytes from a position on."""
        self._handle.seek(start)
        return self._handle.read()

    def replace_end(self, start: int, content: bytes) -> None:
        """Put other bytes in place of all from a position on."""
        self._handle.seek(start)
        self._handle.truncate()
        self._handle.write(content)

    def close(self) -> None:
        self.closed = True
        self._handle.close()


class CheckedParquetWriter:
    """Writes a Parquet file with checksums, row group by row group.

    Parameters
    ----------
    path : the file; what it held is lost.
    schema : of the rows, with the provenance record in its metadata.
    group_rows : rows of a row group; rows are collected until there are as many.
    options : of `pyarrow.parquet.ParquetWriter`.

    Raises
    ------
    OSError
        The file cannot be written.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, group_rows: int, **options: Any) -> None:
        self.schema = schema
        self._group_rows = group_rows
        self._groups: list[_Group] = []
        self._waiting: list[pa.RecordBatch] = []
        self._last_record: bytes = (schema.metadata or {}).get(METADATA_KEY.encode(), b"")
        self._sink = _Sink(path)
        self._written: list[Any] = []
        self._writer = pq.ParquetWriter(
            self._sink, schema, write_page_checksum=True, metadata_collector=self._written, **options
        )
        self._sink.crc = 0  # from behind the magic

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows of the schema."""
        if rows.num_rows:
            self._waiting.append(rows.cast(self.schema))
        while sum(batch.num_rows for batch in self._waiting) >= self._group_rows:
            self._write_group(self._group_rows)

    def end_group(self) -> None:
        """Let the rows so far be a row group, although they are fewer than others have."""
        n_waiting = sum(batch.num_rows for batch in self._waiting)
        if n_waiting:
            self._write_group(n_waiting)

    def describe(self, record: str) -> None:
        """Replace the provenance record by one with what is known only at the end."""
        self._last_record = record.encode()

    def _write_group(self, n_rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, self.schema)
        rest = table.slice(n_rows)
        self._writer.write_table(table.slice(0, n_rows).unify_dictionaries(), row_group_size=n_rows)
        self._groups.append(_Group(min(n_rows, table.num_rows), self._sink.tell(), self._sink.crc))
        self._sink.crc = 0
        self._waiting = rest.to_batches() if rest.num_rows else []

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._sink.closed:
            return
        try:
            self.end_group()
            start = self._sink.tell()
            if hasattr(self._writer, "add_key_value_metadata"):
                self._writer.add_key_value_metadata(self._further())
                self._writer.close()
                footer = self._sink.end(start)
            else:  # an old pyarrow takes no metadata once rows are written
                self._writer.close()
                footer = self._own_footer()
            self._sink.replace_end(start, _with_digest(footer[:-_TAIL_BYTES]) + footer[-_TAIL_BYTES:])
        finally:
            self.abort()  # after a close that failed the library would close again when it is collected

    def _further(self) -> dict[str, str]:
        """What the footer says beside the schema: checksums, and the record as it is at the end."""
        checksums = json.dumps({"groups": [list(group) for group in self._groups], "footer": _NO_DIGEST.decode()})
        return {CHECKSUMS_KEY: checksums} | ({METADATA_KEY: self._last_record.decode()} if self._last_record else {})

    def _own_footer(self) -> bytes:
        """Another footer for the same rows, with what is known only at the end."""
        further = {key.encode(): value.encode() for key, value in self._further().items()}
        metadata = {**(self.schema.metadata or {}), **further}
        empty = pa.BufferOutputStream()
        pq.ParquetWriter(empty, self.schema.with_metadata(metadata)).close()
        footer = pq.read_metadata(pa.BufferReader(empty.getvalue()))
        for written in self._written:
            footer.append_row_groups(written)
        file = io.BytesIO()
        footer.write_metadata_file(file)
        return file.getvalue()[_FIRST_BYTE:]

    def abort(self) -> None:
        """Give the file up: nothing more is written."""
        self._writer.is_open = False  # else it would write a footer when it is collected
        if not self._sink.closed:
            self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class CheckedParquetFile(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no annotations
    """A Parquet file whose rows are verified as they are read.

    Raises
    ------
    FileFormatError
        Missing, truncated, not Parquet, or a footer that is not the one that was written; while reading: rows that are
        damaged or fewer than announced.
    MachineError
        The disk fails, or there is not enough memory.
    """

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        self._path = path
        with self._damage("not a readable Parquet file"):
            try:
                metadata = pq.read_metadata(path)
                super().__init__(
                    path, metadata=metadata, memory_map=False, pre_buffer=False, page_checksum_verification=True,
                    read_dictionary=_texts(metadata),
                )  # fmt: skip
            except FileNotFoundError as error:
                raise FileFormatError(f"{path}: no such file") from error
            self._n_bytes = path.stat().st_size
            self._groups = self._announced()
            n_rows = [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]
            self._first_rows = [0, *itertools.accumulate(n_rows)]

    def _damage(self, what: str) -> _Damage:
        return _Damage(self.source, what)

    def _announced(self) -> list[_Group] | None:
        """The row groups that the writer noted, None where it noted none; refuses a footer that contradicts itself."""
        metadata = self.metadata
        n_rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if sum(n_rows) != metadata.num_rows:
            raise ValueError(f"the footer announces {metadata.num_rows} rows, its row groups hold {sum(n_rows)}")
        further = metadata.metadata or {}
        footer = self._footer()
        if CHECKSUMS_KEY.encode() not in further:
            if any(mark in footer for mark in _MARKS):
                raise ValueError("the footer is damaged: its checksums cannot be read")
            return None
        content = from_json(further[CHECKSUMS_KEY.encode()])
        groups = [_Group(*(int(number) for number in group)) for group in content["groups"]]
        if "footer" not in content:
            raise ValueError("its checksums are those of an earlier version of smartbkg, or damaged: write it again")
        if not _is_as_written(footer, content["footer"]):
            raise ValueError(
                "the footer is not the one that was written: it is damaged, or a program that changed the rows copied "
                f"the checksums of the old ones (it should drop '{CHECKSUMS_KEY}' from the metadata of the schema)"
            )
        if [group.n_rows for group in groups] != n_rows:
            raise ValueError(f"row groups of {n_rows[:3]} rows, {[group.n_rows for group in groups[:3]]} were written")
        return groups

    def _footer(self) -> bytes:
        with self._path.open("rb") as handle:
            handle.seek(-_TAIL_BYTES, os.SEEK_END)
            n_bytes = int.from_bytes(handle.read(4), "little")
            handle.seek(-_TAIL_BYTES - n_bytes, os.SEEK_END)
            return handle.read(n_bytes)

    def iter_batches(
        self,
        batch_size: int = 65536,
        row_groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        **options: Any,
    ) -> Iterator[pa.RecordBatch]:
        """Rows in batches that lie within one row group each, verified."""
        for group in range(self.metadata.num_row_groups) if row_groups is None else row_groups:
            yield from self._group_batches(group, batch_size, columns, options)

    def _group_batches(
        self, group: int, size: int, columns: Sequence[str] | None, options: Mapping[str, Any]
    ) -> Iterator[pa.RecordBatch]:
        n_announced = self.metadata.row_group(group).num_rows
        first = self._first_rows[group]
        n_rows = 0
        with self._damage(f"damaged Parquet data, rows {first} to {first + n_announced - 1}"):
            self._verify(group)
            n_bytes = self._unpacked(group, columns)
            size = rows_at_a_time(size, n_announced, n_bytes)
            batches = super().iter_batches(size, row_groups=[group], columns=columns, **options)
        while True:
            with self._damage(f"damaged Parquet data, rows {first + n_rows} to {first + n_announced - 1}"):
                batch = next(batches, None)
                if batch is None:
                    if n_rows != n_announced:
                        raise ValueError(f"{n_rows} of {n_announced} rows are there")
                    return
            n_rows += batch.num_rows
            yield batch

    def read(self, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """All rows, verified."""
        with self._damage("damaged Parquet data"):
            for group in range(self.metadata.num_row_groups):
                self._unpacked(group, columns)
                self._verify(group)
            table = super().read(columns=columns, **options)
            if table.num_rows != self.metadata.num_rows:
                raise ValueError(f"{table.num_rows} of {self.metadata.num_rows} rows are there")
            return table

    def _unpacked(self, group: int, columns: Sequence[str] | None) -> int:
        """Bytes that a row group unpacks to, as it announces; refused where that is far more than is there."""
        announced = self.metadata.row_group(group)
        chunks = [announced.column(number) for number in range(announced.num_columns)]
        wanted = [chunk for chunk in chunks if columns is None or chunk.path_in_schema.split(".")[0] in columns]
        n_values = sum(chunk.num_values * _VALUE_BYTES.get(chunk.physical_type, _TEXT_BYTES) for chunk in wanted)
        n_unpacked = max(n_values, sum(chunk.total_uncompressed_size for chunk in wanted))
        n_packed = sum(chunk.total_compressed_size for chunk in wanted)
        check_expansion(n_unpacked, min(n_packed, self._n_bytes), f"{self.source}: row group {group}")
        return int(n_unpacked)

    def _verify(self, group: int) -> None:
        """Compare the bytes of a row group with their checksum, where it has one."""
        if self._groups is None:
            return
        start = self._groups[group - 1].end if group else _FIRST_BYTE
        left = self._groups[group].end - start
        crc = 0
        with self._path.open("rb") as handle:
            handle.seek(start)
            while left > 0 and (block := handle.read(min(left, _BLOCK))):
                crc = zlib.crc32(block, crc)
                left -= len(block)
        if left or crc != self._groups[group].crc:
            raise ValueError("its bytes are not those that were written (CRC-32)")


def _texts(metadata: pq.FileMetaData) -> list[str]:
    """Columns of texts, which stay dictionaries in memory: the same text a million times is one text."""
    schema = metadata.schema
    columns = [schema.column(number) for number in range(len(schema))]
    return [one.path for one in columns if one.physical_type == "BYTE_ARRAY" and one.max_repetition_level == 0]


class _Damage:
    """Whatever damaged bytes raise, as an error that names the file; errors of the machine as those."""

    def __init__(self, source: str, what: str) -> None:
        self._source = source
        self._what = what
        self._machine = reading(source)

    def __enter__(self) -> None:
        self._machine.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._machine.__exit__(kind, error, trace)
        if isinstance(error, pa.ArrowException | OSError | ValueError | KeyError | TypeError | IndexError):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FileFormatError(f"{self._source}: {self._what}: {reason}") from error


def record_of(metadata: Mapping[bytes, bytes] | None, source: str) -> dict[str, Any]:
    """The provenance record in Parquet metadata, empty where there is none.

    Raises
    ------
    FileFormatError
        It is no JSON object.
    """
    content = (metadata or {}).get(METADATA_KEY.encode())
    if not content:
        return {}
    try:
        return dict(from_json(content))
    except (ValueError, TypeError) as error:
        raise FileFormatError(f"{source}: its provenance record is damaged: {error}") from error


__all__ = ["CHECKSUMS_KEY", "CheckedParquetFile", "CheckedParquetWriter", "record_of"]
