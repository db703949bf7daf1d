"""HepMC3 text of events that have none: of HepMC2 by the HepMC3 library, of other formats from their columns."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.io.hepmc.parser import ParsedEvents, parse_events
from smartbkg.io.hepmc.text import EventSplitter, RunHeader
from smartbkg.io.hepmc.tree import status_bits
from smartbkg.io.records import SPEED_OF_LIGHT

_START_2 = b"HepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n"
_END_2 = b"HepMC::IO_GenEvent-END_EVENT_LISTING\n"
FIRST_BODY_LINE = re.compile(rb"\n(?=[APV] )")


def _parse(texts: Sequence[bytes], version: int) -> ParsedEvents:
    stops = np.cumsum([len(text) for text in texts])
    return parse_events(b"".join(texts), np.concatenate([[0], stops[:-1]]), stops, version)


def texts_from_version_2(texts: Sequence[bytes], source: str) -> tuple[RunHeader, list[bytes]]:
    """Events of HepMC2 as HepMC3 text, by the HepMC3 library; what it loses is put back.

    HepMC3 has no place for the vertex of particles that come from nothing: it becomes the event's position, or an
    attribute of the particle where they differ.

    Raises
    ------
    EventError
        The library makes something else of an event.
    """
    import pyhepmc.io as hepmc_io

    output = io.BytesIO()
    with hepmc_io.pyiostream(output) as stream:
        reader = hepmc_io.ReaderAsciiHepMC2(hepmc_io.pyiostream(io.BytesIO(_START_2 + b"".join(texts) + _END_2)))
        event = reader.read()
        writer = hepmc_io.WriterAscii(stream, None if event is None else event.run_info)
        while event is not None:
            writer.write_event(event)
            event = reader.read()
        writer.close()
    output.seek(0)
    groups = list(EventSplitter(output, source).groups(max(len(texts), 1)))
    header = groups[0].header if groups else RunHeader(3)
    made = [g.text[start:stop] for g in groups for start, stop in zip(g.starts, g.stops, strict=True)]
    if len(made) != len(texts):
        raise EventError(f"HepMC3 made {len(made)} events of {len(texts)} events of HepMC2", source=source)
    return header, _with_places(made, _parse(texts, 2), _parse(made, 3), source)


def _with_places(made: list[bytes], before: ParsedEvents, after: ParsedEvents, source: str) -> list[bytes]:
    """Put back production points that were lost, and check that nothing else was."""
    is_same = np.array_equal(before.counts, after.counts) and all(
        np.array_equal(getattr(before, name), getattr(after, name)) for name in ("code", "mother", "momentum")
    )
    if not is_same:
        raise EventError("HepMC3 changes the decay tree of an event of HepMC2", source=source)
    is_lost = np.any(np.abs(before.place - after.place) > 1e-12 * np.abs(before.place), axis=1)
    ends = np.cumsum(before.counts)
    for index in np.unique(np.searchsorted(ends, np.flatnonzero(is_lost), side="right")):
        start = int(ends[index] - before.counts[index])
        here = slice(start, int(ends[index]))
        lost = np.flatnonzero(is_lost[here])
        places = before.place[here][lost].copy()
        places[:, 3] *= SPEED_OF_LIGHT
        places /= 0.1 if b"MM" in made[index].split(b"\nU ", 1)[-1].split(b"\n", 1)[0] else 1.0
        if (before.mother[here][lost] < 0).all() and np.array_equal(places, np.broadcast_to(places[0], places.shape)):
            first, rest = made[index].split(b"\n", 1)
            made[index] = b"%s @ %.17g %.17g %.17g %.17g\n%s" % (first, *places[0].tolist(), rest)
        else:
            lines = [_place_line(int(k) + 1, place) for k, place in zip(lost, places.tolist(), strict=True)]
            made[index] = insert_lines(made[index], b"".join(lines))
    return made


def _place_line(identity: int, place: Sequence[float]) -> bytes:
    return b"A %d smartbkg_vertex %.17g %.17g %.17g %.17g\n" % (identity, *place)


def insert_lines(text: bytes, lines: bytes) -> bytes:
    """An event's text with lines of attributes before its other attributes, particles and vertices."""
    found = FIRST_BODY_LINE.search(text)
    position = found.end() if found else len(text)
    return text[:position] + lines + text[position:]


