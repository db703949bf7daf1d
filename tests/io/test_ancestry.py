"""Mothers where records name several parents and hold entries that are no particles: against the rule, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.io.ancestry import nearest_mothers

Entry = tuple[bool, list[int]]


def by_the_rule(entries: list[Entry], at: int) -> int:
    """The first parent that is a particle, else the search goes on from the first parent; a cycle has none."""
    steps, here = 0, at
    while steps <= len(entries):
        parents = [parent for parent in entries[here][1] if 0 <= parent < len(entries)]
        if entries[at][0]:
            return parents[0] if parents else -1
        found = [parent for parent in parents if not entries[parent][0]]
        if found:
            return found[0]
        if not parents:
            return -1
        here, steps = parents[0], steps + 1
    return -1


def mothers(events: list[list[Entry]]) -> list[int]:
    entries = [entry for event in events for entry in event]
    return nearest_mothers(
        np.array([len(event) for event in events], dtype=np.int64),
        np.array([len(parents) for _, parents in entries], dtype=np.int64),
        np.array([parent for _, parents in entries for parent in parents], dtype=np.int64),
        np.array([is_documentation for is_documentation, _ in entries], dtype=np.bool_),
    ).tolist()


@st.composite
def event(draw: st.DrawFn) -> list[Entry]:
    """Entries whose parents come before them, in no order, some outside of the event."""
    n = draw(st.integers(1, 8))
    return [(draw(st.booleans()), draw(st.lists(st.integers(-1, at - 1) | st.just(99), max_size=3))) for at in range(n)]


@given(st.lists(event(), min_size=1, max_size=4))
def test_each_mother_is_that_of_the_rule_in_every_event(events: list[list[Entry]]) -> None:
    assert mothers(events) == [by_the_rule(one, at) for one in events for at in range(len(one))]


def test_documentation_is_skipped_over_several_generations() -> None:
    chain: list[Entry] = [(False, []), (True, [0]), (True, [1]), (False, [2])]
    assert mothers([chain]) == [-1, 0, 1, 0]


@pytest.mark.parametrize("is_documentation", [False, True])
def test_a_cycle_of_parents_ends(is_documentation: bool) -> None:
    found = mothers([[(is_documentation, [1]), (True, [0]), (False, [1])]])
    assert len(found) == 3
    assert all(-1 <= mother < 3 for mother in found)
