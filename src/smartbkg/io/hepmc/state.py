"""What holds for an event of HepMC because an earlier line said it: header, units, position, names of weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from smartbkg.io.hepmc.parser import EventState
from smartbkg.io.hepmc.text import EventTexts, RunHeader
from smartbkg.io.hepmc.weights import distinct_names

_ENERGY: Final = {b"GEV": 1.0, b"MEV": 1e-3}
_LENGTH: Final = {b"CM": 1.0, b"MM": 0.1}
_DEFAULT_UNITS: Final = b"GEV MM"
_QUOTED: Final = re.compile(rb'"([^"]*)"')
_NAMED_IN_WARNINGS: Final = 5


class Stated(NamedTuple):
    """Events of one run, and what holds for each that does not say it itself."""

    texts: EventTexts
    state: EventState
    units: list[bytes]
    """(n_events,) the units that hold, as text."""
    positions: list[bytes | None]
    """(n_events,) the position that holds, as text; None where none was ever stated."""


class ListingState:
    """Follows the events of a file.

    HepMC3 3.3 keeps the units and the position of the event before where an event of Asciiv3 does not state them, and
    so does this. HepMC2 states weight names in its events: they hold until others come, and then another run begins.

    Parameters
    ----------
    warn : tells the user.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._listing: RunHeader | None = None
        self._run: RunHeader | None = None
        self._units: bytes | None = None
        self._position: bytes | None = None
        self._is_told = False

    def runs(self, texts: EventTexts) -> Iterator[Stated]:
        """The events of a group, cut where the names of the weights change."""
        if texts.header is not self._listing:
            self._listing = self._run = texts.header
            self._units = self._position = None
        has_names = b"\nN " in texts.text or bool(self._run and self._run.names)
        if texts.header.version == 3 or not has_names:
            yield self._stated(replace(texts, header=self._run or texts.header))
            return
        first, n_events = 0, len(texts.starts)
        for index in range(n_events):
            names = _names_of(texts, index)
            if names is None and self._run is not None and self._run.names and _has_no_weights(texts, index):
                names = ()
            if names is not None and self._run is not None and names != self._run.names:
                if index > first:
                    yield self._stated(texts.part(first, index, self._run))
                first, self._run = index, RunHeader(2, (), names)
        yield self._stated(texts.part(first, n_events, self._run or texts.header))

    def _stated(self, texts: EventTexts) -> Stated:
        n_events = len(texts.starts)
        state = EventState.default(n_events)
        text, units, positions = texts.text, [_DEFAULT_UNITS] * n_events, [None] * n_events
        if texts.header.version == 2:
            return Stated(texts, state, units, list(positions))
        found: list[bytes | None] = list(positions)
        says_all = text.count(b"\nU ") == n_events
        silent = []
        for index, (start, stop) in enumerate(zip(texts.starts.tolist(), texts.stops.tolist(), strict=True)):
            if not says_all or index == n_events - 1:
                at = text.find(b"\nU ", start, stop)
                if at >= 0:
                    self._units = b" ".join(text[at + 3 : _end(text, at + 1, stop)].split()[:2])
                else:
                    silent.append(index)
                    units[index] = self._units or _DEFAULT_UNITS
                    energy, length = [*units[index].split(), b"", b""][:2]
                    state.units[index] = _ENERGY.get(energy, 1.0), _LENGTH.get(length, 0.1)
            line_end = _end(text, start, stop)
            at = text.find(b"@", start, line_end)
            if at >= 0:
                self._position = b" ".join(text[at + 1 : line_end].split())
            elif self._position is not None:
                state.origin[index] = _numbers(self._position)
            found[index] = self._position
        if silent:
            self._tell(texts, silent)
        return Stated(texts, state, units, found)

    def _tell(self, texts: EventTexts, silent: list[int]) -> None:
        if self._units is None:
            self._warn("states no units: GeV and mm are assumed")
        elif not self._is_told:
            self._is_told = True
            numbers = [
                texts.text[int(texts.starts[k]) :].split(None, 2)[1].decode() for k in silent[:_NAMED_IN_WARNINGS]
            ]
            more = " and others" if len(silent) > _NAMED_IN_WARNINGS else ""
            self._warn(
                f"events {', '.join(numbers)}{more} state no units: those of the event before hold, "
                f"{(self._units or _DEFAULT_UNITS).decode()}"
            )


def _end(text: bytes, start: int, stop: int) -> int:
    found = text.find(b"\n", start, stop)
    return found if found >= 0 else stop


def _numbers(position: bytes) -> list[float]:
    try:
        numbers = [float(word) for word in position.split()]
    except ValueError:
        return [0.0] * 4  # the event that states it is damaged
    return numbers if len(numbers) == 4 and bool(np.isfinite(numbers).all()) else [0.0] * 4


def _has_no_weights(texts: EventTexts, index: int) -> bool:
    """Whether an event of HepMC2 says that it has no weights."""
    start = int(texts.starts[index])
    words = texts.text[start : _end(texts.text, start, int(texts.stops[index]))].split()
    return len(words) > 12 and words[-1] == b"0" and words[11].isdigit() and len(words) == 13 + int(words[11])


def _names_of(texts: EventTexts, index: int) -> tuple[str, ...] | None:
    """The weight names that an event of HepMC2 states, None where it states none."""
    start, stop = int(texts.starts[index]), int(texts.stops[index])
    at = texts.text.find(b"\nN ", start, stop)
    if at < 0:
        return None
    line = texts.text[at + 1 : _end(texts.text, at + 1, stop)]
    return distinct_names([name.decode(errors="replace") for name in _QUOTED.findall(line)])


__all__ = ["ListingState", "Stated"]
