"""Events of HepMC2 (IO_GenEvent) as parts of Asciiv3: numbers go through as the text that they are.

What becomes of what is how the HepMC3 library reads HepMC2: vertices that nothing enters or leaves go, beam particles
that come out of nothing enter the vertex instead, and numbers of the event become attributes. Where the library would
lose the place of particles that come from nothing, the event's position holds it, or the vertex stays, with ``[0]`` for
"no particle enters".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.errors import EventError
from smartbkg.io.hepmc.layouts import Record, events_2
from smartbkg.io.hepmc.lines import FLAWS, Flaws, Lines, read_lines
from smartbkg.io.hepmc.numbers import parse_number

_SPACE, _NEWLINE, _COMMA, _ZERO, _MINUS, _OPEN, _CLOSE, _AT = (ord(letter) for letter in " \n,0-[]@")
_P, _V, _A = (ord(letter) for letter in "PVA")
_FLOWS, _FLOW_INDICES, _THETA, _PHI, _WEIGHTS, _END = (
    np.frombuffer(name, dtype=np.uint8)
    for name in (b"flows", b"smartbkg_flow_indices", b"theta", b"phi", b"weights", b"smartbkg_end_vertex")
)
_MOST_FLOWS: Final = 64
#: Text that one line may grow by, at most: two identities, brackets, names of attributes.
_GROWTH: Final = 128


class EventParts(NamedTuple):
    """An event of HepMC as the writer puts it together."""

    n_vertices: int
    n_particles: int
    position: bytes | None
    """Four numbers, None where the event does not say."""
    units: bytes
    weights: tuple[bytes, ...]
    attributes: bytes
    """Lines of attributes."""
    body: bytes
    """Lines of particles and vertices."""


@part
def _token(text, position):  # type: ignore[no-untyped-def]
    """Where the next word on a line begins and ends; nothing at the end of the line."""
    while position < len(text) and text[position] <= _SPACE and text[position] != _NEWLINE:
        position += 1
    first = position
    while position < len(text) and text[position] > _SPACE:
        position += 1
    return first, position


@part
def _put(out, n, text, first, last):  # type: ignore[no-untyped-def]
    for k in range(first, last):
        out[n] = text[k]
        n += 1
    return n


@part
def _put_letter(out, n, letter):  # type: ignore[no-untyped-def]
    out[n] = letter
    return n + 1


@part
def _put_integer(out, n, value):  # type: ignore[no-untyped-def]
    if value < 0:
        out[n] = _MINUS
        n += 1
        value = -value
    size, rest = 1, value
    while rest >= 10:
        rest //= 10
        size += 1
    for k in range(size):
        out[n + size - 1 - k] = _ZERO + value % 10
        value //= 10
    return n + size


@part
def _put_words(out, n, text, position, n_words):  # type: ignore[no-untyped-def]
    """The next words of a line, a blank before each; where they end."""
    for _ in range(n_words):
        first, position = _token(text, position)
        n = _put_letter(out, n, _SPACE)
        n = _put(out, n, text, first, position)
    return n, position


@part
def _begin_attribute(out, n, identity, name):  # type: ignore[no-untyped-def]
    n = _put_letter(out, n, _A)
    n = _put_letter(out, n, _SPACE)
    n = _put_integer(out, n, identity)
    n = _put_letter(out, n, _SPACE)
    return _put(out, n, name, 0, len(name))


@part
def _put_flows(out, n, text, position, n_flows, identity):  # type: ignore[no-untyped-def]
    """Colour flows by ascending index, as HepMC3 keeps them; the indices beside them where they are not 1, 2, ..."""
    index, first, last = (
        np.empty(_MOST_FLOWS, np.int64),
        np.empty(_MOST_FLOWS, np.int64),
        np.empty(_MOST_FLOWS, np.int64),
    )
    n_kept = 0
    for _ in range(n_flows):
        begin, position = _token(text, position)
        value, _, _ = parse_number(text, begin, position)
        begin, position = _token(text, position)
        place = n_kept
        for k in range(n_kept):
            if index[k] == value:
                place = k
        if place == n_kept and n_kept < _MOST_FLOWS:
            n_kept += 1
            while place > 0 and index[place - 1] > value:
                index[place], first[place], last[place] = index[place - 1], first[place - 1], last[place - 1]
                place -= 1
        if place < _MOST_FLOWS:
            index[place], first[place], last[place] = np.int64(value), begin, position
    n = _begin_attribute(out, n, identity, _FLOWS)
    is_usual = True
    for k in range(n_kept):
        n = _put_letter(out, n, _SPACE)
        n = _put(out, n, text, first[k], last[k])
        is_usual = is_usual and index[k] == k + 1
    n = _put_letter(out, n, _NEWLINE)
    if not is_usual:
        n = _begin_attribute(out, n, identity, _FLOW_INDICES)
        for k in range(n_kept):
            n = _put_letter(out, n, _SPACE)
            n = _put_integer(out, n, index[k])
        n = _put_letter(out, n, _NEWLINE)
    return n


@kernel
def _write(  # type: ignore[no-untyped-def]
    text, first_vertex, first_listed, particle_at, identity, parent, vertex_at, vertex_identity, has_place, n_weights,
    first_incoming, incoming, n_flows, has_angles, body, body_stops, extra, extra_stops,
):  # fmt: skip
    """Lines of particles and vertices into ``body``, their attributes into ``extra``; where each event's end."""
    n, m = 0, 0
    for event in range(len(body_stops)):
        for vertex in range(first_vertex[event], first_vertex[event + 1]):
            entering = incoming[first_incoming[vertex] : first_incoming[vertex + 1]]
            _, place = _token(text, vertex_at[vertex] + 1)  # behind the barcode
            if vertex_identity[vertex] == 0:
                for k in range(len(entering)):
                    m = _begin_attribute(extra, m, entering[k], _END)
                    m, _ = _put_words(extra, m, text, place, 5)
                    m = _put_letter(extra, m, _NEWLINE)
            else:
                n = _put_letter(body, n, _V)
                n = _put_letter(body, n, _SPACE)
                n = _put_integer(body, n, vertex_identity[vertex])
                n, place = _put_words(body, n, text, place, 1)
                n = _put_letter(body, n, _SPACE)
                n = _put_letter(body, n, _OPEN)
                for k in range(len(entering)):
                    if k > 0:
                        n = _put_letter(body, n, _COMMA)
                    n = _put_integer(body, n, entering[k])
                if len(entering) == 0:
                    n = _put_letter(body, n, _ZERO)
                n = _put_letter(body, n, _CLOSE)
                behind = place
                for _ in range(7):
                    _, behind = _token(text, behind)
                if has_place[vertex]:
                    n = _put_letter(body, n, _SPACE)
                    n = _put_letter(body, n, _AT)
                    n, _ = _put_words(body, n, text, place, 4)
                n = _put_letter(body, n, _NEWLINE)
                if n_weights[vertex] > 0:
                    m = _begin_attribute(extra, m, vertex_identity[vertex], _WEIGHTS)
                    m, _ = _put_words(extra, m, text, behind, n_weights[vertex])
                    m = _put_letter(extra, m, _NEWLINE)
            for particle in range(first_listed[vertex], first_listed[vertex + 1]):
                _, place = _token(text, particle_at[particle] + 1)
                n = _put_letter(body, n, _P)
                n = _put_letter(body, n, _SPACE)
                n = _put_integer(body, n, identity[particle])
                n = _put_letter(body, n, _SPACE)
                n = _put_integer(body, n, parent[particle])
                n, place = _put_words(body, n, text, place, 7)
                n = _put_letter(body, n, _NEWLINE)
                if has_angles[particle]:
                    for k in range(2):
                        first, place = _token(text, place)
                        value, _, _ = parse_number(text, first, place)
                        if value != 0:
                            m = _begin_attribute(extra, m, identity[particle], _THETA if k == 0 else _PHI)
                            m = _put_letter(extra, m, _SPACE)
                            m = _put(extra, m, text, first, place)
                            m = _put_letter(extra, m, _NEWLINE)
                if n_flows[particle] > 0:
                    _, place = _token(text, particle_at[particle] + 1)
                    for _ in range(11):
                        _, place = _token(text, place)
                    m = _put_flows(extra, m, text, place, n_flows[particle], identity[particle])
        body_stops[event], extra_stops[event] = n, m


