"""What verbs return shows itself in a console and in a notebook, and is a path to every other function."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from smartbkg.io.tables import write_table
from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record
from smartbkg.verbs.results import FileResult, Result, TableResult


@pytest.fixture
def table(tmp_path: Path) -> TableResult:
    path = tmp_path / "f.parquet"
    write_table(
        path, {"evtNum": np.arange(4), "x": np.array([0.5, 1.5, 2.5, 3.5])}, record(FLAGS, SCHEMA_VERSIONS[FLAGS], {})
    )
    return TableResult(path, {"events": 12345, "share": 0.123456, "skim": "a<b"})


def test_a_result_shows_what_was_counted_in_few_digits(table: TableResult) -> None:
    assert repr(table) == "<TableResult f.parquet: events 12,345, share 0.1235, skim a<b>"


def test_a_notebook_shows_a_table_without_markup_from_names(table: TableResult) -> None:
    shown = table._repr_html_()
    assert "a&lt;b" in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == 3


def test_a_result_is_a_path_wherever_one_is_expected(table: TableResult) -> None:
    assert os.fspath(table) == str(table.path)
    assert Path(table) == table.path


def test_rows_are_the_same_as_arrow_pandas_and_awkward(table: TableResult) -> None:
    pytest.importorskip("pandas", reason="the extra 'basf2' is not installed")
    assert isinstance(table.to_arrow(), pa.Table)
    assert table.to_pandas()["x"].tolist() == table.to_awkward()["x"].tolist() == table.to_arrow()["x"].to_pylist()


def test_results_of_equal_content_are_equal_whoever_keeps_the_file_alive(tmp_path: Path) -> None:
    one = FileResult(tmp_path / "a", {"n": 1})
    assert one == FileResult(tmp_path / "a", {"n": 1}, folder=object())  # type: ignore[arg-type]
    assert one != FileResult(tmp_path / "b", {"n": 1})
    assert repr(Result()) == "<Result: >"
