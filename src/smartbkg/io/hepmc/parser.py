"""Compiled parser of the events in HepMC ASCII text, version 2 (IO_GenEvent) and 3 (Asciiv3).

A parser of our own, where a library exists, for two reasons. HepMC3's readers stop at a damaged line as they do at the
end of the file, so that the rest of the file is lost in silence, and some damaged lines end the process. And the filter
needs the text of the events it keeps, not the objects: with both, reading costs a fraction of the library's.

Three steps, each over many events at once: lines to numbers (`smartbkg.io.hepmc.lines`, compiled), numbers to
particles and vertices (`smartbkg.io.hepmc.layouts`, numpy), and the decay tree from the vertices
(`smartbkg.io.hepmc.tree`, compiled).
Layout of the lines: HepMC3 (doi:10.1016/j.cpc.2020.107310) and the HepMC 2 user manual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.io.hepmc.layouts import events_2, events_3, integer_columns, integers
from smartbkg.io.hepmc.lines import LOST_REFERENCE, PLACE_TAG, STATUS_TAG, UNIT, UNKNOWN_UNITS, Flaws, Lines, read_lines
from smartbkg.io.hepmc.tree import fill_status_bits, link_decay_tree


class ParsedEvents(NamedTuple):
    """Events of a piece of text. Damaged ones have a flaw and no particles."""

    flaw: NDArray[np.int64]
    """(n_events,) key of `FLAWS`, 0 where there is none."""
    flaw_position: NDArray[np.int64]
    """(n_events,) where in the text the damaged line begins."""
    number: NDArray[np.int64]
    """(n_events,) event number."""
    has_units: NDArray[np.bool_]
    """(n_events,) True where the event states its units."""
    counts: NDArray[np.int64]
    """(n_events,) particles."""
    weight_counts: NDArray[np.int64]
    """(n_events,) weights."""
    weights: NDArray[np.float64]
    """(sum of weight_counts,)"""
    code: NDArray[np.int32]
    """(n_particles,) PDG code."""
    status: NDArray[np.int32]
    """(n_particles,) status bits."""
    mother: NDArray[np.int32]
    """(n_particles,) position of the mother in the event, -1 for none."""
    momentum: NDArray[np.float64]
    """(n_particles, 5) px, py, pz, energy, mass in GeV."""
    place: NDArray[np.float64]
    """(n_particles, 4) x, y, z in cm, time in ns."""
    is_plain: NDArray[np.bool_]
    """(n_events,) True where the lines of particles and vertices are as HepMC3 itself writes them."""


class EventState(NamedTuple):
    """What holds for events that do not say it themselves: that of the event before (HepMC3 3.3), or the default."""

    units: NDArray[np.float64]
    """(n_events, 2) GeV and cm in a unit of energy and of length."""
    origin: NDArray[np.float64]
    """(n_events, 4) the event's position in its unit of length and mm/c or cm/c."""

    @classmethod
    def default(cls, n_events: int) -> EventState:
        """GeV and mm, and the origin."""
        return cls(np.tile([1.0, 0.1], (n_events, 1)), np.zeros((n_events, 4)))

    def select(self, chosen: NDArray[np.int64]) -> EventState:
        """That of some events."""
        return EventState(self.units[chosen], self.origin[chosen])


def _attempt(
    text: bytes,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    version: int,
    state: EventState,
    flaws: Flaws,
) -> ParsedEvents | None:
    """All events, or None and the flaws of some."""
    n_events = len(starts)
    lines = read_lines(text, starts, stops, flaws)
    unit_lines = lines.where(UNIT)
    units = state.units.copy()
    units[lines.event[unit_lines]] = lines.table(unit_lines, 2)
    flaws.at_events((units == 0).any(axis=1), UNKNOWN_UNITS, starts)
    if flaws.flaw.any():
        return None
    record = (events_3 if version == 3 else events_2)(lines, n_events, flaws)
    if record is None or flaws.flaw.any():
        return None
    record = record._replace(origin=np.where(np.isnan(record.origin[:, :1]), state.origin, record.origin))
    counts = np.bincount(record.particle_event, minlength=n_events)
    status = np.full(len(record.code), -1, dtype=np.int32)
    place = np.full((len(record.code), 4), np.nan)
    _apply_attributes(lines, counts, status, place, flaws)
    if flaws.flaw.any():
        return None
    fill_status_bits(record.code, record.generator_status, status)
    mother = link_decay_tree(record, counts, status, place, flaws.flaw)
    flaws.position[flaws.flaw != 0] = starts[flaws.flaw != 0]
    if flaws.flaw.any():
        return None
    unit = units[record.particle_event]
    place *= unit[:, 1:]
    place[:, 3] /= SPEED_OF_LIGHT
    return ParsedEvents(
        flaws.flaw, flaws.position, record.number, np.bincount(lines.event[unit_lines], minlength=n_events) > 0, counts,
        record.weight_counts, record.weights, record.code.astype(np.int32), status, mother,
        record.momentum * unit[:, :1], place, lines.is_plain,
    )  # fmt: skip


def _apply_attributes(
    lines: Lines, counts: NDArray[np.int64], status: NDArray[np.int32], place: NDArray[np.float64], flaws: Flaws
) -> None:
    """Status bits and places that the file states particle by particle."""
    first_particle = np.cumsum(counts) - counts
    for tag, n_columns in ((STATUS_TAG, 2), (PLACE_TAG, 5)):
        which = lines.where(tag)
        table = lines.table(which, n_columns)
        (identity,), is_wrong = integer_columns(table[:, :1])
        event = lines.event[which]
        is_wrong |= (identity < 1) | (identity > counts[event]) | (lines.length(which) != n_columns)
        flaws.at_lines(lines, which[is_wrong], LOST_REFERENCE)
        particle = (first_particle[event] + identity - 1)[~is_wrong]
        if tag == STATUS_TAG:
            status[particle] = integers(table[~is_wrong, 1], 2.0**31)[0]
        else:
            place[particle] = table[~is_wrong, 1:]


def parse_events(
    text: bytes,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    version: int,
    state: EventState | None = None,
) -> ParsedEvents:
    """The events in a piece of HepMC text.

    Parameters
    ----------
    text : lines of whole events.
    starts, stops : (n_events,) where in the text each event's lines begin (at its ``E``) and end.
    version : 2 or 3.
    state : of events that state no units or position; None = `EventState.default`.
    """
    state = state or EventState.default(len(starts))
    flaws = Flaws(len(starts))
    good = np.arange(len(starts))
    while True:
        found = Flaws(len(good))
        parsed = _attempt(text, starts[good], stops[good], version, state.select(good), found)
        if parsed is not None:
            break
        flaws.flaw[good], flaws.position[good] = found.flaw, found.position
        good = good[found.flaw == 0]
    if len(good) == len(starts):
        return parsed
    number, counts, weight_counts = (np.zeros(len(starts), dtype=np.int64) for _ in range(3))
    has_units, is_plain = (np.zeros(len(starts), dtype=np.bool_) for _ in range(2))
    number[good], counts[good], weight_counts[good] = parsed.number, parsed.counts, parsed.weight_counts
    has_units[good], is_plain[good] = parsed.has_units, parsed.is_plain
    return parsed._replace(
        flaw=flaws.flaw, flaw_position=flaws.position, number=number, has_units=has_units, counts=counts,
        weight_counts=weight_counts, is_plain=is_plain,
    )  # fmt: skip


__all__ = ["EventState", "ParsedEvents", "parse_events"]