def _without_incoming(
    record: Record, table: NDArray[np.float64], text: bytes, n_events: int
) -> tuple[NDArray[np.bool_], list[bytes | None]]:
    """(n_vertices,) True for vertices that stay, and the position of each event that they leave.

    A vertex that nothing enters stays only where its place, status or weights cannot be said otherwise.
    """
    n_vertices = len(record.vertex_at)
    n_out = np.bincount(record.made_in[record.made_in >= 0], minlength=n_vertices)
    n_in = np.bincount(record.ends_in[record.ends_in >= 0], minlength=n_vertices)
    stays = (n_in > 0) & (n_out > 0)
    positions: list[bytes | None] = [None] * n_events
    is_source = (n_in == 0) & (n_out > 0)
    is_special = is_source & ((table[:, 1] != 0) | (table[:, 8] > 0))
    has_orphans = np.bincount(record.particle_event[record.made_in < 0], minlength=n_events) > 0
    sources = np.flatnonzero(is_source)
    event = record.vertex_event[sources]
    starts = np.flatnonzero(np.diff(event, prepend=-1))
    for these in np.split(sources, starts[1:]) if len(sources) else []:
        index = int(record.vertex_event[these[0]])
        places = table[these, 2:6]
        can_go = not has_orphans[index] and not is_special[these].any() and (places == places[0]).all()
        if can_go and record.vertex_has_place[these[0]]:
            begin = int(record.vertex_at[these[0]])
            positions[index] = b" ".join(text[begin : text.find(b"\n", begin)].split()[3:7])
        stays[these] = not can_go and (record.vertex_has_place[these] | is_special[these])
    return stays, positions


