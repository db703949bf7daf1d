"""What a data set says of itself, and which data sets may be joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic import random_events

from smartbkg.datasets.header import (
    Counts,
    DatasetHeader,
    DatasetSummary,
    check_classes,
    check_compatible,
    check_disjoint,
    read_header,
)
from smartbkg.errors import DatasetError, SchemaError
from smartbkg.io.parquet import ParquetWriter
from smartbkg.storage.provenance import record

COUNTS = {"mixed": Counts(100, 60, {"a": 10, "b": 1}), "": Counts(50, 50, {"a": 5})}
SUMMARY = DatasetSummary(("a", "b"), COUNTS, ("Mbc",), 0.5, 3)
HEADER = DatasetHeader(Path("one.parquet"), SUMMARY, False, None)


def test_counts_add_up_and_retention_is_over_all_events() -> None:
    total = SUMMARY.total
    assert (total.n_events, total.n_written, total.passing) == (150, 110, {"a": 15, "b": 1})
    assert total.retention("a") == pytest.approx(0.1)
    assert total.retention("unknown") == 0.0
    assert Counts().retention("a") == 0.0
    assert COUNTS["mixed"].n_events == 100, "adding changes the sum alone"


def test_metadata_names_events_without_process_and_all_of_them() -> None:
    metadata = SUMMARY.to_metadata()
    assert metadata["retention"]["a"] == {"all": 0.1, "mixed": 0.1, "unknown": 0.1}
    assert set(metadata["counts"]) == {"mixed", "unknown"}


def write(path: Path, metadata: dict[str, object]) -> Path:
    from synthetic import random_events

    with ParquetWriter(path, metadata) as writer:
        writer.write(random_events(3))
    return path


def test_a_header_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = {"kind": "dataset", "schema_version": 1, "is_soft": True, "graph_rule": {"version": 1}}
    header = read_header(write(tmp_path / "d.parquet", content | SUMMARY.to_metadata()))
    assert header.summary.total == SUMMARY.total
    assert header.summary.failing_kept == 0.5
    assert header.summary.n_missing == 3
    assert header.is_soft
    assert header.graph_rule == {"version": 1}


def test_other_files_and_newer_data_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds 'kept', expected a data set"):
        read_header(write(tmp_path / "k.parquet", {"kind": "kept", "schema_version": 1}))
    newer = {"kind": "dataset", "schema_version": 99, "is_soft": False} | SUMMARY.to_metadata()
    with pytest.raises(SchemaError, match="upgrade"):
        read_header(write(tmp_path / "n.parquet", newer))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no events"),
        ({"mixed": Counts(10, 10, {"a": 5})}, "no event passes the skim 'b'"),
        ({"mixed": Counts(10, 10, {"a": 10, "b": 2})}, "every event passes the skim 'a'"),
    ],
)
def test_both_classes_are_needed_of_every_skim(counts: dict[str, Counts], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        check_classes(replace(SUMMARY, counts=counts), "d.parquet")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(HEADER, summary=replace(SUMMARY, skims=("a",))), "skims a, but one.parquet has a, b"),
        (replace(HEADER, is_soft=True), "one has fractions as labels"),
        (replace(HEADER, graph_rule={"cuts": []}), "different graph rules"),
    ],
)
def test_data_sets_of_different_kinds_are_not_joined(other: DatasetHeader, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        check_compatible([HEADER, other])


def test_the_order_of_skims_makes_no_difference() -> None:
    check_compatible([HEADER, replace(HEADER, summary=replace(SUMMARY, skims=("b", "a")))])


def test_an_event_in_two_files_or_twice_in_one_is_found(tmp_path: Path) -> None:
    def ids(path: Path, run: list[int], number: list[int]) -> Path:
        columns = {"experiment": np.zeros(len(run), np.int64), "run": np.array(run), "evtNum": np.array(number)}
        pq.write_table(pa.table(columns), path)
        return path

    one, two = ids(tmp_path / "1.parquet", [1, 1], [1, 2]), ids(tmp_path / "2.parquet", [2, 1], [1, 3])
    check_disjoint([one, two])
    check_disjoint([])
    with pytest.raises(DatasetError, match="1 events occur more than once; give generated samples different run"):
        check_disjoint([one, two, ids(tmp_path / "3.parquet", [1], [2])])
    with pytest.raises(DatasetError, match="1 events"):
        check_disjoint([ids(tmp_path / "4.parquet", [1, 1], [7, 7])])


def test_a_data_set_without_its_counts_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with ParquetWriter(path, record("dataset", 1, {})) as writer:
        writer.write(random_events(3))
    with pytest.raises(DatasetError, match=r"t\.parquet: its record of a data set is damaged or not whole"):
        read_header(path)
