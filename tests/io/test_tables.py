"""Flat tables: what is written is read, whole or not at all, and of the kind asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from smartbkg.errors import FileFormatError, SchemaError, UsageError
from smartbkg.io.tables import TableWriter, iterate_table, read_table, write_table
from smartbkg.storage.provenance import record

COLUMNS = {
    "experiment": np.zeros(5, dtype=np.int32),
    "evtNum": np.arange(5),
    "passes_hadronic": np.array([True, False, True, False, False]),
    "process": np.array(["mixed", "mixed", "uubar", "ccbar", "mixed"]),
    "score": np.linspace(0, 1, 5),
}


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.parquet"
    write_table(path, COLUMNS, record("flags", 1, {"cut": "x > 0"}))
    return path


def test_what_is_written_is_read(table_path: Path) -> None:
    table = read_table(table_path, "flags")
    assert len(table) == 5
    assert table.metadata["settings"] == {"cut": "x > 0"}
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(table[name], values)
        assert table[name].dtype.kind == np.asarray(values).dtype.kind


def test_other_libraries_read_it(table_path: Path) -> None:
    assert pl.read_parquet(table_path)["passes_hadronic"].to_list() == COLUMNS["passes_hadronic"].tolist()


def test_pieces_make_one_table_and_are_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with TableWriter(path, record("scores", 1, {})) as writer:
        for start in range(0, 5, 2):
            writer.write({name: values[start : start + 2] for name, values in COLUMNS.items()})
    assert writer.n_rows == 5
    pieces = list(iterate_table(path, "scores", ["evtNum", "process"], size=3))
    assert max(len(piece) for piece in pieces) <= 3
    assert np.concatenate([piece["process"] for piece in pieces]).tolist() == COLUMNS["process"].tolist()
    assert list(pieces[0].columns) == ["evtNum", "process"]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with TableWriter(tmp_path / "t.parquet", record("scores", 1, {})) as writer:
            writer.write(COLUMNS)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_another_kind_and_a_newer_schema_are_refused(table_path: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="holds 'flags', expected 'scores'"):
        read_table(table_path, "scores")
    newer = tmp_path / "newer.parquet"
    write_table(newer, COLUMNS, record("flags", 2, {}))
    with pytest.raises(SchemaError, match="upgrade smartbkg"):
        read_table(newer, "flags")
    assert len(read_table(newer, "flags", schema_version=2)) == 5


def test_a_missing_column_names_the_nearest(table_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no column 'passes_hadronc': did you mean 'passes_hadronic'"):
        read_table(table_path, "flags", ["passes_hadronc"])
    with pytest.raises(FileFormatError, match="did you mean 'evtNum'"):
        read_table(table_path)["evtnum"]


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="differ in length"):
        write_table(tmp_path / "t.parquet", {"a": [1], "b": [1, 2]}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_an_error(table_path: Path) -> None:
    content = table_path.read_bytes()
    table_path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FileFormatError, match="not a readable Parquet file"):
        read_table(table_path)


def test_events_in_place_of_a_table_are_one_line(tmp_path: Path) -> None:
    pl.DataFrame({"evtNum": [1, 2], "PDG": [[11, 22], [13]]}).write_parquet(tmp_path / "events.parquet")
    with pytest.raises(FileFormatError, match=r"column 'PDG' holds .*is it a file of events, where a table belongs"):
        read_table(tmp_path / "events.parquet")
    assert len(read_table(tmp_path / "events.parquet", columns=["evtNum"])) == 2
