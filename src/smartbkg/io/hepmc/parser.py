"""Compiled parser of the events in HepMC ASCII text, version 2 (IO_GenEvent) and 3 (Asciiv3).

A parser of our own, where a library exists, for two reasons. HepMC3's readers stop at a damaged line as they do at the
end of the file, so that the rest of the file is lost in silence, and some damaged lines end the process. And the filter
needs the text of the events it keeps, not the objects: with both, reading costs a fraction of the library's.

Three steps, each over many events at once: lines to numbers (`_read_lines`, compiled), numbers to particles and
vertices (numpy, `_events_3` and `_events_2`), and the decay tree from the vertices (`_link`, compiled).
Layout of the lines: HepMC3 (doi:10.1016/j.cpc.2020.107310) and the HepMC 2 user manual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.events.fields import ParticleStatus
from smartbkg.io.records import SPEED_OF_LIGHT

#: What can be wrong with the text of an event.
FLAWS: Final = {
    1: "a line is cut short, too long, or holds a number that cannot be read",
    2: "a line begins with an unknown letter",
    3: "fewer or more particles than announced",
    4: "fewer or more vertices than announced",
    5: "a particle or vertex refers to one that is not in the event",
    6: "the decay tree is cyclic",
    7: "particles or vertices are not numbered as the format says",
    8: "a particle ends in two vertices",
    9: "units are not MEV or GEV and MM or CM",
    10: "the event does not begin with one line E",
}
_LINE, _LETTER, _PARTICLES, _VERTICES, _REFERENCE, _CYCLE, _NUMBERING, _TWO_ENDS, _UNITS, _HEAD = FLAWS

#: First status code of particles made by a detector simulation (HepMC3 reserves 201 and above).
SIMULATION_STATUS: Final = 201

_PRIMARY: Final = ParticleStatus.PRIMARY
_STABLE: Final = ParticleStatus.STABLE_IN_GENERATOR
_VIRTUAL: Final = ParticleStatus.VIRTUAL
_INITIAL: Final = ParticleStatus.INITIAL
_POWERS: Final = 10.0 ** np.arange(23)  # those that are exact
_NEWLINE, _RETURN, _TAB, _SPACE = 10, 13, 9, 32
_E, _P, _V, _W, _U, _A, _N, _T, _C, _H, _F, _G, _M = (ord(letter) for letter in "EPVWUANTCHFGM")
_PLUS, _MINUS, _DOT, _ZERO, _NINE = (ord(letter) for letter in "+-.09")
_SMALL_E, _AT, _OPEN, _CLOSE, _COMMA = (ord(letter) for letter in "e@[],")
#: Attributes of particles by which our writer keeps what HepMC has no place for, and the tags of such lines here.
_STATUS_NAME: Final = np.frombuffer(b"smartbkg_status ", dtype=np.uint8)
_PLACE_NAME: Final = np.frombuffer(b"smartbkg_vertex ", dtype=np.uint8)
_STATUS_TAG, _PLACE_TAG = ord("s"), ord("p")


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


@dataclass(frozen=True)
class _Lines:
    """The lines of a piece of text that hold numbers."""

    tag: NDArray[np.uint8]
    event: NDArray[np.int64]
    position: NDArray[np.int64]
    """Where in the text each line begins."""
    first: NDArray[np.int64]
    """(n_lines + 1,) line i owns ``numbers[first[i]:first[i + 1]]``."""
    n_before_at: NDArray[np.int64]
    """How many of its numbers stand before an ``@``; -1 where there is no ``@``."""
    numbers: NDArray[np.float64]

    def where(self, tag: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.tag == tag)

    def table(self, lines: NDArray[np.int64], n_columns: int) -> NDArray[np.float64]:
        """(n_lines, n_columns) first numbers of the lines; NaN behind the end of a line."""
        index = self.first[lines][:, None] + np.arange(n_columns)
        is_there = index < self.first[lines + 1][:, None]
        return np.where(is_there, self.numbers[np.minimum(index, len(self.numbers) - 1)], np.nan)

    def length(self, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self.first[lines + 1] - self.first[lines])


class _Flaws:
    """The first flaw found in each event."""

    def __init__(self, n_events: int) -> None:
        self.flaw = np.zeros(n_events, dtype=np.int64)
        self.position = np.zeros(n_events, dtype=np.int64)

    def at_lines(self, lines: _Lines, wrong: NDArray[np.int64], flaw: int) -> None:
        """Note a flaw at some lines."""
        events, first = np.unique(lines.event[wrong], return_index=True)
        is_new = self.flaw[events] == 0
        self.flaw[events[is_new]] = flaw
        self.position[events[is_new]] = lines.position[wrong[first[is_new]]]

    def at_events(self, is_wrong: NDArray[np.bool_], flaw: int, starts: NDArray[np.int64]) -> None:
        """Note a flaw of whole events."""
        is_new = is_wrong & (self.flaw == 0)
        self.flaw[is_new] = flaw
        self.position[is_new] = starts[is_new]


class _Record(NamedTuple):
    """Particles and vertices of all events, one after the other; references are positions in these columns."""

    number: NDArray[np.int64]
    particle_event: NDArray[np.int64]
    code: NDArray[np.int64]
    momentum: NDArray[np.float64]
    generator_status: NDArray[np.int64]
    made_in: NDArray[np.int64]
    ends_in: NDArray[np.int64]
    vertex_place: NDArray[np.float64]
    vertex_has_place: NDArray[np.bool_]
    origin: NDArray[np.float64]
    """(n_events, 4) place of particles without a vertex."""
    weight_counts: NDArray[np.int64]
    weights: NDArray[np.float64]


@part
def _number(text, position, stop):  # type: ignore[no-untyped-def]
    """The number that begins here, to one unit in the last place, and the position behind it; -1 if there is none."""
    sign = 1.0
    if text[position] == _MINUS or text[position] == _PLUS:
        sign = -1.0 if text[position] == _MINUS else 1.0
        position += 1
    mantissa = np.int64(0)
    exponent, n_digits, n_significant, has_point = np.int64(0), 0, 0, False
    while position < stop:
        letter = text[position]
        if _ZERO <= letter <= _NINE:
            n_digits += 1
            if n_significant < 18:
                mantissa = mantissa * 10 + np.int64(letter - _ZERO)
                n_significant += mantissa != 0
                exponent -= has_point
            else:
                exponent += not has_point
        elif letter == _DOT and not has_point:
            has_point = True
        else:
            break
        position += 1
    if n_digits == 0:
        word = np.int64(0)
        for k in range(position, min(position + 3, stop)):
            word = word * 256 + np.int64(text[k] | 32)
        if word == 0x6E616E:  # nan
            return np.nan, position + 3
        return (sign * np.inf, position + 3) if word == 0x696E66 else (0.0, -1)
    if position < stop and text[position] | 32 == _SMALL_E:
        position += 1
        is_negative = position < stop and text[position] == _MINUS
        if position < stop and (text[position] == _MINUS or text[position] == _PLUS):
            position += 1
        power, first = np.int64(0), position
        while position < stop and _ZERO <= text[position] <= _NINE and position - first < 4:
            power = 10 * power + np.int64(text[position] - _ZERO)
            position += 1
        if position == first or power > 400:
            return 0.0, -1
        exponent += -power if is_negative else power
    value = np.float64(mantissa)
    if exponent < 0 and mantissa != 0:
        value = value / _POWERS[-exponent] if exponent >= -22 else value * 10.0 ** (exponent + 22) / _POWERS[22]
    elif exponent > 0 and mantissa != 0:
        value = value * _POWERS[exponent] if exponent <= 22 else value * _POWERS[22] * 10.0 ** (exponent - 22)
    return sign * value, position


@part
def _begins_with(text, position, stop, word):  # type: ignore[no-untyped-def]
    if position + len(word) > stop:
        return False
    for k in range(len(word)):  # noqa: SIM110 - compiled code knows no generators
        if text[position + k] != word[k]:
            return False
    return True


@kernel
def _read_lines(  # type: ignore[no-untyped-def]
    text, starts, stops, tags, events, positions, firsts, n_before_at, numbers, flaw, flaw_position
):
    """Fill the columns of `_Lines` and each event's first flaw in a line; the number of lines."""
    line, n = 0, 0
    for event in range(len(starts)):
        position = starts[event]
        while position < stops[event] and flaw[event] == 0:
            stop = position
            while stop < stops[event] and text[stop] != _NEWLINE:
                stop += 1
            begin, tag, wrong = position, text[position], 0
            tags[line], events[line], positions[line], firsts[line], n_before_at[line] = tag, event, begin, n, -1
            position += 1
            if stop == begin or tag == _RETURN:
                position = stop + 1
                continue
            if position < stop and text[position] != _SPACE and text[position] != _RETURN:
                wrong = _LETTER
            elif tag == _A:  # only two attributes are read: others may hold anything
                space = position + 1
                while space < stop and text[space] != _SPACE:
                    space += 1
                if _begins_with(text, space + 1, stop, _STATUS_NAME):
                    tag = _STATUS_TAG
                elif _begins_with(text, space + 1, stop, _PLACE_NAME):
                    tag = _PLACE_TAG
                if tag != _A:
                    numbers[n], behind = _number(text, position + 1, space)
                    wrong = 0 if behind == space else _LINE
                    n += 1
                    position = space + 1 + len(_STATUS_NAME)
                    tags[line] = tag
            elif tag == _U:
                for unit in range(2):
                    while position < stop and text[position] == _SPACE:
                        position += 1
                    n_letters = 0
                    word = np.int64(0)
                    while position < stop and text[position] > _SPACE and n_letters < 4:
                        word = word << 8 | np.int64(text[position])
                        position += 1
                        n_letters += 1
                    if unit == 0:
                        numbers[n] = 1.0 if word == 0x474556 else (1e-3 if word == 0x4D4556 else 0.0)
                    else:
                        numbers[n + 1] = 1.0 if word == 0x434D else (0.1 if word == 0x4D4D else 0.0)
            elif tag not in (_E, _P, _V, _W, _N, _T, _C, _H, _F):
                wrong = _LETTER
            if tag == _U:
                n += 2
            elif tag in (_E, _P, _V, _W, _STATUS_TAG, _PLACE_TAG):
                depth = 0
                while position < stop and wrong == 0:
                    letter = text[position]
                    if letter in (_SPACE, _COMMA, _RETURN, _TAB):
                        position += 1
                    elif letter in (_OPEN, _CLOSE):
                        depth += 1 if letter == _OPEN else -1
                        position += 1
                    elif letter == _AT:
                        n_before_at[line] = n - firsts[line]
                        position += 1
                    else:
                        numbers[n], position = _number(text, position, stop)
                        n += 1
                        if position < 0 or (
                            position < stop
                            and not (text[position] <= _SPACE or text[position] == _COMMA or text[position] == _CLOSE)
                        ):
                            wrong = _LINE
                if wrong == 0 and depth != 0:
                    wrong = _LINE
            if wrong != 0:
                flaw[event], flaw_position[event] = wrong, begin
            line += 1
            position = stop + 1
    firsts[line] = n
    return line


