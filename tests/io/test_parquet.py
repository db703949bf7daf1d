"""The native format: one event per row, whatever the batches it was written in."""

from __future__ import annotations

import errno
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.io.parquet import ROW_GROUP_EVENTS, ParquetReader, ParquetWriter, batch_from_arrow, batch_to_arrow
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.machine import MachineError
from smartbkg.storage.parquet import CheckedParquetWriter
from smartbkg.storage.provenance import record

ABOUT = record(EVENTS, SCHEMA_VERSIONS[EVENTS], {})


def write(path: Path, *batches: EventBatch) -> Path:
    with ParquetWriter(path, ABOUT) as writer:
        for batch in batches:
            writer.write(batch)
    return path


def read(path: Path, size: int = 4096) -> EventBatch:
    with ParquetReader(path) as reader:
        return EventBatch.concatenate(list(reader.batches(size)))


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=4), size=st.integers(1, 40))
def test_events_come_back_in_order_whatever_the_batches(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], size: int
) -> None:
    batch = random_events(30, seed=1)
    bounds = [0, *sorted(cuts), 30]
    parts = [batch.slice(start, stop) for start, stop in itertools.pairwise(bounds)]
    found = read(write(tmp_path_factory.mktemp("p") / "e.parquet", *parts), size)
    np.testing.assert_array_equal(found.offsets, batch.offsets)
    for name, column in batch.particle.items():
        if name not in ("nDaughters", "motherPDG"):
            np.testing.assert_array_equal(found.particle[name], column, err_msg=name)
    np.testing.assert_array_equal(found.event["evtNum"], batch.event["evtNum"])


def test_row_groups_do_not_depend_on_the_size_of_the_batches(tmp_path: Path) -> None:
    batch = random_events(2 * ROW_GROUP_EVENTS + 100, max_particles=1)
    one = write(tmp_path / "one.parquet", batch)
    many = write(tmp_path / "many.parquet", *batch.chunks(777))
    assert one.read_bytes() == many.read_bytes()
    assert pq.ParquetFile(one).metadata.num_row_groups == 3


def test_a_file_without_events_has_the_columns_of_one_with(tmp_path: Path) -> None:
    empty = write(tmp_path / "none.parquet", random_events(0))
    with ParquetReader(empty) as reader:
        assert (reader.n_events, list(reader.batches())) == (0, [])
    names = set(pq.read_schema(empty).names)
    assert set(pq.read_schema(write(tmp_path / "some.parquet", random_events(2))).names) == names


def test_arrow_keeps_every_column_and_a_missing_one_is_named() -> None:
    batch = random_events(5)
    table = batch_to_arrow(batch)
    np.testing.assert_array_equal(batch_from_arrow(table, "t").particle["px"], batch.particle["px"])
    with pytest.raises(FileFormatError, match="without the event columns motherIndex"):
        batch_from_arrow(table.drop_columns("motherIndex"), "t")


def test_lists_of_unequal_length_in_one_event_name_the_event() -> None:
    batch = random_events(3, seed=5)
    table = batch_to_arrow(batch)
    other = batch_to_arrow(random_events(3, seed=6))
    place = table.schema.get_field_index("px")
    mixed = table.set_column(place, "px", other.column("px"))
    with pytest.raises(EventError, match="column 'px' lists"):
        batch_from_arrow(mixed, "t")


def test_a_column_that_not_all_events_have_is_refused_unless_it_is_a_variation(tmp_path: Path) -> None:
    plain, labelled, varied = random_events(2), random_events(2), random_events(2)
    labelled.event["label"] = np.ones(2)
    varied.event["weight_up"] = np.array([1.5, 2.5])
    with pytest.raises(EventError, match="column 'label' is not in all events"):
        write(tmp_path / "e.parquet", plain, labelled)
    assert not (tmp_path / "e.parquet").exists(), "whole or not at all"
    found = read(write(tmp_path / "v.parquet", varied, plain))
    np.testing.assert_array_equal(found.event["weight_up"], [1.5, 2.5, np.nan, np.nan])


def test_a_writer_whose_end_fails_leaves_neither_a_file_nor_an_open_handle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles = []

    def fails(self: CheckedParquetWriter, rows: pa.RecordBatch) -> None:
        handles.append(self._sink)
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = ParquetWriter(tmp_path / "full.parquet", ABOUT)
    writer.write(random_events(3, seed=1))
    monkeypatch.setattr(CheckedParquetWriter, "write", fails)
    with pytest.raises(MachineError, match=r"full\.parquet"):
        writer.close()
    assert [handle.closed for handle in handles] == [True]
    assert list(tmp_path.iterdir()) == []
