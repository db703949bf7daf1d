"""Events shared among threads: all of them, once, in order, whatever their sizes."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.networks.kernels.threads import EventThreads


@given(st.lists(st.integers(0, 30), min_size=1, max_size=25), st.integers(1, 4))
def test_shares_cover_every_event_once_in_order(counts: list[int], n_threads: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)])
    with EventThreads(n_threads) as threads:
        found = threads.run(lambda share, first, last: (share, first, last), offsets)
    assert [share for share, _, _ in found] == list(range(len(found)))
    assert found[0][1] == 0
    assert found[-1][2] == len(counts)
    assert all(before[2] == after[1] for before, after in itertools.pairwise(found))


def test_shares_have_about_equal_numbers_of_nodes() -> None:
    offsets = np.concatenate([[0], np.cumsum(np.repeat([100, 1], [3, 300]))])
    with EventThreads(2) as threads:
        shares = threads.run(lambda share, first, last: int(offsets[last] - offsets[first]), offsets)
    assert max(shares) - min(shares) <= 100


def test_one_thread_and_a_single_event_are_the_callers_own_work() -> None:
    here = threading.get_ident()
    for n_threads, offsets in ((1, np.array([0, 3, 5])), (3, np.array([0, 3]))):
        with EventThreads(n_threads) as threads:
            assert threads.run(lambda *_: threading.get_ident(), offsets) == [here]


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def fail(_share: int, first: int, _last: int) -> None:
        if first > 0:
            raise ValueError("in a thread")

    with EventThreads(2) as threads, pytest.raises(ValueError, match="in a thread"):
        threads.run(fail, np.array([0, 5, 10]))


def test_no_events_are_one_empty_share() -> None:
    with EventThreads(3) as threads:
        assert threads.run(lambda share, first, last: (first, last), np.array([0])) == [(0, 0)]
