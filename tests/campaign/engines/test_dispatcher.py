"""Who does which chunk: nothing forgotten, nothing for ever, whatever happens to workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.campaign.chunk.attempt import Outcome, State
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.errors import SmartBKGError


def outcome(chunk: int, state: State = "done", host: str = "a", seconds: float = 1.0) -> Outcome:
    return Outcome(chunk, state, seconds, 10, "reason", host)


@given(
    n_chunks=st.integers(0, 30),
    fates=st.lists(st.sampled_from(["done", "failed", "machine", "lost", "given back"]), max_size=200),
    n_workers=st.integers(1, 4),
    bundle=st.integers(1, 5),
)
def test_every_chunk_ends_done_or_set_aside(n_chunks: int, fates: list[str], n_workers: int, bundle: int) -> None:
    dispatcher = Dispatcher(range(n_chunks), {}, attempts=3, n_workers=n_workers, bundle=bundle)
    done: set[int] = set()
    held: list[list[int]] = []
    script = iter(fates)
    for _ in range(2000):
        if dispatcher.is_finished:
            break
        if len(held) < n_workers:
            taken = dispatcher.next_bundle()
            assert len(taken) <= bundle
            if taken:
                held.append(taken)
        if not held:
            continue
        chunks = held.pop(0)
        fate = next(script, "done")
        if fate == "lost":
            dispatcher.lost(chunks, "gone")
        elif fate == "given back":
            dispatcher.given_back(chunks)
        else:
            for chunk in chunks:
                state: State = "done" if fate == "done" else "failed" if fate == "failed" else "machine"
                dispatcher.report(outcome(chunk, state))
                if state == "done":
                    done.add(chunk)
    assert dispatcher.is_finished
    assert done | set(dispatcher.set_aside) == set(range(n_chunks))
    assert not done & set(dispatcher.set_aside)


def test_a_straggler_gets_a_second_attempt_and_the_first_to_finish_ends_it() -> None:
    now = [0.0]
    dispatcher = Dispatcher(range(6), {}, attempts=3, bundle=1, straggler_factor=4.0, clock=lambda: now[0])
    slow = dispatcher.next_bundle()
    for chunk in range(1, 6):
        assert dispatcher.next_bundle() == [chunk]
        dispatcher.report(outcome(chunk, seconds=1.0))
    assert dispatcher.next_bundle() == []
    now[0] = 4.5
    assert dispatcher.next_bundle() == slow
    assert dispatcher.next_bundle() == [], "a third attempt"
    assert not dispatcher.is_finished
    dispatcher.report(outcome(slow[0]))
    assert dispatcher.is_finished, "the slow first attempt is waited for"


def test_failures_of_an_earlier_run_count() -> None:
    dispatcher = Dispatcher([4], {4: 2}, attempts=3)
    dispatcher.report(outcome(dispatcher.next_bundle()[0], "failed"))
    assert dispatcher.set_aside == {4: "reason"}


def test_a_machine_that_refuses_gets_no_more_work_and_its_errors_are_not_the_chunk_s() -> None:
    dispatcher = Dispatcher(range(3), {}, attempts=1, bundle=1)
    for _ in range(3):
        dispatcher.report(outcome(dispatcher.next_bundle()[0], "machine", host="full"))
    assert dispatcher.bad_hosts == {"full": "reason"}
    assert not dispatcher.set_aside
    dispatcher.check_hosts(["full", "other"])
    with pytest.raises(SmartBKGError, match="the same command goes on"):
        dispatcher.check_hosts(["full"])


def test_a_chunk_that_kills_its_workers_is_set_aside_not_those_behind_it() -> None:
    dispatcher = Dispatcher(range(2), {}, attempts=5, bundle=2)
    for _ in range(3):
        bundle = sorted(dispatcher.next_bundle(), reverse=False)
        dispatcher.lost(bundle if bundle[0] == 0 else bundle[::-1], "died by signal 9")
    assert dispatcher.set_aside == {0: "died by signal 9"}
    assert dispatcher.next_bundle() == [1]
