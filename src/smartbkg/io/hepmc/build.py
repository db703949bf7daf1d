"""Events of other formats as parts of Asciiv3, from their columns, many at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import VARIATION_PREFIX, WEIGHT, ParticleStatus
from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.io.hepmc.formatting import cut, joined, lines_of, placed
from smartbkg.io.hepmc.text import RunHeader
from smartbkg.io.hepmc.tree import status_bits
from smartbkg.io.hepmc.version2 import EventParts
from smartbkg.io.hepmc.weights import DEFAULT_NAME

_AXES = ("x", "y", "z")


class DecayTree(NamedTuple):
    """Particles with mothers before daughters, and the vertices between them."""

    columns: dict[str, NDArray[Any]]
    event: NDArray[np.int64]
    """(n_particles,) position of the event."""
    local: NDArray[np.int64]
    """(n_particles,) position in the event."""
    mother: NDArray[np.int64]
    """(n_particles,) position of the mother in the event, -1 for none."""
    has_daughters: NDArray[np.bool_]
    vertex: NDArray[np.int64]
    """(n_particles,) production vertex; particles without a mother share one of their event."""
    first_daughter: NDArray[np.int64]
    """(n_vertices,) particle that is the first of each."""
    identity: NDArray[np.int64]
    """(n_vertices,) its number in the format, 0 for "none"."""


def parts_of_columns(batch: EventBatch) -> tuple[RunHeader, list[EventParts]]:
    """Events as parts of Asciiv3, from their columns; units GEV and CM.

    Particles keep their order where mothers come first, else they are put behind them. Daughters of one mother share a
    vertex, as HepMC wants it; a particle made elsewhere (photon conversions, decays in flight) says so in its attribute
    ``smartbkg_vertex``, and status bits that do not follow from the status code are in ``smartbkg_status``.
    """
    names = [name for name in batch.event if name.startswith(VARIATION_PREFIX)]
    weights = np.stack([batch.event[name] for name in (names or [WEIGHT])], axis=1).tolist()
    header = RunHeader(3, (), tuple(name.removeprefix(VARIATION_PREFIX) for name in names) or (DEFAULT_NAME,))
    n_events = len(batch)
    if not n_events:
        return header, []
    tree = decay_tree(batch)
    bodies, attributes, positions = _texts(tree, batch.counts)
    vertex_event = tree.event[tree.first_daughter]
    n_vertices = np.bincount(vertex_event[tree.identity < 0], minlength=n_events).tolist()
    return header, [
        EventParts(
            n_vertices[k], n_particles, positions[k], b"GEV CM", tuple(repr(weight).encode() for weight in weights[k]),
            attributes[k], bodies[k],
        )
        for k, n_particles in enumerate(batch.counts.tolist())
    ]  # fmt: skip


def decay_tree(batch: EventBatch) -> DecayTree:
    """The particles of a batch in the order in which formats with relations want them.

    Raises
    ------
    EventError
        A particle is its own ancestor.
    """
    counts = np.asarray(batch.counts, dtype=np.int64)
    start = np.repeat(np.asarray(batch.offsets[:-1], dtype=np.int64), counts)
    event = np.repeat(np.arange(len(counts)), counts)
    local = np.arange(len(start)) - start
    columns = dict(batch.particle)
    own, wanted = columns["arrayIndex"].astype(np.int64), columns["motherIndex"].astype(np.int64)
    has_mother = (wanted >= 0) & (wanted < counts[event]) & (wanted != own)
    mother = np.where(has_mother, wanted, -1)
    if (own != local).any() or (mother >= local).any():
        order, mother = _ordered(batch, counts)
        columns = {name: column[order] for name, column in columns.items()}
    has_daughters = np.zeros(len(start), dtype=np.bool_)
    has_daughters[(start + mother)[mother >= 0]] = True
    _, first_daughter, vertex = np.unique(start + event + mother + 1, return_index=True, return_inverse=True)
    vertex_event = event[first_daughter]
    has_none = np.zeros(len(counts), dtype=np.int64)
    has_none[vertex_event[mother[first_daughter] < 0]] = 1
    rank = np.arange(len(vertex_event)) - np.searchsorted(vertex_event, vertex_event)
    identity = has_none[vertex_event] - rank - 1
    return DecayTree(columns, event, local, mother, has_daughters, vertex, first_daughter, identity)


def _ordered(batch: EventBatch, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order of all particles with mothers before daughters, and then each one's mother in its event, or -1."""
    orders, mothers = [], []
    for index, start in enumerate(batch.offsets[:-1].tolist()):
        here = slice(start, start + int(counts[index]))
        own, wanted = batch.particle["arrayIndex"][here], batch.particle["motherIndex"][here]
        order = np.argsort(own, kind="stable")
        place = np.searchsorted(own[order], wanted).clip(max=max(len(own) - 1, 0))
        mother = np.where((wanted >= 0) & (own[order][place] == wanted) & (own != wanted), order[place], -1)
        if (mother < np.arange(len(own))).all():
            order = np.arange(len(own))
        else:
            order, mother = _mothers_first(mother, batch, index)
        orders.append(start + order)
        mothers.append(mother)
    return np.concatenate(orders), np.concatenate(mothers)


