"""Events are matched by experiment, run and number together."""

import numpy as np
import pytest

from smartbkg.errors import DatasetError
from smartbkg.events.identity import find_events, match_events


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
