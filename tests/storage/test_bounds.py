"""Bounds in bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from io_events import write_mdst
from synthetic import random_events

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.io import create_events, open_events
from smartbkg.storage.bounds import BATCH_BYTES, check_expansion, check_texts, rows_at_a_time
from smartbkg.storage.provenance import record


def read(path: Path, size: int) -> list[EventBatch]:
    with open_events(path) as reader:
        return list(reader.batches(size))


def test_what_is_small_or_shrinks_as_files_of_events_do_is_never_refused() -> None:
    check_expansion(1 << 28, 1, "small")
    check_expansion(1e12, 1 << 40, "not packed")
    check_expansion(1e12, int(1e10), "packed")
    with pytest.raises(FileFormatError, match="f: 1000 bytes would unpack to 1e"):
        check_expansion(1e12, 1000, "f")


def test_a_long_text_is_refused_where_it_makes_a_column_too_long() -> None:
    check_texts(10**6, 60, "names")
    check_texts(1, 10**6, "one text")
    with pytest.raises(FileFormatError, match="f: a text of 1000000 bytes among 100 rows"):
        check_texts(100, 10**6, "f")


def test_rows_at_a_time_are_as_many_as_asked_for_or_as_fit() -> None:
    assert rows_at_a_time(4096, 10**6, BATCH_BYTES) == 4096
    assert rows_at_a_time(4096, 1000, 10 * BATCH_BYTES) == 100
    assert rows_at_a_time(4096, 1, 10 * BATCH_BYTES) == 1


@pytest.mark.parametrize("suffix", [".parquet", ".root", ".edm4hep.root"])
def test_batches_are_cut_by_bytes_and_hold_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"e{suffix}"
    if suffix == ".root":
        write_mdst(path, [(1, 1, number) for number in range(40)])
    else:
        with create_events(path, record("events", 1, {})) as writer:
            writer.write(random_events(40, seed=1))
    whole = read(path, 1000)
    for module in ("smartbkg.storage.bounds", "smartbkg.io.root"):
        monkeypatch.setattr(f"{module}.BATCH_BYTES", 1000)
    parts = read(path, 1000)
    assert len(whole) == 1
    assert len(parts) > 5
    together = EventBatch.concatenate(parts)
    for name, column in whole[0].particle.items():
        assert np.array_equal(together.particle[name], column), name
    assert np.array_equal(together.event["evtNum"], whole[0].event["evtNum"])


@pytest.mark.parametrize("size", [1, 7, 40])
def test_row_groups_are_cut_by_particles_whatever_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("smartbkg.io.parquet.ROW_GROUP_PARTICLES", 100)
    batch = random_events(40, seed=1)
    with create_events(tmp_path / "e.parquet", record("events", 1, {})) as writer:
        for part in batch.chunks(size):
            writer.write(part)
    file = pq.ParquetFile(tmp_path / "e.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    stops = np.cumsum(groups)
    particles = np.diff(batch.offsets[[0, *stops]])
    assert len(groups) > 3
    assert (particles <= 100).all()
    assert (particles[:-1] + batch.counts[stops[:-1]] > 100).all(), "a group could have held one more event"
    together = EventBatch.concatenate(read(tmp_path / "e.parquet", 1000))
    assert np.array_equal(together.particle["PDG"], batch.particle["PDG"])
