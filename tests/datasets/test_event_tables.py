"""Tables of events in three formats: the same columns and rows, one message for what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
import uproot

from smartbkg.datasets.event_tables import columns_of, numbers_of, rows_of
from smartbkg.errors import FileFormatError

COLUMNS = {
    "__experiment__": np.array([1, 1, 1], np.int32), "__run__": np.array([2, 2, 3], np.int32),
    "__event__": np.array([5, 6, 5], np.int64), "Mbc": np.array([5.1, 5.2, 5.3]),
    "nTracks": np.array([4, 5, 6], np.int32),
}  # fmt: skip


def write(folder: Path, kind: str, columns: dict[str, np.ndarray] = COLUMNS) -> Path:
    path = folder / f"table.{kind}"
    if kind == "root":
        with uproot.recreate(path) as file:
            file.mktree("tree", {name: column.dtype for name, column in columns.items()})
            file["tree"].extend(columns)
    elif kind == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        csv.write_csv(pa.table(columns), path)
    return path


@pytest.mark.parametrize("kind", ["root", "parquet", "csv"])
def test_all_formats_give_the_same_rows(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    assert columns_of(path) == list(COLUMNS)
    assert numbers_of(path) == ["Mbc", "nTracks"]
    (rows,) = rows_of(path, ["Mbc"])
    assert set(rows) == {"__experiment__", "__run__", "__event__", "Mbc"}
    for name in rows:
        np.testing.assert_allclose(rows[name], COLUMNS[name])


@pytest.mark.parametrize("kind", ["root", "parquet", "csv"])
def test_a_missing_column_names_the_nearest(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FileFormatError, match="no column 'Mbb': did you mean 'Mbc'"):
        list(rows_of(write(tmp_path, kind), ["Mbb"]))


def test_texts_are_no_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet", COLUMNS | {"process": np.array(["a", "b", "c"])})
    assert numbers_of(path) == ["Mbc", "nTracks"]


def test_a_root_file_needs_one_tree_with_event_numbers(tmp_path: Path) -> None:
    path = tmp_path / "two.root"
    with uproot.recreate(path) as file:
        for name in ("first", "second"):
            file.mktree(name, {column: values.dtype for column, values in COLUMNS.items()})
            file[name].extend(COLUMNS)
    with pytest.raises(FileFormatError, match=r"expected one tree with event numbers .*first;1, second;1"):
        columns_of(path)
    with uproot.recreate(path) as file:
        file.mktree("other", {"x": np.float64})
    with pytest.raises(FileFormatError, match="found: other;1"):
        columns_of(path)


def test_text_without_event_numbers_is_no_table_of_events(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileFormatError, match="not a table of events: no column 'evtNum'"):
        list(rows_of(tmp_path / "t.csv", []))
    (tmp_path / "t.csv").write_text("evtNum,evtNum\n1,2\n")
    with pytest.raises(FileFormatError, match="two columns are called 'evtNum'"):
        list(rows_of(tmp_path / "t.csv", []))
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(FileFormatError, match="not a readable CSV table"):
        columns_of(tmp_path / "t.csv")


def test_a_bare_list_of_numbers_is_one_column(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet", {"numbers": np.array([3, 4])})
    (rows,) = rows_of(path, [])
    np.testing.assert_array_equal(rows["numbers"], [3, 4])