def _mothers_first(
    mother: NDArray[np.int64], batch: EventBatch, index: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of the particles of one event by their generation, and their mothers in that order."""
    depth, above = (mother >= 0).astype(np.int64), mother.copy()
    for _ in range(len(mother).bit_length() + 1):  # each round doubles the distance to the ancestor that is looked at
        depth += np.where(above >= 0, depth[above], 0)
        above = np.where(above >= 0, above[above], -1)
    if (above >= 0).any():
        raise EventError("the decay tree is cyclic", source=batch.source, event=batch.event_id(index))
    order = np.argsort(depth, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    mother = mother[order]
    return order, np.where(mother >= 0, position[mother], -1)


def status_codes(tree: DecayTree) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Status codes of HepMC, and True where the bits do not follow from them."""
    bits = tree.columns["status"].astype(np.int64)
    status = np.where(~tree.has_daughters | (bits & ParticleStatus.STABLE_IN_GENERATOR != 0), 1, 2)
    status[bits & ParticleStatus.PRIMARY == 0] = 201
    status[bits & ParticleStatus.VIRTUAL != 0] = 3
    status[bits & ParticleStatus.INITIAL != 0] = 4
    return status, bits != status_bits(tree.columns["PDG"].astype(np.int64), status)


def _texts(tree: DecayTree, counts: NDArray[np.int64]) -> tuple[list[bytes], list[bytes], list[bytes | None]]:
    """Lines of particles and vertices, of attributes, and the position, of each event."""
    columns, first = tree.columns, tree.first_daughter
    number = tree.local + 1
    status, is_special = status_codes(tree)
    time = columns["prodTime"].astype(np.float64) * SPEED_OF_LIGHT
    place = [*(columns[axis] for axis in _AXES), time]
    is_elsewhere = np.zeros(len(number), dtype=np.bool_)
    for values in place:
        is_elsewhere |= values != values[first][tree.vertex]
    particles = lines_of(
        "P", number, tree.identity[tree.vertex], columns["PDG"], columns["px"], columns["py"], columns["pz"],
        columns["energy"], columns["mass"], status,
    )  # fmt: skip
    made = first[tree.identity < 0]
    head = joined("V ", tree.identity[tree.identity < 0], " 0 [", tree.mother[made] + 1, "]")
    vertices = lines_of(head, "@", *(values[made] for values in place))
    bodies = cut(joined(placed(vertices, made, len(number)), particles), counts)
    special, elsewhere = np.flatnonzero(is_special), np.flatnonzero(is_elsewhere)
    bits = lines_of("A", number[special], "smartbkg_status", columns["status"][special])
    places = lines_of("A", number[elsewhere], "smartbkg_vertex", *(values[elsewhere] for values in place))
    n_events = len(counts)
    attributes = [
        one + other
        for one, other in zip(
            cut(bits, np.bincount(tree.event[special], minlength=n_events)),
            cut(places, np.bincount(tree.event[elsewhere], minlength=n_events)),
            strict=True,
        )
    ]
    positions: list[bytes | None] = [None] * n_events
    origins = first[(tree.identity == 0) & np.any([values[first] != 0 for values in place], axis=0)]
    texts = joined(*(values[origins] for values in place), by=" ").to_pylist()
    for index, text in zip(tree.event[origins].tolist(), texts, strict=True):
        positions[index] = text.encode()
    return bodies, attributes, positions


__all__ = ["DecayTree", "decay_tree", "parts_of_columns", "status_codes"]
