"""Which events passed, from what a skim wrote: rows become events, and events that are not there did not pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import random_events
from training.toys import write_events

from smartbkg.datasets.make_flags import make_flags
from smartbkg.errors import DatasetError, FileFormatError, UsageError
from smartbkg.io import ReadOptions
from smartbkg.io.tables import Table, read_table


def table(path: Path, number: list[int], run: list[int] | None = None, **columns: object) -> Path:
    ids = {"experiment": np.full(len(number), 7), "run": np.array(run or [1] * len(number)), "evtNum": np.array(number)}
    pq.write_table(pa.table(ids | columns), path)
    return path


def flags(sources: list[Path], **options: object) -> Table:
    output = sources[0].with_name("flags.parquet")
    make_flags(sources, output, "mine", **options)  # type: ignore[arg-type]
    return read_table(output)


def test_an_event_with_several_rows_is_one_event_that_passes_with_any(tmp_path: Path) -> None:
    path = table(tmp_path / "n.parquet", [5, 5, 6, 6, 4], Mbc=np.array([5.1, 5.28, 5.0, 5.1, 5.3]))
    found = flags([path], selections=["Mbc > 5.27"], variables=["Mbc"])
    np.testing.assert_array_equal(found["evtNum"], [4, 5, 6])
    np.testing.assert_array_equal(found["passes_mine"], [True, True, False])
    np.testing.assert_allclose(found["Mbc"], [5.3, 5.28, 5.0])  # the first row that passes, else the first


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=25))
def test_the_table_is_sorted_distinct_and_the_or_of_its_rows(rows: list[tuple[int, int, bool]]) -> None:
    import tempfile

    run, number, passes = (list(column) for column in zip(*rows, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        found = flags([table(Path(folder) / "n.parquet", number, run, passes_mine=np.array(passes))])
    expected: dict[tuple[int, int], bool] = {}
    for its_run, its_number, passed in rows:
        expected[its_run, its_number] = expected.get((its_run, its_number), False) or passed
    got = list(zip(found["run"].tolist(), found["evtNum"].tolist(), strict=True))
    assert got == sorted(expected)
    assert found["passes_mine"].tolist() == [expected[key] for key in got]


def test_events_that_the_skim_did_not_write_did_not_pass(tmp_path: Path) -> None:
    events = random_events(30, first_event=100)
    everything = write_events(tmp_path / "all.parquet", events)
    chosen = np.array([3, 17, 22])
    path = table(tmp_path / "n.parquet", events.event["evtNum"][chosen].tolist(), events.event["run"][chosen].tolist(),
                 Mbc=np.array([1.0, 2.0, 3.0]))  # fmt: skip
    found = flags([path], all_events=[everything], variables=["Mbc"])
    assert len(found) == 30
    assert found["passes_mine"].sum() == 3
    assert set(found["evtNum"][found["passes_mine"]]) == set(events.event["evtNum"][chosen])
    assert np.isnan(found["Mbc"][~found["passes_mine"]]).all()
    assert sorted(found["Mbc"][found["passes_mine"]]) == [1, 2, 3]


def test_passing_events_of_another_sample_are_refused_and_failing_ones_ignored(tmp_path: Path) -> None:
    everything = write_events(tmp_path / "all.parquet", random_events(5))
    strange = table(tmp_path / "n.parquet", [99], passes_mine=np.array([True]))
    with pytest.raises(DatasetError, match=r"1 of 1 passing events are not in it, the first is \(7, 1, 99\)"):
        flags([strange], all_events=[everything])
    harmless = table(tmp_path / "n.parquet", [99], passes_mine=np.array([False]))
    assert len(flags([harmless], all_events=[everything])) == 5


def test_a_generators_output_is_refused_where_all_would_pass(tmp_path: Path) -> None:
    from smartbkg.io.parquet import ParquetWriter

    path = tmp_path / "g.parquet"
    with ParquetWriter(path, {"kind": "events", "schema_version": 1, "settings": {"generator": "x"}}) as writer:
        writer.write(random_events(5))
    with pytest.raises(UsageError, match="which no skim has looked at"):
        flags([path])


def test_an_event_twice_in_a_file_of_events_is_an_error_unless_allowed(tmp_path: Path) -> None:
    batch = random_events(4)
    twice = write_events(tmp_path / "e.parquet", batch.select(np.array([0, 1, 1, 3])))
    with pytest.raises(DatasetError, match="occurs 2 times; accept it with --allow-duplicates"):
        flags([twice])
    assert len(flags([twice], allow_duplicates=True)) == 3


def test_ids_that_a_list_lacks_come_from_the_options(tmp_path: Path) -> None:
    pq.write_table(pa.table({"event_number": np.array([3, 1])}), tmp_path / "l.parquet")
    with pytest.raises(FileFormatError, match=r"no column 'experiment' .*give it with --experiment"):
        flags([tmp_path / "l.parquet"])
    found = flags([tmp_path / "l.parquet"], options=ReadOptions(experiment=7, run=3))
    assert found["evtNum"].tolist() == [1, 3]
    assert found["run"].tolist() == [3, 3]


def test_flags_of_several_other_skims_need_a_choice(tmp_path: Path) -> None:
    both = table(tmp_path / "n.parquet", [1], passes_a=np.array([True]), passes_b=np.array([False]))
    with pytest.raises(UsageError, match="flags of several skims, choose one by --skim: a, b"):
        flags([both])


def test_a_selection_on_events_and_text_as_a_variable_are_refused(tmp_path: Path) -> None:
    events = write_events(tmp_path / "e.parquet", random_events(3))
    with pytest.raises(UsageError, match="holds events, not a table"):
        flags([events], selections=["Mbc > 5"])
    text = table(tmp_path / "n.parquet", [1], name=np.array(["a"]))
    with pytest.raises(FileFormatError, match=r"column 'name' holds .*expected numbers"):
        flags([text], variables=["name"])


def test_all_numbers_that_every_table_has_become_variables(tmp_path: Path) -> None:
    one = table(tmp_path / "1.parquet", [1], Mbc=np.array([1.0]), R2=np.array([0.1]), label=np.array([1]))
    two = table(tmp_path / "2.parquet", [2], Mbc=np.array([2.0]), name=np.array(["x"]), label=np.array([0]))
    found = flags([one, two], variables=None)
    assert set(found.columns) == {"experiment", "run", "evtNum", "passes_mine", "Mbc"}
    assert found["passes_mine"].tolist() == [True, False]
