"""Flags of skims: found by column name, checked value by value, looked up by the whole event id."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.datasets.flags import FlagBlock, FlagFiles, FlagIndex, FlagLayout, as_label, chosen_skims, write_block
from smartbkg.errors import DatasetError, EventError


def block(run: list[int], number: list[int], passes: list[bool]) -> FlagBlock:
    ids = {"experiment": np.zeros(len(run), np.int64), "run": np.array(run), "evtNum": np.array(number)}
    return FlagBlock(ids, {"a": np.array(passes)}, {"Mbc": np.array(number, dtype=np.float32)})


def event(run: list[int], number: list[int]) -> dict[str, np.ndarray]:
    return {"experiment": np.zeros(len(run), np.int64), "run": np.array(run), "evtNum": np.array(number)}


def test_events_of_one_number_are_told_apart_by_their_run() -> None:
    index = FlagIndex([block([1, 2], [5, 5], [True, False])], "flags")
    rows = index.find(event([2, 1, 3], [5, 5, 5]), "events")
    assert index.block.labels["a"][rows[:2]].tolist() == [False, True]
    assert rows[2] == -1


@given(st.permutations(list(range(12))))
def test_the_order_of_rows_does_not_change_what_is_found(order: list[int]) -> None:
    whole = block([0] * 12, list(range(12)), [number % 3 == 0 for number in range(12)])
    index = FlagIndex([whole.select(np.array(order[:5])), whole.select(np.array(order[5:]))], "flags")
    rows = index.find(event([0] * 12, list(range(12))), "events")
    np.testing.assert_array_equal(index.block.labels["a"][rows], whole.labels["a"])
    np.testing.assert_array_equal(index.block.variables["Mbc"][rows], np.arange(12))


def test_two_rows_for_an_event_and_an_event_asked_for_twice_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"flags: 1 events have more than one row of flags, first \(0, 1, 5\)"):
        FlagIndex([block([1, 1], [5, 5], [True, True])], "flags")
    index = FlagIndex([block([1], [5], [True])], "flags")
    index.find(event([1], [5]), "first")
    with pytest.raises(DatasetError, match=r"second: the event \(0, 1, 5\) occurs more than once"):
        index.find(event([1], [5]), "second")


def test_an_index_of_nothing_finds_nothing() -> None:
    np.testing.assert_array_equal(FlagIndex([], "flags").find(event([1, 1], [5, 6]), "events"), [-1, -1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([True, False]), np.array([True, False])),
        (np.array([1, 0], np.int32), np.array([True, False])),
        (np.array([0.25, 1.0]), np.array([0.25, 1.0], np.float32)),
    ],
)
def test_labels_are_yes_or_no_or_fractions(values: np.ndarray, expected: np.ndarray) -> None:
    found = as_label(values, "here")
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.5, 1.5]), "here: label 1.5, expected true, false or a fraction"),
        (np.array([-1, 0]), "label -1"),
        (np.array([np.nan, 0.0]), "label nan"),
        (np.array([True, None], dtype=object), "labels of type object"),
        (np.array(["yes"]), "labels of type <U3"),
    ],
)
def test_other_labels_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        as_label(values, "here")


def test_columns_are_known_by_their_names_and_types() -> None:
    schema = pa.schema(
        [("experiment", pa.int32()), ("run", pa.int32()), ("evtNum", pa.int64()), ("passes_a", pa.bool_()),
         ("pass_fraction_b", pa.float32()), ("Mbc", pa.float32()), ("nTracks", pa.int8()), ("weight", pa.float64()),
         ("generator_weight", pa.float64()), ("keep_probability", pa.float64()), ("process", pa.string())]
    )  # fmt: skip
    layout = FlagLayout.of_schema(schema, "flags")
    assert layout.label_columns == {"a": "passes_a", "b": "pass_fraction_b"}
    assert layout.variables == ("Mbc", "nTracks")
    with pytest.raises(DatasetError, match=r"flags without the columns experiment, run: .*has evtNum"):
        FlagLayout.of_schema(pa.schema([("evtNum", pa.int64())]), "flags")


def test_skims_are_chosen_by_name_once_each_or_all() -> None:
    assert chosen_skims(("all",), {"b", "a"}, "flags") == ("a", "b")
    assert chosen_skims(("b", "a", "b"), {"b", "a"}, "flags") == ("b", "a")
    with pytest.raises(DatasetError, match="no flags of the skim 'c'"):
        chosen_skims(("c",), {"b", "a"}, "flags")
    with pytest.raises(DatasetError, match="no skim given"):
        chosen_skims((), {"a"}, "flags")


def write(path: Path, **columns: np.ndarray) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_several_tables_give_the_skims_and_variables_that_all_have(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", **event([1], [1]), passes_a=np.array([True]), passes_b=np.array([True]),
                Mbc=np.array([5.2]), R2=np.array([0.1]))  # fmt: skip
    two = write(tmp_path / "2.parquet", **event([1], [2]), passes_a=np.array([False]), Mbc=np.array([5.3]))
    with contextlib.closing(FlagFiles([one, two], ("all",))) as files:
        assert files.skims == ("a",)
        assert files.variables == ("Mbc",)
        assert files.n_rows == 2
        assert not files.is_soft
        joined = FlagBlock.concatenate(list(files.blocks()))
    assert joined.labels["a"].tolist() == [True, False]
    np.testing.assert_allclose(joined.variables["Mbc"], [5.2, 5.3], rtol=1e-6)
    with contextlib.closing(FlagFiles([one, two], ("a",))) as files:
        assert [list(part.variables) for part in files.blocks(with_variables=False)] == [[], []]


def test_a_list_of_passing_events_needs_the_one_name_it_stands_for(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", **event([1, 1], [4, 9]))
    with contextlib.closing(FlagFiles([path], ("mine",))) as files:
        assert files.is_list_of_passing
        (only,) = files.blocks()
        assert only.labels["mine"].all()
    for skims in (("all",), ("a", "b")):
        with pytest.raises(DatasetError, match="name it with one --skim"):
            FlagFiles([path], skims)


def test_an_id_that_is_no_whole_number_names_its_row_in_the_file(tmp_path: Path) -> None:
    ids = event([1, 1, 1], [1, 2, 3]) | {"evtNum": np.array([1.0, 2.0, 2.5])}
    path = write(tmp_path / "bad.parquet", **ids, passes_a=np.ones(3, bool))
    with contextlib.closing(FlagFiles([path], ("a",))) as files, pytest.raises(EventError, match=r"row 2: 2\.5"):
        list(files.blocks())


def test_what_is_written_block_by_block_is_read_as_it_was(tmp_path: Path) -> None:
    blocks = [block([1, 2], [5, 6], [True, False]), block([3], [7], [True])]
    writer = None
    for part in blocks:
        writer = write_block(writer, tmp_path / "t.parquet", part)
    assert writer is not None
    writer.close()
    with contextlib.closing(FlagFiles([tmp_path / "t.parquet"], ("a",))) as files:
        read = FlagBlock.concatenate(list(files.blocks()))
    whole = FlagBlock.concatenate(blocks)
    assert len(read) == 3
    for mine, theirs in ((read.ids, whole.ids), (read.labels, whole.labels), (read.variables, whole.variables)):
        for name in theirs:
            np.testing.assert_array_equal(mine[name], theirs[name])
