"""From the columns of a format to checked events: what follows from others, and every flaw by its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.io.reader import EventReader, ReadOptions
from smartbkg.io.records import assemble, charges, check_units, no_events


class ReaderOfNothing(EventReader):
    """A reader whose columns the test gives."""

    def batches(self, size: int = 1) -> Iterator[EventBatch]:
        return iter(())


def columns(array_index: list[int], mother_index: list[int], codes: list[int]) -> dict[str, np.ndarray]:
    n = len(codes)
    found: dict[str, Any] = {name: np.zeros(n) for name in ("mass", "prodTime", "x", "y", "z", "px", "py", "pz")}
    found |= {"arrayIndex": np.array(array_index), "motherIndex": np.array(mother_index), "PDG": np.array(codes)}
    return found | {"energy": np.ones(n), "status": np.ones(n)}


def event_ids(n_events: int) -> dict[str, np.ndarray]:
    return {"experiment": np.zeros(n_events), "run": np.zeros(n_events), "evtNum": np.arange(n_events) + 5}


def assembled(
    counts: list[int], particle: dict[str, np.ndarray], options: ReadOptions | None = None, **settings: Any
) -> tuple[EventBatch, ReaderOfNothing]:
    reader = ReaderOfNothing("toy", options)
    return assemble(reader, counts, event_ids(len(counts)), particle, **settings), reader


@given(
    st.permutations(range(6)), st.lists(st.integers(-1, 100), min_size=6, max_size=6), st.sampled_from([1, 7, 10**6])
)
def test_daughters_and_mothers_follow_in_any_order_and_numbering(
    order: list[int], choice: list[int], factor: int
) -> None:
    """Particle k has a mother before it, or none; the file lists them in another order, numbered with gaps."""
    mother = [-1 if at == 0 or chosen < 0 else chosen % at for at, chosen in enumerate(choice)]
    codes = [211, 321, 13, 11, 22, 2212]
    numbers = [factor * (at + 1) for at in range(6)]
    particle = columns(
        [numbers[at] for at in order],
        [-1 if mother[at] < 0 else numbers[mother[at]] for at in order],
        [codes[at] for at in order],
    )
    batch, _ = assembled([6], particle)
    assert batch.particle["nDaughters"].tolist() == [mother.count(at) for at in order]
    assert batch.particle["motherPDG"].tolist() == [0 if mother[at] < 0 else codes[mother[at]] for at in order]


@pytest.mark.parametrize(
    ("array_index", "mother_index", "said"),
    [
        ([0, 0, 1], [-1, -1, 0], "particle 1 is negative or repeats"),
        ([0, -4, 1], [-1, 0, 0], "particle 1 is negative or repeats"),
        ([0, 9_000_000, 9_000_000], [-1, 0, 0], "is negative or repeats"),
        ([0, 1, 2], [-1, 0, 7], "the mother of particle 2 is not in the event"),
        ([0, 1, 2], [2, 0, 1], "the decay tree is cyclic"),
    ],
)
def test_each_flaw_is_named_with_its_event(array_index: list[int], mother_index: list[int], said: str) -> None:
    particle = columns([0, *array_index], [-1, *mother_index], [211] * 4)
    with pytest.raises(EventError, match=said) as caught:
        assembled([1, 3], particle)
    assert "6" in str(caught.value), "the second event"
    batch, reader = assembled([1, 3], particle, ReadOptions(skip_corrupt=True))
    assert batch.event["evtNum"].tolist() == [5]
    assert (reader.skipped.n_events, said in reader.skipped.messages[0]) == (1, True)


def test_an_event_cut_down_on_purpose_may_miss_mothers() -> None:
    batch, _ = assembled([2], columns([0, 1], [-1, 40], [211, 321]), mother_must_exist=False)
    assert batch.particle["motherPDG"].tolist() == [0, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named(value: float) -> None:
    particle = columns([0, 1], [-1, 0], [211, 321])
    particle["pz"][1] = value
    with pytest.raises(EventError, match=r"pz of particle 1 is (nan|inf)"):
        assembled([2], particle)


def test_charges_follow_from_the_code_and_antiparticles_are_opposite() -> None:
    assert charges([11, -11, 211, 22, 2, -2, 1000020040]).tolist() == pytest.approx([-1, 1, 1, 0, 2 / 3, -2 / 3, 2])
    assert charges([30353, -30353]).tolist() == [1, -1], "EvtGen's own code"
    assert charges([987654321]).tolist() == [0], "a code that means nothing"


def test_energies_in_another_unit_are_refused() -> None:
    batch = random_events(30, seed=3)
    reader = ReaderOfNothing("toy")
    check_units(batch, reader)
    scaled = {name: values * 1000 for name, values in batch.particle.items() if name in ("energy", "px", "py", "pz")}
    wrong = EventBatch.from_columns(np.diff(batch.offsets), batch.event, {**batch.particle, **scaled})
    with pytest.raises(FileFormatError, match="times too large"):
        check_units(wrong, reader)


def test_no_events_have_all_columns() -> None:
    empty = no_events()
    assert len(empty) == 0
    assert {"PDG", "motherIndex"} <= set(empty.particle)
