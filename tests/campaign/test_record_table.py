"""Records as columns: nothing is lost, and a record that lacks something is named."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from smartbkg.campaign.chunk.observation import ClosureSums, ScoreSums
from smartbkg.campaign.record_table import RecordTable
from smartbkg.errors import FileFormatError


def content(chunk: int, skims: tuple[str, ...] = ("b", "a")) -> dict[str, Any]:
    return {
        "chunk": chunk, "process": "mixed", "attempt": f"try{chunk}", "files": {"kept": {"name": f"{chunk}.parquet"}},
        "totals": {"n_events": 100 + chunk, "n_kept": 20, "sum_weight": 100.0, "sum_kept_weight": 99.5},
        "draw": {"variance": 3.0, "sum_keep_probability": 20.5, "count_variance": 8.0, "largest": 12.0},
        "particles": 4000, "unknown_codes": 1, "wall": 2.5, "started": 10.0,
        "closure": ClosureSums.zeros().encoded(),
        "scores": {skim: ScoreSums.zeros().encoded() for skim in skims},
    }  # fmt: skip


def test_rows_stand_in_the_order_of_the_records_and_files_come_back() -> None:
    table = RecordTable.of([content(4), content(2)])
    assert table.skims == ("a", "b"), "sorted, whatever the record's order"
    assert table.chunk.tolist() == [4, 2]
    assert table.n_events.tolist() == [104, 102]
    assert table.finished.tolist() == [12.5, 12.5]
    assert table.files_of(1) == {"kept": {"name": "2.parquet"}}
    assert table.scores.shape[:2] == (2, 2)


def test_tables_joined_are_the_table_of_all_and_an_empty_one_fits() -> None:
    whole = RecordTable.of([content(0), content(1), content(2)])
    parts = [RecordTable.of([content(0)]), RecordTable.of([], ("a", "b")), RecordTable.of([content(1), content(2)])]
    joined = RecordTable.joined(parts)
    for name, column in whole.columns().items():
        np.testing.assert_array_equal(joined.columns()[name], column, err_msg=name)


@pytest.mark.parametrize("lost", ["totals", "draw", "process", "wall"])
def test_a_record_that_lacks_something_is_named_by_its_chunk(lost: str) -> None:
    broken = copy.deepcopy(content(7))
    del broken[lost]
    with pytest.raises(FileFormatError, match="record of chunk 7"):
        RecordTable.of([content(1), broken])


def test_records_of_other_skims_do_not_mix() -> None:
    with pytest.raises(FileFormatError, match=r"scores of \['c'\], expected those of \['a', 'b'\]"):
        RecordTable.of([content(1), content(2, ("c",))])