def parts_of_version_2(texts: Sequence[bytes], source: str) -> list[EventParts]:
    """Events of HepMC2, that were read before, as parts of Asciiv3.

    Raises
    ------
    EventError
        An event is damaged.
    """
    text = b"".join(texts)
    stops = np.cumsum([len(one) for one in texts])
    starts = stops - [len(one) for one in texts]
    flaws = Flaws(len(texts))
    lines = read_lines(text, starts, stops, flaws)
    record = None if flaws.flaw.any() else events_2(lines, len(texts), flaws)
    if record is None or flaws.flaw.any():
        raise EventError(FLAWS[int(flaws.flaw[flaws.flaw > 0][0])], source=source)
    n_events = len(texts)
    table = lines.table(lines.where(_V), 9)
    stays, positions = _without_incoming(record, table, text, n_events)
    first_vertex = np.searchsorted(record.vertex_event, np.arange(n_events + 1))
    n_before = np.concatenate([[0], np.cumsum(stays)])
    vertex_identity = np.where(stays, n_before[first_vertex[record.vertex_event]] - n_before[:-1] - 1, 0)
    bodies, extras = _lines_of(text, lines, record, table, vertex_identity, first_vertex)
    n_vertices = np.diff(n_before[first_vertex]).tolist()
    n_particles = np.bincount(record.particle_event, minlength=n_events).tolist()
    parts = []
    for index, one in enumerate(texts):
        here = slice(int(first_vertex[index]), int(first_vertex[index + 1]))
        barcodes = dict(zip(table[here, 0].astype(int).tolist(), vertex_identity[here].tolist(), strict=True))
        attributes, units, weights = _head_of(one, barcodes)
        parts.append(
            EventParts(
                n_vertices[index], n_particles[index], positions[index], units, weights, attributes + extras[index],
                bodies[index],
            )
        )  # fmt: skip
    return parts