@part
def _is_documentation(code, status):  # type: ignore[no-untyped-def]
    """Whether an entry only documents how the generator worked: partons, strings, intermediate states.

    Final (1), decayed (2), beam (4) and detector-made (201 and above) particles are particles; every other status, and
    quarks, diquarks, gluons, strings, clusters and pomerons of any status but beam, are documentation.
    """
    if status == 4 or status >= SIMULATION_STATUS:
        return False
    if status != 1 and status != 2:
        return True
    size = abs(code)
    if size <= 9 or size == 21 or 81 <= size <= 100 or size == 110 or size == 990 or size == 9990:
        return True
    return 1000 < size < 10000 and (size // 10) % 10 == 0  # diquarks


@part
def _bits(code, status):  # type: ignore[no-untyped-def]
    if status == 4:
        return _PRIMARY | _INITIAL
    if status >= SIMULATION_STATUS:
        return 0
    if _is_documentation(code, status):
        return _VIRTUAL
    return _PRIMARY | _STABLE if status == 1 else _PRIMARY


@kernel
def _fill_bits(code, generator_status, bits):  # type: ignore[no-untyped-def]
    for i in range(len(code)):
        if bits[i] < 0:
            bits[i] = _bits(code[i], generator_status[i])


@kernel
def _link(  # type: ignore[no-untyped-def]
    counts, status, made_in, ends_in, vertex_place, vertex_has_place, origin, mother, place, flaw
):
    """Mothers and places of production; flaw where the tree is cyclic.

    Mother: upwards, vertex by vertex, the first particle that ends there and is no documentation; where there is none,
    on from the first entry that ends there. A documentation entry's mother is the first entry of any kind.
    Place: of the vertex in which the particle is made, else of the nearest vertex above that has one, else the event's.
    """
    first_incoming = np.full(len(vertex_place), -1, np.int64)
    first_particle = np.full(len(vertex_place), -1, np.int64)
    for i in range(len(status)):
        vertex = ends_in[i]
        if vertex >= 0:
            if first_incoming[vertex] < 0:
                first_incoming[vertex] = i
            if first_particle[vertex] < 0 and status[i] & _VIRTUAL == 0:
                first_particle[vertex] = i
    start = 0
    for event in range(len(counts)):
        for i in range(start, start + counts[event]):
            wanted = first_incoming if status[i] & _VIRTUAL != 0 else first_particle
            mother[i] = -1
            vertex, n_steps = made_in[i], 0
            while vertex >= 0 and mother[i] < 0 and n_steps <= counts[event]:
                if wanted[vertex] >= 0:
                    mother[i] = wanted[vertex] - start
                vertex = made_in[first_incoming[vertex]] if first_incoming[vertex] >= 0 else np.int64(-1)
                n_steps += 1
            at, n_steps_to_place = made_in[i], 0
            while at >= 0 and not vertex_has_place[at] and n_steps_to_place <= counts[event]:
                at = made_in[first_incoming[at]] if first_incoming[at] >= 0 else np.int64(-1)
                n_steps_to_place += 1
            if max(n_steps, n_steps_to_place) > counts[event]:
                flaw[event] = _CYCLE
            if np.isnan(place[i, 0]):
                place[i] = vertex_place[at] if at >= 0 else origin[event]
        start += counts[event]


def status_bits(code: NDArray[np.int64], generator_status: NDArray[np.int64]) -> NDArray[np.int32]:
    """(n,) bits of `ParticleStatus` that follow from PDG codes and HepMC status codes."""
    bits = np.full(len(code), -1, dtype=np.int32)
    fill: Any = _fill_bits
    fill(code, generator_status, bits)
    return bits


def _integers(values: NDArray[np.float64], largest: float = 2.0**53) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers, and where a row (or entry) holds something else; those are 0."""
    with np.errstate(invalid="ignore"):
        is_whole = (np.abs(values) < largest) & (values == np.trunc(values))
    is_wrong = ~is_whole if values.ndim == 1 else ~is_whole.all(axis=1)
    return np.where(is_whole, values, 0).astype(np.int64), is_wrong


def _rank(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how many earlier entries are of the same group; ``group`` ascends."""
    return np.asarray(np.arange(len(group)) - np.searchsorted(group, group))


def _head(lines: _Lines, n_events: int, n_columns: int, flaws: _Flaws) -> NDArray[np.float64]:
    """(n_events, n_columns) of the lines ``E``, of which each event has one; flaws where it has not."""
    heads = lines.where(_E)
    flaws.at_events(
        np.bincount(lines.event[heads], minlength=n_events) != 1, _HEAD, lines.position[:1].repeat(n_events)
    )
    if flaws.flaw.any():
        return np.empty((0, n_columns))
    return lines.table(heads, n_columns)


def _events_3(lines: _Lines, n_events: int, flaws: _Flaws) -> _Record | None:
    """Particles and vertices of Asciiv3; None where an event has a flaw."""
    head = _head(lines, n_events, 7, flaws)
    if flaws.flaw.any():
        return None
    heads, particles, vertices = lines.where(_E), lines.where(_P), lines.where(_V)
    (number, n_vertices, n_particles), is_wrong = _columns(head[:, :3])
    has_origin = lines.n_before_at[heads] >= 0
    is_wrong |= lines.length(heads) != np.where(has_origin, 7, 3)
    flaws.at_lines(lines, heads[is_wrong], _LINE)
    event = lines.event[particles]
    flaws.at_events(np.bincount(event, minlength=n_events) != n_particles, _PARTICLES, lines.position[heads])
    n_lines = np.bincount(lines.event[vertices], minlength=n_events)
    flaws.at_events((n_lines > n_vertices) | (n_vertices > n_lines + n_particles), _VERTICES, lines.position[heads])
    table = lines.table(particles, 9)
    (identity, parent, code), is_wrong = _columns(table[:, :3], 2.0**31)
    generator_status, is_no_status = _integers(table[:, 8], 2.0**31)
    flaws.at_lines(lines, particles[is_wrong | is_no_status | (lines.length(particles) != 9)], _LINE)
    flaws.at_lines(lines, particles[identity != _rank(event) + 1], _NUMBERING)
    is_lost = (parent < -n_vertices[event]) | (parent > n_particles[event]) | (parent == identity)
    flaws.at_lines(lines, particles[is_lost], _REFERENCE)
    if flaws.flaw.any():
        return None
    first_particle = np.cumsum(n_particles) - n_particles
    first_vertex = np.cumsum(n_vertices + n_particles) - n_vertices - n_particles
    own_vertex = first_vertex[event] + n_vertices[event] + identity - 1  # of those without a vertex line
    n_all = int((n_vertices + n_particles).sum())
    ends_in, place, has_place = _vertices_3(
        lines, vertices, n_vertices, n_particles, first_particle, first_vertex, n_all, flaws
    )
    if flaws.flaw.any():
        return None
    by_particle = np.flatnonzero(parent > 0)
    parents = first_particle[event[by_particle]] + parent[by_particle] - 1
    ends_in[parents] = np.where(ends_in[parents] < 0, own_vertex[parents], ends_in[parents])
    made_in = np.where(parent < 0, first_vertex[event] - parent - 1, -1)
    made_in[by_particle] = ends_in[parents]
    is_lost = (parent < 0) & ~_is_among(made_in, first_vertex[lines.event[vertices]] - _first(lines, vertices) - 1)
    flaws.at_lines(lines, particles[is_lost], _REFERENCE)
    weight_lines = lines.where(_W)
    weight_event = np.repeat(lines.event[weight_lines], lines.length(weight_lines))
    weights = lines.numbers[_spread(lines.first[weight_lines], lines.length(weight_lines))]
    return _Record(
        number, event, code, table[:, 3:8], generator_status, made_in, ends_in, place, has_place,
        np.where(has_origin[:, None], head[:, 3:], 0.0), np.bincount(weight_event, minlength=n_events), weights,
    )  # fmt: skip


def _columns(
    table: NDArray[np.float64], largest: float = 2.0**53
) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.bool_]]:
    values, is_wrong = _integers(table, largest)
    return tuple(values.T), is_wrong


