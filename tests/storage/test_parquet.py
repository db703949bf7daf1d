"""A Parquet file either gives all rows that were written, or an error that names it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smartbkg.errors import FileFormatError
from smartbkg.storage.machine import MachineError
from smartbkg.storage.parquet import CHECKSUMS_KEY, CheckedParquetFile, CheckedParquetWriter, record_of
from smartbkg.storage.provenance import METADATA_KEY

N_ROWS = 300


def rows(start: int = 0, n_rows: int = 100) -> pa.RecordBatch:
    number = np.arange(start, start + n_rows)
    columns = {
        "evtNum": pa.array(number),
        "process": pa.array([f"p{k % 3 + start}" for k in number]).dictionary_encode(),
        "px": pa.array([[float(k)] * (k % 4) for k in number.tolist()], pa.list_(pa.float32())),
        "passes": pa.array(number % 2 == 0),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def write(path: Path, group_rows: int = 100, n_batches: int = 3) -> bytes:
    schema = rows().schema.with_metadata({METADATA_KEY: json.dumps({"kind": "first"})})
    with CheckedParquetWriter(path, schema, group_rows=group_rows, compression="zstd") as writer:
        for number in range(n_batches):
            writer.write(rows(100 * number))
        writer.describe(json.dumps({"kind": "last"}))
    return path.read_bytes()


def numbers(path: Path) -> list[int]:
    with CheckedParquetFile(path) as file:
        found = [n for batch in file.iter_batches(batch_size=64) for n in batch.column("evtNum").to_pylist()]
        assert found == file.read(columns=["evtNum"]).column("evtNum").to_pylist()
    return found


@pytest.mark.parametrize("group_rows", [7, 100, 128, 10_000])
def test_rows_come_back_in_order_whatever_the_size_of_the_groups(tmp_path: Path, group_rows: int):
    write(tmp_path / "t.parquet", group_rows)
    assert numbers(tmp_path / "t.parquet") == list(range(N_ROWS))
    assert pq.read_table(tmp_path / "t.parquet").num_rows == N_ROWS, "every Parquet reader reads it"


def test_each_single_damaged_bit_is_seen(tmp_path: Path):
    content = write(tmp_path / "t.parquet")
    whole = pq.read_table(tmp_path / "t.parquet")
    generator = np.random.default_rng(1)
    silent = []
    for place in generator.permutation(len(content))[:400]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        path = tmp_path / "d.parquet"
        path.write_bytes(damaged)
        try:
            with CheckedParquetFile(path) as file:
                table, record = file.read(), record_of(file.metadata.metadata, "")
        except (FileFormatError, MachineError):
            continue
        if not table.equals(whole) or record != {"kind": "last"}:
            silent.append(int(place))
    assert silent == []


def test_a_row_group_that_a_page_header_loses_is_missed_without_our_checksums_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Files of other programs have no checksum of ours: the rows that come out are compared with the footer."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_batches([rows()]), path)
    batches = list(pq.ParquetFile(path).iter_batches())
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *_, **__: iter([batches[0].slice(0, 60)]))
    with CheckedParquetFile(path) as file, pytest.raises(FileFormatError, match="60 of 100 rows are there"):
        list(file.iter_batches())


def test_a_footer_that_was_changed_is_refused(tmp_path: Path):
    """The record holds sums that an analysis divides by: a changed digit there is as bad as one in the rows."""
    content = write(tmp_path / "t.parquet")
    assert content.count(b'{"kind": "last"}') == 1
    (tmp_path / "t.parquet").write_bytes(content.replace(b'{"kind": "last"}', b'{"kind": "lost"}'))
    with pytest.raises(FileFormatError, match="the footer is not the one that was written"):
        CheckedParquetFile(tmp_path / "t.parquet")


def test_no_bit_of_the_footer_can_change_unseen(tmp_path: Path):
    """Types and checksums are in it too: a table that lost its checksums would be taken for one of another program."""
    content = write(tmp_path / "t.parquet")
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    whole = pq.read_schema(tmp_path / "t.parquet")
    for place in range(start, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place // 7 % 8
        (tmp_path / "d.parquet").write_bytes(damaged)
        try:
            with CheckedParquetFile(tmp_path / "d.parquet") as file:
                assert file.schema_arrow.equals(whole, check_metadata=True), place
        except (FileFormatError, MachineError):
            continue


def test_a_table_that_another_program_changed_says_what_to_drop(tmp_path: Path):
    write(tmp_path / "t.parquet")
    half = pq.read_table(tmp_path / "t.parquet").slice(0, 150)
    copied = pq.read_metadata(tmp_path / "t.parquet").metadata
    pq.write_table(half.replace_schema_metadata(copied), tmp_path / "half.parquet")
    with pytest.raises(FileFormatError, match="should drop 'smartbkg_checksums'"):
        CheckedParquetFile(tmp_path / "half.parquet")


def test_files_of_other_programs_are_read(tmp_path: Path):
    pq.write_table(pa.Table.from_batches([rows()]), tmp_path / "t.parquet")
    with CheckedParquetFile(tmp_path / "t.parquet") as file:
        assert CHECKSUMS_KEY.encode() not in (file.metadata.metadata or {})
    assert numbers(tmp_path / "t.parquet") == list(range(100))


def test_a_table_without_rows_is_whole(tmp_path: Path):
    write(tmp_path / "t.parquet", n_batches=0)
    assert numbers(tmp_path / "t.parquet") == []


def test_a_file_that_is_missing_or_a_folder_is_one_line(tmp_path: Path):
    with pytest.raises(FileFormatError, match="no such file"):
        CheckedParquetFile(tmp_path / "t.parquet")
    with pytest.raises(FileFormatError, match="not a readable Parquet file"):
        CheckedParquetFile(tmp_path)
