"""An event is complete where all that its first line announces is there, and not a line before."""

from __future__ import annotations

import pytest
from io_events import decay_event, hepmc_text

from smartbkg.io.hepmc.completeness import is_complete


def event_text(version: int) -> bytes:
    """One event as HepMC's own writer writes it."""
    text = hepmc_text([decay_event(7)], version)
    return text[text.index(b"\nE ") + 1 : text.index(b"HepMC::", text.index(b"\nE "))]


@pytest.mark.parametrize("version", [2, 3])
def test_an_event_is_complete_with_its_last_particle_alone(version: int) -> None:
    text = event_text(version)
    lengths = [length for length in range(len(text) + 1) if is_complete(text[:length], version)]
    assert lengths == [len(text)]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("more", [b"A 1 name value\n", b"E 8 0 1\n", b"P"])
def test_lines_behind_the_last_particle_leave_it_open(version: int, more: bytes) -> None:
    assert not is_complete(event_text(version) + more, version)


@pytest.mark.parametrize(
    "text", [b"", b"E\nP 1\n", b"E 1 x y\nP 1\n", b"E 1 0 0\n", b"P 1\n", b"E 1 2 3 4 5 6 7 8\nP\n"]
)
@pytest.mark.parametrize("version", [2, 3])
def test_what_is_no_event_is_not_complete(text: bytes, version: int) -> None:
    assert not is_complete(text, version)
