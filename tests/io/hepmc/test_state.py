"""What an earlier event of HepMC said holds for those that are silent: units, position, names of weights."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.io.hepmc.state import ListingState
from smartbkg.io.hepmc.text import EventTexts, RunHeader


def texts(*events: bytes, version: int = 3, header: RunHeader | None = None) -> EventTexts:
    text = b"".join(events)
    stops = np.cumsum([len(event) for event in events])
    return EventTexts(header or RunHeader(version), text, stops - [len(event) for event in events], stops, 0)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def state(said: list[str]) -> ListingState:
    return ListingState(said.append)


def test_units_of_the_event_before_hold_also_in_the_next_group(state: ListingState, said: list[str]) -> None:
    first = texts(b"E 0 0 0\nU MEV CM\n", b"E 1 0 0\nP 1\n")
    (one,) = state.runs(first)
    assert one.units == [b"GEV MM", b"MEV CM"], "the first says its own, which is read with it"
    np.testing.assert_array_equal(one.state.units[1], [1e-3, 1.0])
    (two,) = state.runs(texts(b"E 2 0 0\nP 1\n", header=first.header))
    np.testing.assert_array_equal(two.state.units[0], [1e-3, 1.0])
    assert len(said) == 1
    assert "events 1 state no units: those of the event before hold, MEV CM" in said[0]


def test_a_file_without_units_is_read_in_gev_and_mm_and_says_so(state: ListingState, said: list[str]) -> None:
    (one,) = state.runs(texts(b"E 0 0 0\nP 1\n"))
    np.testing.assert_array_equal(one.state.units[0], [1.0, 0.1])
    assert said == ["states no units: GeV and mm are assumed"]


def test_the_position_holds_until_another_is_stated(state: ListingState) -> None:
    (one,) = state.runs(
        texts(b"E 0 0 0 @ 1 2 3 4\nU GEV MM\n", b"E 1 0 0\nU GEV MM\n", b"E 2 0 0 @ 5 6 7 8\nU GEV MM\n")
    )
    assert one.positions == [b"1 2 3 4", b"1 2 3 4", b"5 6 7 8"]
    np.testing.assert_array_equal(one.state.origin[1], [1, 2, 3, 4])


def test_another_listing_forgets_what_the_one_before_said(state: ListingState) -> None:
    list(state.runs(texts(b"E 0 0 0 @ 1 2 3 4\nU MEV CM\n")))
    (one,) = state.runs(texts(b"E 0 0 0\nP 1\n"))
    assert (one.units, one.positions) == ([b"GEV MM"], [None])


def test_other_names_of_weights_begin_another_run_in_hepmc2(state: ListingState) -> None:
    def event(number: int, names: bytes) -> bytes:
        return b"E %d 0\nN %d %s\n" % (number, names.count(b'"') // 2, names)

    runs = list(state.runs(texts(event(1, b'"a" "b"'), event(2, b'"a" "b"'), b"E 3 0\n", event(4, b'"c"'), version=2)))
    assert [(run.texts.header.names, len(run.texts.starts)) for run in runs][-1] == (("c",), 1)
    assert sum(len(run.texts.starts) for run in runs) == 4
    assert runs[-2].texts.header.names == ("a", "b")