def _spread(first: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices ``first[0], first[0] + 1, ..., first[1], ...``, ``length[i]`` of each."""
    ends = np.cumsum(length)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - length), length))


def _first(lines: _Lines, which: NDArray[np.int64]) -> NDArray[np.int64]:
    return lines.table(which, 1)[:, 0].astype(np.int64)


def _is_among(values: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    ordered = np.sort(known)
    if not len(ordered):
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(ordered[np.searchsorted(ordered, values).clip(max=len(ordered) - 1)] == values)


def _vertices_3(
    lines: _Lines,
    vertices: NDArray[np.int64],
    n_vertices: NDArray[np.int64],
    n_particles: NDArray[np.int64],
    first_particle: NDArray[np.int64],
    first_vertex: NDArray[np.int64],
    n_all: int,
    flaws: _Flaws,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Lines ``V id status [incoming,...] [@ x y z t]``: where particles end, places, and which are given."""
    event = lines.event[vertices]
    length, before_at = lines.length(vertices), lines.n_before_at[vertices]
    (identity, _), is_wrong = _columns(lines.table(vertices, 2))
    n_incoming = np.where(before_at < 0, length, before_at) - 2
    is_wrong |= (n_incoming < 0) | ((before_at >= 0) & (length != before_at + 4))
    flaws.at_lines(lines, vertices[is_wrong], _LINE)
    is_wrong = (identity >= 0) | (identity < -n_vertices[event])
    vertex = first_vertex[event] - identity - 1
    order = np.argsort(vertex, kind="stable")
    is_wrong[order[1:][np.diff(vertex[order]) == 0]] = True
    flaws.at_lines(lines, vertices[is_wrong], _NUMBERING)
    ends_in = np.full(int(n_particles.sum()), -1, dtype=np.int64)
    place, has_place = np.zeros((n_all, 4)), np.zeros(n_all, dtype=np.bool_)
    if flaws.flaw.any():
        return ends_in, place, has_place
    line = np.repeat(np.arange(len(vertices)), n_incoming)
    incoming, is_wrong = _integers(lines.numbers[_spread(lines.first[vertices] + 2, n_incoming)])
    is_wrong |= (incoming < 1) | (incoming > n_particles[event[line]])
    flaws.at_lines(lines, vertices[line[is_wrong]], _REFERENCE)
    if flaws.flaw.any():
        return ends_in, place, has_place
    particle = first_particle[event[line]] + incoming - 1
    order = np.argsort(particle, kind="stable")
    flaws.at_lines(lines, np.sort(vertices[line[order[1:][np.diff(particle[order]) == 0]]]), _TWO_ENDS)
    ends_in[particle] = vertex[line]
    given = np.flatnonzero(before_at >= 0)
    place[vertex[given]] = lines.numbers[(lines.first[vertices[given]] + before_at[given])[:, None] + np.arange(4)]
    has_place[vertex[given]] = True
    return ends_in, place, has_place


def _events_2(lines: _Lines, n_events: int, flaws: _Flaws) -> _Record | None:
    """Particles and vertices of IO_GenEvent; None where an event has a flaw."""
    head = _head(lines, n_events, 11, flaws)
    if flaws.flaw.any():
        return None
    heads, particles, vertices = lines.where(_E), lines.where(_P), lines.where(_V)
    (number, n_vertices, n_random), is_wrong = _columns(head[:, [0, 7, 10]])
    length = lines.length(heads)
    is_wrong |= (n_random < 0) | (length < 12 + n_random)
    n_weights_at = np.minimum(lines.first[heads] + 11 + np.where(is_wrong, 0, n_random), lines.first[-1])
    n_weights, is_no_count = _integers(lines.numbers[n_weights_at])
    flaws.at_lines(lines, heads[is_wrong | is_no_count | (length != 12 + n_random + n_weights)], _LINE)
    event = lines.event[vertices]
    flaws.at_events(np.bincount(event, minlength=n_events) != n_vertices, _VERTICES, lines.position[heads])
    table = lines.table(vertices, 9)
    (barcode, n_orphans, n_outgoing, n_vertex_weights), is_wrong = _columns(table[:, [0, 6, 7, 8]], 2.0**31)
    is_wrong |= (n_orphans < 0) | (n_outgoing < 0) | (lines.length(vertices) != 9 + n_vertex_weights)
    flaws.at_lines(lines, vertices[is_wrong], _LINE)
    particle_table = lines.table(particles, 12)
    (code, generator_status, end, n_flows), is_wrong = _columns(particle_table[:, [1, 7, 10, 11]], 2.0**31)
    flaws.at_lines(lines, particles[is_wrong | (lines.length(particles) != 12 + 2 * n_flows)], _LINE)
    vertex = np.searchsorted(vertices, particles) - 1
    particle_event = lines.event[particles]
    is_stray = (vertex < 0) | (event[vertex.clip(min=0)] != particle_event) if len(vertices) else vertex < 0
    flaws.at_lines(lines, particles[is_stray], _PARTICLES)
    n_found = np.bincount(vertex[~is_stray], minlength=len(vertices))
    flaws.at_lines(lines, vertices[n_found != n_orphans + n_outgoing], _PARTICLES)
    key = (event << 33) + barcode
    order = np.argsort(key, kind="stable")
    flaws.at_lines(lines, np.sort(vertices[order[1:][np.diff(key[order]) == 0]]), _NUMBERING)
    if flaws.flaw.any():
        return None
    is_orphan = _rank(vertex) < n_orphans[vertex]
    end_key = (particle_event << 33) + end
    position = np.searchsorted(key[order], end_key).clip(max=max(len(key) - 1, 0))
    ends_in = np.where(end == 0, -1, order[position] if len(order) else -1)
    is_lost = (end != 0) & (key[ends_in] != end_key)
    flaws.at_lines(lines, particles[is_lost], _REFERENCE)
    return _Record(
        number, particle_event, code, particle_table[:, 2:7], generator_status, np.where(is_orphan, -1, vertex),
        ends_in, table[:, 2:6], (table[:, 2:6] != 0).any(axis=1),  # 0 0 0 0 is "not given", as HepMC3 takes it
        np.zeros((n_events, 4)), n_weights, lines.numbers[_spread(n_weights_at + 1, n_weights)],
    )  # fmt: skip


def _lines(text: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64], flaws: _Flaws) -> _Lines:
    capacity = text.count(b"\n") + len(starts) + 1
    tag = np.empty(capacity, dtype=np.uint8)
    event, position, first, n_before_at = (np.empty(capacity + 1, dtype=np.int64) for _ in range(4))
    numbers = np.empty(len(text) // 2 + 2)  # no text holds more numbers; memory that is not used is not taken
    read: Any = _read_lines
    n = read(
        np.frombuffer(text, dtype=np.uint8), starts, stops, tag, event, position, first, n_before_at, numbers,
        flaws.flaw, flaws.position,
    )  # fmt: skip
    numbers[first[n]] = np.nan  # one more than there are, so that there is always one to point at
    return _Lines(tag[:n], event[:n], position[:n], first[: n + 1], n_before_at[:n], numbers[: first[n] + 1])


def _attempt(
    text: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64], version: int, flaws: _Flaws
) -> ParsedEvents | None:
    """All events, or None and the flaws of some."""
    n_events = len(starts)
    lines = _lines(text, starts, stops, flaws)
    unit_lines = lines.where(_U)
    units = np.tile([1.0, 0.1], (n_events, 1))  # GeV and mm where the event does not say
    units[lines.event[unit_lines]] = lines.table(unit_lines, 2)
    flaws.at_events((units == 0).any(axis=1), _UNITS, starts)
    if flaws.flaw.any():
        return None
    record = (_events_3 if version == 3 else _events_2)(lines, n_events, flaws)
    if record is None or flaws.flaw.any():
        return None
    counts = np.bincount(record.particle_event, minlength=n_events)
    n_particles = len(record.code)
    status, mother = np.full(n_particles, -1, dtype=np.int32), np.empty(n_particles, dtype=np.int32)
    place = np.full((n_particles, 4), np.nan)
    _apply_attributes(lines, counts, status, place, flaws)
    if flaws.flaw.any():
        return None
    fill: Any = _fill_bits
    fill(record.code, record.generator_status, status)
    link: Any = _link
    link(
        counts, status, record.made_in, record.ends_in, record.vertex_place, record.vertex_has_place, record.origin,
        mother, place, flaws.flaw,
    )  # fmt: skip
    flaws.position[flaws.flaw != 0] = starts[flaws.flaw != 0]
    if flaws.flaw.any():
        return None
    unit = units[record.particle_event]
    place *= unit[:, 1:]
    place[:, 3] /= SPEED_OF_LIGHT
    return ParsedEvents(
        flaws.flaw, flaws.position, record.number, np.bincount(lines.event[unit_lines], minlength=n_events) > 0, counts,
        record.weight_counts, record.weights, record.code.astype(np.int32), status, mother,
        record.momentum * unit[:, :1], place,
    )  # fmt: skip