def texts_from_columns(batch: EventBatch) -> tuple[RunHeader, list[bytes]]:
    """Events as HepMC3 text, from their columns; units GEV and CM.

    Particles keep their order where mothers come first, else they are put behind them. Daughters of one mother share a
    vertex, as HepMC wants it; a particle made elsewhere (photon conversions, decays in flight) says so in its attribute
    ``smartbkg_vertex``, and status bits that do not follow from the status code are in ``smartbkg_status``.
    """
    names = [name for name in batch.event if name.startswith("weight_")]
    first = "generator_weight" if "generator_weight" in batch.event else "weight"
    weights = np.stack([batch.event[name] for name in (names or [first])], axis=1)
    header = b"\\|".join(name.removeprefix("weight_").encode() for name in names) if names else b"Default"
    texts = [_text_of(batch, index, weights[index].tolist()) for index in range(len(batch))]
    return RunHeader(3, (b"W " + header,)), texts


def _ordered(batch: EventBatch, index: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Columns of one event with mothers before daughters, and each particle's mother as a position or -1."""
    here = slice(int(batch.offsets[index]), int(batch.offsets[index + 1]))
    columns = {name: column[here] for name, column in batch.particle.items()}
    own, wanted = columns["arrayIndex"], columns["motherIndex"]
    order = np.argsort(own, kind="stable")
    place = np.searchsorted(own[order], wanted).clip(max=max(len(own) - 1, 0))
    mother = np.where((wanted >= 0) & (own[order][place] == wanted) & (own != wanted), order[place], -1)
    if (mother < np.arange(len(own))).all():
        return columns, mother
    depth, above = np.zeros(len(own), dtype=np.int64), mother.copy()
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, mother[above], -1)
        if depth.max() > len(own):
            raise EventError("the decay tree is cyclic", source=batch.source, event=batch.event_id(index))
    order = np.argsort(depth, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    mother = mother[order]
    return {name: column[order] for name, column in columns.items()}, np.where(mother >= 0, position[mother], -1)


def _text_of(batch: EventBatch, index: int, weights: list[float]) -> bytes:
    columns, mother = _ordered(batch, index)
    n = len(mother)
    bits = columns["status"].astype(np.int64)
    place = np.stack([columns[name].astype(np.float64) for name in ("x", "y", "z", "prodTime")], axis=1)
    place[:, 3] *= SPEED_OF_LIGHT
    has_daughters = np.bincount(mother[mother >= 0], minlength=n) > 0
    status = np.where(~has_daughters | (bits & ParticleStatus.STABLE_IN_GENERATOR != 0), 1, 2)
    status[bits & ParticleStatus.PRIMARY == 0] = 201
    status[bits & ParticleStatus.VIRTUAL != 0] = 3
    status[bits & ParticleStatus.INITIAL != 0] = 4
    code = columns["PDG"].astype(np.int64)
    mothers, first_daughter, vertex = np.unique(mother, return_index=True, return_inverse=True)
    from_nothing = int(len(mothers) > 0 and mothers[0] < 0)
    is_elsewhere = (place != place[first_daughter][vertex]).any(axis=1)
    origin = place[first_daughter[0]] if from_nothing else np.zeros(4)
    number, weight = int(batch.event["evtNum"][index]), " ".join(map(repr, weights))
    at = " @ {:.17g} {:.17g} {:.17g} {:.17g}".format(*origin.tolist()) if origin.any() else ""
    parts = [f"E {number} {len(mothers) - from_nothing} {n}{at}\nU GEV CM\nW {weight}\n".encode()]
    parts += [
        b"A %d smartbkg_status %d\n" % (k + 1, bits[k]) for k in np.flatnonzero(bits != status_bits(code, status))
    ]
    parts += [_place_line(int(k) + 1, place[k].tolist()) for k in np.flatnonzero(is_elsewhere)]
    numbers = [columns[name].tolist() for name in ("px", "py", "pz", "energy", "mass")]
    lines = zip(
        range(1, n + 1), (from_nothing - vertex - 1).tolist(), code.tolist(), *numbers, status.tolist(), strict=True
    )
    particles = [b"P %d %d %d %.9g %.9g %.9g %.9g %.9g %d\n" % line for line in lines]
    for k in range(from_nothing, len(mothers)):
        identity = from_nothing - k - 1
        line = b"V %d 0 [%d] @ %.17g %.17g %.17g %.17g\n" % (
            identity,
            mothers[k] + 1,
            *place[first_daughter[k]].tolist(),
        )
        particles[first_daughter[k]] = line + particles[first_daughter[k]]
    return b"".join(parts + particles)


__all__ = ["FIRST_BODY_LINE", "insert_lines", "texts_from_columns", "texts_from_version_2"]
