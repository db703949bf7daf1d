"""Weights into n-tuples: row by row by event id, everything else as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from smartbkg.errors import DatasetError, FileFormatError
from smartbkg.filtering.ntuples import add_weights, table_to_ntuple
from smartbkg.io.tables import write_table
from smartbkg.storage.provenance import record


def kept(path: Path, number: list[int], **columns: Any) -> Path:
    n = len(number)
    table = {"experiment": np.zeros(n, int), "run": np.ones(n, int), "evtNum": np.array(number),
             "weight": np.array(number) * 10.0, "keep_probability": np.full(n, 0.5)}  # fmt: skip
    write_table(path, table | columns, record("kept", 1, {}))
    return path


def ntuple(path: Path, number: list[int], trees: tuple[str, ...] = ("B0",), **columns: Any) -> Path:
    n = len(number)
    content = {"__experiment__": np.zeros(n, np.int32), "__run__": np.ones(n, np.int32),
               "__event__": np.array(number), "Mbc": np.linspace(5, 6, n)} | columns  # fmt: skip
    with uproot.recreate(path) as file:
        for tree in trees:
            file.mktree(tree, {name: values.dtype if isinstance(values, np.ndarray) else values.type.content
                               for name, values in content.items()})  # fmt: skip
            file[tree].extend(content)
    return path


def test_each_candidate_gets_the_weight_of_its_event(tmp_path: Path) -> None:
    source = ntuple(tmp_path / "n.root", [3, 1, 3, 2])
    found = add_weights(source, [kept(tmp_path / "a.parquet", [1]), kept(tmp_path / "b.parquet", [2, 3])],
                        tmp_path / "o.root")  # fmt: skip
    assert (found.n_rows, found.n_events, found.n_without_weight) == (4, 3, 0)
    with uproot.open(tmp_path / "o.root") as file:
        rows = file["B0"].arrays(library="np")
    np.testing.assert_array_equal(rows["weight"], [30, 10, 30, 20])
    np.testing.assert_array_equal(rows["__event__"], [3, 1, 3, 2])
    np.testing.assert_allclose(rows["Mbc"], np.linspace(5, 6, 4))
    np.testing.assert_array_equal(rows["keep_probability"], 0.5)


def test_rows_without_a_weight_are_an_error_or_left_out_on_request(tmp_path: Path) -> None:
    source, weights = ntuple(tmp_path / "n.root", [1, 9, 9]), [kept(tmp_path / "k.parquet", [1])]
    with pytest.raises(DatasetError, match=r"event \(0, 1, 9\) is not in .*--drop-unknown"):
        add_weights(source, weights, tmp_path / "o.root")
    assert not (tmp_path / "o.root").exists()
    found = add_weights(source, weights, tmp_path / "o.root", drop_unknown=True)
    assert (found.n_rows, found.n_without_weight) == (1, 2)


def test_lists_per_row_are_copied_as_they_are(tmp_path: Path) -> None:
    hits = ak.Array([[1.0, 2.0], [], [3.0]])
    source = ntuple(tmp_path / "n.root", [1, 2, 1], hits=hits)
    add_weights(source, [kept(tmp_path / "k.parquet", [1, 2])], tmp_path / "o.root")
    with uproot.open(tmp_path / "o.root") as file:
        assert file["B0"]["hits"].array().tolist() == hits.tolist()


@pytest.mark.parametrize(
    ("trees", "asked", "message"),
    [(("B0", "Bp"), None, "several trees, name one"), (("B0",), "B1", "no tree 'B1': did you mean 'B0'")],
)
def test_the_tree_must_be_clear(tmp_path: Path, trees: tuple[str, ...], asked: str | None, message: str) -> None:
    source = ntuple(tmp_path / "n.root", [1], trees)
    with pytest.raises(FileFormatError, match=message):
        add_weights(source, [kept(tmp_path / "k.parquet", [1])], tmp_path / "o.root", asked)


def test_a_branch_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    source = ntuple(tmp_path / "n.root", [1], weight=np.ones(1))
    with pytest.raises(DatasetError, match="already has a branch 'weight'"):
        add_weights(source, [kept(tmp_path / "k.parquet", [1])], tmp_path / "o.root")


def test_a_table_becomes_a_tree_of_the_kept_events(tmp_path: Path) -> None:
    table = {"experiment": np.zeros(3, int), "run": np.ones(3, int), "evtNum": np.array([1, 2, 3]),
             "R2": np.array([0.1, 0.2, 0.3]), "passes_a": np.array([True, False, True])}  # fmt: skip
    write_table(tmp_path / "f.parquet", table, record("flags", 1, {}))
    found = table_to_ntuple(tmp_path / "f.parquet", [kept(tmp_path / "k.parquet", [3, 1])], tmp_path / "o.root")
    assert (found.n_rows, found.n_without_weight) == (2, 1)
    with uproot.open(tmp_path / "o.root") as file:
        rows = file["events"].arrays(library="np")
    np.testing.assert_array_equal(rows["evtNum"], [1, 3])
    np.testing.assert_array_equal(rows["weight"], [10, 30])
    np.testing.assert_allclose(rows["R2"], [0.1, 0.3])


def test_a_file_without_weights_is_no_file_of_kept_events(tmp_path: Path) -> None:
    write_table(tmp_path / "k.parquet", {"evtNum": np.ones(1, int)}, record("flags", 1, {}))
    with pytest.raises(FileFormatError, match="expected events kept by `smartbkg filter`"):
        add_weights(ntuple(tmp_path / "n.root", [1]), [tmp_path / "k.parquet"], tmp_path / "o.root")
