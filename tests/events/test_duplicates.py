"""Events that come twice are found, in any order, whatever the batches, and with little memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from synthetic import random_events

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.identity import EventIds, unique_events

Id = tuple[int, int, int]
ids = st.tuples(st.integers(0, 1), st.integers(-1, 1), st.integers(0, 12))


def columns(events: list[Id]) -> NDArray[np.int64]:
    return np.array(events, dtype=np.int64).reshape(-1, 3).T


@given(st.lists(st.lists(ids, max_size=12), max_size=6))
def test_the_number_of_duplicates_is_that_of_a_set(batches: list[list[Id]]) -> None:
    seen = EventIds()
    known: set[Id] = set()
    for events in batches:
        n_new = len(set(events) - known)
        known |= set(events)
        assert seen.add_columns(*columns(events)) == len(events) - n_new
    assert seen.n_duplicates == sum(map(len, batches)) - len(known)
    every = [event for events in batches for event in events]
    if seen.n_duplicates:
        assert seen.first_duplicate is not None
        assert every.count(seen.first_duplicate) > 1
    else:
        assert seen.first_duplicate is None


@pytest.mark.parametrize("step", [1, -1])
def test_consecutive_numbers_take_one_entry(step: int) -> None:
    seen = EventIds()
    for block in np.split(np.arange(100_000), 100)[::step]:
        assert seen.add_columns(np.zeros(1000, int), np.full(1000, 7), block) == 0
    assert [len(numbers.first) for numbers in seen._runs.values()] == [1]


def test_the_same_number_in_another_run_is_another_event() -> None:
    seen = EventIds()
    assert seen.add_columns(*columns([(0, 1, 5), (0, 2, 5), (1, 1, 5)])) == 0
    assert seen.add_columns(*columns([(0, 2, 5)])) == 1
    assert seen.first_duplicate == (0, 2, 5)


def test_a_stream_stops_at_the_first_event_that_comes_twice() -> None:
    batch = random_events(20)
    stream = unique_events([batch.slice(0, 10), batch.slice(10, 20), batch.slice(4, 5)])
    assert [len(next(stream)), len(next(stream))] == [10, 10]
    first = tuple(int(batch.event[name][4]) for name in ("experiment", "run", "evtNum"))
    with pytest.raises(EventError, match="occurs twice; give the files their own run numbers") as caught:
        next(stream)
    assert caught.value.event == first


def test_duplicates_that_are_allowed_are_counted_and_pass_unchanged() -> None:
    batch, seen = random_events(20), EventIds()
    found = list(unique_events([batch, batch.slice(4, 6)], allow_duplicates=True, seen=seen))
    assert len(EventBatch.concatenate(found)) == 22
    assert seen.n_duplicates == 2


def test_files_that_belong_together_share_what_was_seen() -> None:
    seen = EventIds()
    list(unique_events([random_events(5)], seen=seen))
    with pytest.raises(EventError, match="occurs twice"):
        list(unique_events([random_events(5)], seen=seen))