def _lines_of(
    text: bytes,
    lines: Lines,
    record: Record,
    table: NDArray[np.float64],
    vertex_identity: NDArray[np.int64],
    first_vertex: NDArray[np.int64],
) -> tuple[list[bytes], list[bytes]]:
    """Lines of particles and vertices of each event, and those of their attributes."""
    n_events, n_particles = len(first_vertex) - 1, len(record.code)
    first_particle = np.searchsorted(record.particle_event, np.arange(n_events))
    identity = np.arange(n_particles) - first_particle[record.particle_event] + 1
    parent = np.where(record.made_in >= 0, vertex_identity[record.made_in.clip(min=0)], 0) if n_particles else identity
    ending = np.flatnonzero(record.ends_in >= 0)
    ending = ending[np.argsort(record.ends_in[ending], kind="stable")]
    first_incoming = np.searchsorted(record.ends_in[ending], np.arange(len(record.vertex_at) + 1))
    first_listed = np.append(np.searchsorted(record.particle_at, record.vertex_at), n_particles)
    particles = lines.table(lines.where(_P), 12)
    n_extra = int((particles[:, 11] > 0).sum() + (particles[:, 8:10] != 0).sum() + (table[:, 8] > 0).sum()) + len(
        ending
    )
    body = np.empty(len(text) + _GROWTH * (n_particles + len(table)) + 12 * len(ending), dtype=np.uint8)
    extra = np.empty(2 * len(text) + 2 * _GROWTH * n_extra if n_extra else 1, dtype=np.uint8)
    body_stops, extra_stops = np.zeros(n_events, dtype=np.int64), np.zeros(n_events, dtype=np.int64)
    write: Any = _write
    write(
        np.frombuffer(text, dtype=np.uint8), first_vertex, first_listed, record.particle_at, identity, parent,
        record.vertex_at, vertex_identity, record.vertex_has_place, table[:, 8].astype(np.int64), first_incoming,
        identity[ending], particles[:, 11].astype(np.int64), (particles[:, 8:10] != 0).any(axis=1), body, body_stops,
        extra, extra_stops,
    )  # fmt: skip
    return _cut(body, body_stops), _cut(extra, extra_stops)


def _cut(content: NDArray[np.uint8], stops: NDArray[np.int64]) -> list[bytes]:
    begins = [0, *stops[:-1].tolist()]
    return [content[begin:stop].tobytes() for begin, stop in zip(begins, stops.tolist(), strict=True)]


def _head_of(text: bytes, identity_of_barcode: dict[int, int]) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    """Attributes, units and weights from the lines before the vertices."""
    end = text.find(b"\nV ")
    lines = text[: end + 1 or None].splitlines()
    words = lines[0].split()
    n_random = int(words[11])
    random_states = words[12 : 12 + n_random]
    weights = tuple(words[13 + n_random :]) or (b"1.0",)  # HepMC3 adds a weight of 1 to an event that has none
    signal = int(float(words[7]))
    attributes = [
        b"mpi " + words[2],
        b"event_scale " + words[3],
        b"alphaQCD " + words[4],
        b"alphaQED " + words[5],
        b"signal_process_id " + words[6],
        b"signal_process_vertex %d" % (identity_of_barcode.get(signal) or signal),
    ]
    if random_states:
        attributes.append(b"random_states " + b" ".join(random_states))
    units = b"GEV MM"
    for line in lines[1:]:
        words = line.split()
        if not words:
            continue
        if words[0] == b"U":
            units = b" ".join(words[1:3])
        elif words[0] == b"C":
            padding = b" 0 0" * (len(weights) - 1)
            attributes.append(b"GenCrossSection " + b" ".join(words[1:3]) + b" -1 -1" + padding)
        elif words[0] == b"F":
            attributes.append(b"GenPdfInfo " + b" ".join([*words[1:8], *(words[8:10] or [b"0", b"0"])]))
        elif words[0] == b"H":
            attributes.append(b"GenHeavyIon v0 " + b" ".join(words[1:14]) + b" 0 -1 -1 -1 -1 -1 0 0")
    return b"".join(b"A 0 " + one + b"\n" for one in attributes), units, weights


__all__ = ["EventParts", "parts_of_version_2"]
