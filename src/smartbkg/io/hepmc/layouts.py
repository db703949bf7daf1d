"""The two layouts of a HepMC event, Asciiv3 and IO_GenEvent: numbers of lines to particles and vertices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.io.hepmc.lines import (
    BAD_LINE,
    EVENT,
    LOST_REFERENCE,
    NO_HEAD,
    PARTICLE,
    TWO_ENDS,
    VERTEX,
    WEIGHTS,
    WRONG_NUMBERING,
    WRONG_PARTICLES,
    WRONG_VERTICES,
    Flaws,
    Lines,
)


class Record(NamedTuple):
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
    """(n_events, 4) place of particles without a vertex; NaN where the event does not say."""
    weight_counts: NDArray[np.int64]
    weights: NDArray[np.float64]
    particle_at: NDArray[np.int64]
    """(n_particles,) where in the text each particle's line begins."""
    vertex_at: NDArray[np.int64]
    """(n_vertex_lines,) where in the text each vertex's line begins."""
    vertex_event: NDArray[np.int64]


def integers(values: NDArray[np.float64], largest: float = 2.0**53) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers, and where a row (or entry) holds something else; those are 0."""
    with np.errstate(invalid="ignore"):
        is_whole = (np.abs(values) < largest) & (values == np.trunc(values))
    is_wrong = ~is_whole if values.ndim == 1 else ~is_whole.all(axis=1)
    return np.where(is_whole, values, 0).astype(np.int64), is_wrong


def _rank(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how many earlier entries are of the same group; ``group`` ascends."""
    return np.asarray(np.arange(len(group)) - np.searchsorted(group, group))


def _head(lines: Lines, n_events: int, n_columns: int, flaws: Flaws) -> NDArray[np.float64]:
    """(n_events, n_columns) of the lines ``E``, of which each event has one; flaws where it has not."""
    heads = lines.where(EVENT)
    flaws.at_events(
        np.bincount(lines.event[heads], minlength=n_events) != 1, NO_HEAD, lines.position[:1].repeat(n_events)
    )
    if flaws.flaw.any():
        return np.empty((0, n_columns))
    return lines.table(heads, n_columns)


def events_3(lines: Lines, n_events: int, flaws: Flaws) -> Record | None:
    """Particles and vertices of Asciiv3; None where an event has a flaw."""
    head = _head(lines, n_events, 7, flaws)
    if flaws.flaw.any():
        return None
    heads, particles, vertices = lines.where(EVENT), lines.where(PARTICLE), lines.where(VERTEX)
    (n_vertices, n_particles), is_wrong = integer_columns(head[:, 1:3])
    has_origin = lines.n_before_at[heads] >= 0
    is_wrong |= lines.length(heads) != np.where(has_origin, 7, 3)
    flaws.at_lines(lines, heads[is_wrong], BAD_LINE)
    event = lines.event[particles]
    flaws.at_events(np.bincount(event, minlength=n_events) != n_particles, WRONG_PARTICLES, lines.position[heads])
    n_lines = np.bincount(lines.event[vertices], minlength=n_events)
    flaws.at_events(n_lines > n_vertices, WRONG_VERTICES, lines.position[heads])
    table = lines.table(particles, 9)
    (identity, parent, code), is_wrong = integer_columns(table[:, :3], 2.0**31)
    generator_status, is_no_status = integers(table[:, 8], 2.0**31)
    flaws.at_lines(lines, particles[is_wrong | is_no_status | (lines.length(particles) != 9)], BAD_LINE)
    flaws.at_lines(lines, particles[identity != _rank(event) + 1], WRONG_NUMBERING)
    is_lost = (parent < -n_vertices[event]) | (parent > n_particles[event]) | (parent == identity)
    flaws.at_lines(lines, particles[is_lost], LOST_REFERENCE)
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
    implied = np.unique(parents[ends_in[parents] < 0])
    n_implied = np.bincount(event[implied], minlength=n_events)
    flaws.at_events(n_lines + n_implied != n_vertices, WRONG_VERTICES, lines.position[heads])
    lines.is_plain[event[by_particle[ends_in[parents] >= 0]]] = False  # readers differ on what that means
    ends_in[parents] = np.where(ends_in[parents] < 0, own_vertex[parents], ends_in[parents])
    made_in = np.where(parent < 0, first_vertex[event] - parent - 1, -1)
    made_in[by_particle] = ends_in[parents]
    is_lost = (parent < 0) & ~_is_among(made_in, first_vertex[lines.event[vertices]] - _first(lines, vertices) - 1)
    flaws.at_lines(lines, particles[is_lost], LOST_REFERENCE)
    weight_lines = lines.where(WEIGHTS)
    weight_event = np.repeat(lines.event[weight_lines], lines.length(weight_lines))
    weights = lines.numbers[_spread(lines.first[weight_lines], lines.length(weight_lines))]
    return Record(
        lines.event_number, event, code, table[:, 3:8], generator_status, made_in, ends_in, place, has_place,
        np.where(has_origin[:, None], head[:, 3:], np.nan), np.bincount(weight_event, minlength=n_events), weights,
        lines.position[particles], lines.position[vertices], lines.event[vertices],
    )  # fmt: skip


