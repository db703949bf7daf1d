"""Events are matched by experiment, run and number together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.errors import DatasetError, EventError
from smartbkg.events.batch import EventBatch
from smartbkg.events.columns import PARTICLE_DTYPES
from smartbkg.events.identity import find_events, group_events, id_rows, ids_of, keys_of, match_events


def ids(*events: tuple[int, int, int]) -> dict[str, np.ndarray]:
    columns = np.array(events, dtype=np.int64).reshape(-1, 3)
    return {name: columns[:, i] for i, name in enumerate(("experiment", "run", "evtNum"))}


def test_equal_numbers_of_different_runs_are_different_events() -> None:
    table = ids((1, 1, 7), (1, 2, 7), (2, 1, 7))
    np.testing.assert_array_equal(match_events(ids((1, 2, 7), (2, 1, 7)), table, "table"), [1, 2])


def test_missing_events_are_found_and_named() -> None:
    table = ids((1, 1, 3), (1, 1, 1))
    rows, missing = find_events(ids((1, 1, 1), (1, 1, 2)), table, "table")
    assert rows[0] == 1
    np.testing.assert_array_equal(missing, [False, True])
    with pytest.raises(DatasetError, match=r"table: 1 of 2 events are not in it, the first is \(1, 1, 2\)"):
        match_events(ids((1, 1, 1), (1, 1, 2)), table, "table")


def test_an_event_that_is_twice_in_a_table_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"event \(1, 1, 3\) is in it twice"):
        match_events(ids((1, 1, 3)), ids((1, 1, 3), (1, 1, 3)), "table")


def test_nothing_is_in_an_empty_table() -> None:
    assert find_events(ids((1, 1, 1)), ids(), "table")[1].all()


def test_any_order_is_matched() -> None:
    generator = np.random.default_rng(1)
    columns = {name: generator.integers(0, 5, 400) for name in ("experiment", "run")} | {"evtNum": np.arange(400)}
    order = generator.permutation(400)
    shuffled = {name: column[order] for name, column in columns.items()}
    np.testing.assert_array_equal(match_events(columns, shuffled, "table"), np.argsort(order))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, 2], dtype=np.int8), [1, 2]),
        (np.array([1, 2**62], dtype=np.uint64), [1, 2**62]),
        (np.array([3.0, -4.0]), [3, -4]),
        (np.array([2.0**24 - 1], dtype=np.float32), [2**24 - 1]),
        (np.array([5, 6.0, np.int32(7)], dtype=object), [5, 6, 7]),
        ([], []),
    ],
)
def test_whole_numbers_of_every_type_are_ids(values: object, expected: list[int]) -> None:
    found = ids_of(values, "evtNum")  # type: ignore[arg-type]
    assert found.dtype == np.int64
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("values", "got"),
    [
        (np.array([1.0, 0.5]), "0.5"),
        (np.array([1.0, np.nan]), "no value"),
        (np.array([1.0, np.inf]), "inf"),
        (np.array([1.0, 2.0**53]), "9007199254740992.0"),  # the next number would be read as this one
        (np.array([1.0, 2.0**24], dtype=np.float32), "16777216.0"),
        (np.array([1, 2**63], dtype=np.uint64), "9223372036854775808"),
        (np.array([1, None], dtype=object), "no value"),
        (np.array([1, "2"], dtype=object), "2"),
        (np.ma.masked_array([1, 2], [False, True]), "no value"),
    ],
)
def test_what_is_no_whole_number_is_refused_with_file_and_row(values: object, got: str) -> None:
    with pytest.raises(EventError, match=rf"flags\.csv: column '__event__', row 11: {got}, expected a whole number"):
        ids_of(values, "evtNum", "flags.csv", 10, column_name="__event__")  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[2**40], [-(2**31) - 1], np.array([2**31], dtype=np.uint32), [True], ["1"]])
def test_a_run_number_out_of_range_or_of_another_kind_is_refused(values: object) -> None:
    with pytest.raises(EventError, match="column 'run', row 0"):
        ids_of(np.asarray(values), "run")


def test_no_batch_and_no_join_takes_what_is_no_id() -> None:
    event = {"experiment": [1], "run": [2**40], "evtNum": [1]}
    with pytest.raises(EventError, match="column 'run', row 0: 1099511627776"):
        EventBatch.from_columns([0], event, {name: [] for name in PARTICLE_DTYPES})
    columns = {name: np.asarray(values) for name, values in event.items()}
    with pytest.raises(EventError):
        keys_of(columns)
    with pytest.raises(EventError, match=r"of\.csv: column 'run'"):
        find_events(ids((1, 1, 1)), columns, "of.csv")


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2), st.integers(-3, 3)), max_size=30))
def test_groups_of_events_give_back_every_row(rows: list[tuple[int, int, int]]) -> None:
    ids = np.array(rows, dtype=np.int64).reshape(-1, 3)
    groups = group_events(ids)
    assert [tuple(one) for one in groups.ids.tolist()] == sorted(set(rows))
    np.testing.assert_array_equal(groups.ids[groups.event], ids)
    assert groups.first.tolist() == [rows.index(tuple(one)) for one in groups.ids.tolist()]
    assert groups.n_rows.tolist() == [rows.count(tuple(one)) for one in groups.ids.tolist()]


def test_ids_stand_in_the_order_experiment_run_event_and_are_whole_numbers() -> None:
    columns = {"evtNum": np.array([7.0, 8.0]), "run": np.array([2, 3], dtype=np.int16), "experiment": np.array([1, 1])}
    assert id_rows(columns).tolist() == [[1, 2, 7], [1, 3, 8]]
    with pytest.raises(EventError, match="whole number"):
        id_rows(columns | {"run": np.array([0.5, 1.0])})
