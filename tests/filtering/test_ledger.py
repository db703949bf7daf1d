"""Which events of many files are the same, in memory and through drawers on disk alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.filtering import ledger
from smartbkg.filtering.ledger import EventLedger, Repeats

EVENTS = random_events(40, seed=1)


def changed(rows: np.ndarray):  # type: ignore[no-untyped-def]
    """Events of the same ids with other particles."""
    part = EVENTS.select(rows)
    particle = {**part.particle, "px": part.particle["px"] + np.float32(1)}
    return type(part)(part.offsets, part.event, particle, part.source)


def repeats(folder: Path) -> Repeats:
    with EventLedger(folder) as book:
        book.add(EVENTS, 0, 0)
        book.add(EVENTS.select(np.array([3, 9])), 1, 100)
        book.add(changed(np.array([9, 20])), 2, 0)
        found = list(book.repeats())
    return Repeats(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


@pytest.mark.parametrize("room", [10**6, 15], ids=["memory", "disk"])
def test_the_same_event_is_told_from_another_of_its_id(
    tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_ROOM", room)
    found = repeats(tmp_path)
    rows = {(int(f), int(r)): (bool(same), int(first), tuple(ids.tolist())) for f, r, same, first, ids in
            zip(*found, strict=True)}  # fmt: skip
    ids = [EVENTS.event_id(row) for row in (3, 9, 20)]
    assert rows == {
        (1, 100): (True, 0, ids[0]), (1, 101): (True, 0, ids[1]), (2, 0): (False, 0, ids[1]),
        (2, 1): (False, 0, ids[2]),
    }  # fmt: skip
    assert not list(tmp_path.iterdir()), "drawers stayed on disk"


def test_files_without_a_common_event_have_no_repeats(tmp_path: Path) -> None:
    with EventLedger(tmp_path) as book:
        book.add(EVENTS, 0, 0)
        book.add(random_events(40, seed=1, first_event=1000), 1, 0)
        assert [len(part.row) for part in book.repeats()] == [0]


def test_a_third_copy_is_a_copy_too(tmp_path: Path) -> None:
    with EventLedger(tmp_path) as book:
        for file in range(3):
            book.add(EVENTS.select(np.array([5])), file, 7)
        (found,) = book.repeats()
    assert found.file.tolist() == [1, 2]
    assert found.is_same.all()
    assert found.earlier_file.tolist() == [0, 0]