def _apply_attributes(
    lines: _Lines, counts: NDArray[np.int64], status: NDArray[np.int32], place: NDArray[np.float64], flaws: _Flaws
) -> None:
    """Status bits and places that the file states particle by particle."""
    first_particle = np.cumsum(counts) - counts
    for tag, n_columns in ((_STATUS_TAG, 2), (_PLACE_TAG, 5)):
        which = lines.where(tag)
        table = lines.table(which, n_columns)
        (identity,), is_wrong = _columns(table[:, :1])
        event = lines.event[which]
        is_wrong |= (identity < 1) | (identity > counts[event]) | (lines.length(which) != n_columns)
        flaws.at_lines(lines, which[is_wrong], _REFERENCE)
        particle = (first_particle[event] + identity - 1)[~is_wrong]
        if tag == _STATUS_TAG:
            status[particle] = _integers(table[~is_wrong, 1], 2.0**31)[0]
        else:
            place[particle] = table[~is_wrong, 1:]


def parse_events(text: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64], version: int) -> ParsedEvents:
    """The events in a piece of HepMC text.

    Parameters
    ----------
    text : lines of whole events.
    starts, stops : (n_events,) where in the text each event's lines begin (at its ``E``) and end.
    version : 2 or 3.
    """
    flaws = _Flaws(len(starts))
    good = np.arange(len(starts))
    while True:
        found = _Flaws(len(good))
        parsed = _attempt(text, starts[good], stops[good], version, found)
        if parsed is not None:
            break
        flaws.flaw[good], flaws.position[good] = found.flaw, found.position
        good = good[found.flaw == 0]
    if len(good) == len(starts):
        return parsed
    number, counts, weight_counts = (np.zeros(len(starts), dtype=np.int64) for _ in range(3))
    has_units = np.zeros(len(starts), dtype=np.bool_)
    number[good], counts[good], weight_counts[good] = parsed.number, parsed.counts, parsed.weight_counts
    has_units[good] = parsed.has_units
    return parsed._replace(
        flaw=flaws.flaw, flaw_position=flaws.position, number=number, has_units=has_units, counts=counts,
        weight_counts=weight_counts,
    )  # fmt: skip


__all__ = ["FLAWS", "SIMULATION_STATUS", "ParsedEvents", "parse_events", "status_bits"]