def integer_columns(
    table: NDArray[np.float64], largest: float = 2.0**53
) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.bool_]]:
    values, is_wrong = integers(table, largest)
    return tuple(values.T), is_wrong


def _spread(first: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices ``first[0], first[0] + 1, ..., first[1], ...``, ``length[i]`` of each."""
    ends = np.cumsum(length)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - length), length))


def _first(lines: Lines, which: NDArray[np.int64]) -> NDArray[np.int64]:
    return lines.table(which, 1)[:, 0].astype(np.int64)


def _is_among(values: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    ordered = np.sort(known)
    if not len(ordered):
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(ordered[np.searchsorted(ordered, values).clip(max=len(ordered) - 1)] == values)


def _vertices_3(
    lines: Lines,
    vertices: NDArray[np.int64],
    n_vertices: NDArray[np.int64],
    n_particles: NDArray[np.int64],
    first_particle: NDArray[np.int64],
    first_vertex: NDArray[np.int64],
    n_all: int,
    flaws: Flaws,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Lines ``V id status [incoming,...] [@ x y z t]``: where particles end, places, and which are given."""
    event = lines.event[vertices]
    length, before_at = lines.length(vertices), lines.n_before_at[vertices]
    (identity, _), is_wrong = integer_columns(lines.table(vertices, 2))
    n_incoming = np.where(before_at < 0, length, before_at) - 2
    is_wrong |= (n_incoming < 0) | ((before_at >= 0) & (length != before_at + 4))
    flaws.at_lines(lines, vertices[is_wrong], BAD_LINE)
    is_wrong = (identity >= 0) | (identity < -n_vertices[event])
    vertex = first_vertex[event] - identity - 1
    order = np.argsort(vertex, kind="stable")
    is_wrong[order[1:][np.diff(vertex[order]) == 0]] = True
    flaws.at_lines(lines, vertices[is_wrong], WRONG_NUMBERING)
    ends_in = np.full(int(n_particles.sum()), -1, dtype=np.int64)
    place, has_place = np.zeros((n_all, 4)), np.zeros(n_all, dtype=np.bool_)
    if flaws.flaw.any():
        return ends_in, place, has_place
    line = np.repeat(np.arange(len(vertices)), n_incoming)
    incoming, is_wrong = integers(lines.numbers[_spread(lines.first[vertices] + 2, n_incoming)])
    is_wrong |= (incoming < 0) | (incoming > n_particles[event[line]])
    flaws.at_lines(lines, vertices[line[is_wrong]], LOST_REFERENCE)
    if flaws.flaw.any():
        return ends_in, place, has_place
    line, incoming = line[incoming > 0], incoming[incoming > 0]  # [0] is how readers of the format take "none"
    particle = first_particle[event[line]] + incoming - 1
    order = np.argsort(particle, kind="stable")
    flaws.at_lines(lines, np.sort(vertices[line[order[1:][np.diff(particle[order]) == 0]]]), TWO_ENDS)
    ends_in[particle] = vertex[line]
    given = np.flatnonzero(before_at >= 0)
    place[vertex[given]] = lines.numbers[(lines.first[vertices[given]] + before_at[given])[:, None] + np.arange(4)]
    has_place[vertex[given]] = True
    return ends_in, place, has_place


def events_2(lines: Lines, n_events: int, flaws: Flaws) -> Record | None:
    """Particles and vertices of IO_GenEvent; None where an event has a flaw."""
    head = _head(lines, n_events, 11, flaws)
    if flaws.flaw.any():
        return None
    heads, particles, vertices = lines.where(EVENT), lines.where(PARTICLE), lines.where(VERTEX)
    (_, _, n_vertices, n_random), is_wrong = integer_columns(head[:, [5, 6, 7, 10]])
    length = lines.length(heads)
    is_wrong |= (n_random < 0) | (length < 12 + n_random)
    n_weights_at = np.minimum(lines.first[heads] + 11 + np.where(is_wrong, 0, n_random), lines.first[-1])
    n_weights, is_no_count = integers(lines.numbers[n_weights_at])
    flaws.at_lines(lines, heads[is_wrong | is_no_count | (length != 12 + n_random + n_weights)], BAD_LINE)
    event = lines.event[vertices]
    flaws.at_events(np.bincount(event, minlength=n_events) != n_vertices, WRONG_VERTICES, lines.position[heads])
    table = lines.table(vertices, 9)
    (barcode, n_orphans, n_outgoing, n_vertex_weights), is_wrong = integer_columns(table[:, [0, 6, 7, 8]], 2.0**31)
    is_wrong |= (n_orphans < 0) | (n_outgoing < 0) | (lines.length(vertices) != 9 + n_vertex_weights)
    flaws.at_lines(lines, vertices[is_wrong], BAD_LINE)
    particle_table = lines.table(particles, 12)
    (code, generator_status, end, n_flows), is_wrong = integer_columns(particle_table[:, [1, 7, 10, 11]], 2.0**31)
    flaws.at_lines(lines, particles[is_wrong | (lines.length(particles) != 12 + 2 * n_flows)], BAD_LINE)
    vertex = np.searchsorted(vertices, particles) - 1
    particle_event = lines.event[particles]
    is_stray = (vertex < 0) | (event[vertex.clip(min=0)] != particle_event) if len(vertices) else vertex < 0
    flaws.at_lines(lines, particles[is_stray], WRONG_PARTICLES)
    n_found = np.bincount(vertex[~is_stray], minlength=len(vertices))
    flaws.at_lines(lines, vertices[n_found < n_orphans + n_outgoing], WRONG_PARTICLES)  # PYTHIA 8 announced too few
    key = (event << 33) + barcode
    order = np.argsort(key, kind="stable")
    flaws.at_lines(lines, np.sort(vertices[order[1:][np.diff(key[order]) == 0]]), WRONG_NUMBERING)
    if flaws.flaw.any():
        return None
    end_key = (particle_event << 33) + end
    position = np.searchsorted(key[order], end_key).clip(max=max(len(key) - 1, 0))
    ends_in = np.where(end == 0, -1, order[position] if len(order) else -1)
    is_lost = (end != 0) & (key[ends_in] != end_key)
    flaws.at_lines(lines, particles[is_lost], LOST_REFERENCE)
    made_in = np.where(ends_in == vertex, -1, vertex)  # listed where it ends: it comes from nowhere
    _move_beams(made_in, ends_in, generator_status, len(vertices))
    return Record(
        lines.event_number, particle_event, code, particle_table[:, 2:7], generator_status, made_in,
        ends_in, table[:, 2:6], (table[:, 2:6] != 0).any(axis=1),  # 0 0 0 0 is "not given", as HepMC3 takes it
        np.full((n_events, 4), np.nan), n_weights, lines.numbers[_spread(n_weights_at + 1, n_weights)],
        lines.position[particles], lines.position[vertices], event,
    )  # fmt: skip


def _move_beams(
    made_in: NDArray[np.int64], ends_in: NDArray[np.int64], status: NDArray[np.int64], n_vertices: int
) -> None:
    """Beam particles that come out of a vertex which nothing enters, enter it instead: so HepMC3 reads HepMC2."""
    has_incoming = np.bincount(ends_in[ends_in >= 0], minlength=n_vertices) > 0
    is_beam = np.flatnonzero((status == 4) & (ends_in < 0) & (made_in >= 0))
    is_beam = is_beam[~has_incoming[made_in[is_beam]]]
    ends_in[is_beam], made_in[is_beam] = made_in[is_beam], -1
