"""The decay tree of a HepMC event: which entries are particles, whose daughters they are, and where they are made."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.events.columns import ParticleStatus
from smartbkg.io.hepmc.layouts import Record
from smartbkg.io.hepmc.lines import CYCLIC

#: First status code of particles made by a detector simulation (HepMC3 reserves 201 and above).
SIMULATION_STATUS: Final = 201

_PRIMARY: Final = ParticleStatus.PRIMARY
_STABLE: Final = ParticleStatus.STABLE_IN_GENERATOR
_VIRTUAL: Final = ParticleStatus.VIRTUAL
_INITIAL: Final = ParticleStatus.INITIAL
_UNKNOWN: Final = -2


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


@part
def _climb(vertex, wanted, first_incoming, made_in, known, most):  # type: ignore[no-untyped-def]
    """What is wanted at the nearest vertex from this one upwards, -1 for nothing, and the steps to it."""
    at, n_steps = np.int64(vertex), 0
    while at >= 0 and wanted[at] < 0 and known[at] == _UNKNOWN and n_steps <= most:
        at = made_in[first_incoming[at]] if first_incoming[at] >= 0 else np.int64(-1)
        n_steps += 1
    found = np.int64(-1)
    if at >= 0:
        found = wanted[at] if wanted[at] >= 0 else max(known[at], np.int64(-1))
    at = np.int64(vertex)
    for _ in range(n_steps):
        known[at] = found
        at = made_in[first_incoming[at]] if first_incoming[at] >= 0 else np.int64(-1)
    return found, n_steps


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
    vertex_with_place = np.where(vertex_has_place, np.arange(len(vertex_place)), -1)
    for i in range(len(status)):
        vertex = ends_in[i]
        if vertex >= 0:
            if first_incoming[vertex] < 0:
                first_incoming[vertex] = i
            if first_particle[vertex] < 0 and status[i] & _VIRTUAL == 0:
                first_particle[vertex] = i
    # What was found for a vertex serves all that lies below it, so that the time does not grow with the depth.
    mother_above = np.full(len(vertex_place), _UNKNOWN, np.int64)
    place_above = np.full(len(vertex_place), _UNKNOWN, np.int64)
    start = 0
    for event in range(len(counts)):
        for i in range(start, start + counts[event]):
            found, n_steps = np.int64(-1), 0
            if status[i] & _VIRTUAL == 0:
                found, n_steps = _climb(
                    made_in[i], first_particle, first_incoming, made_in, mother_above, counts[event]
                )
            elif made_in[i] >= 0:
                found = first_incoming[made_in[i]]
            mother[i] = found - start if found >= 0 else -1
            at, n_steps_to_place = _climb(
                made_in[i], vertex_with_place, first_incoming, made_in, place_above, counts[event]
            )
            if max(n_steps, n_steps_to_place) > counts[event]:
                flaw[event] = CYCLIC
            if np.isnan(place[i, 0]):
                place[i] = vertex_place[at] if at >= 0 else origin[event]
        start += counts[event]


def fill_status_bits(code: NDArray[np.int64], generator_status: NDArray[np.int64], bits: NDArray[np.int32]) -> None:
    """Fill those entries of ``bits`` (n,) that are negative with what follows from PDG codes and HepMC status codes."""
    fill: Any = _fill_bits
    fill(code, generator_status, bits)


def status_bits(code: NDArray[np.int64], generator_status: NDArray[np.int64]) -> NDArray[np.int32]:
    """(n,) bits of `ParticleStatus` that follow from PDG codes and HepMC status codes."""
    bits = np.full(len(code), -1, dtype=np.int32)
    fill_status_bits(code, generator_status, bits)
    return bits


def link_decay_tree(
    record: Record,
    counts: NDArray[np.int64],
    status: NDArray[np.int32],
    place: NDArray[np.float64],
    flaw: NDArray[np.int64],
) -> NDArray[np.int32]:
    """(n_particles,) mothers; fills the places of production that are NaN and notes events whose tree is cyclic.

    Parameters
    ----------
    record : particles and vertices of all events.
    counts : (n_events,) particles of each.
    status : (n_particles,) bits of `ParticleStatus`.
    place : (n_particles, 4), filled in.
    flaw : (n_events,), filled in.
    """
    mother = np.empty(len(status), dtype=np.int32)
    link: Any = _link
    link(
        counts, status, record.made_in, record.ends_in, record.vertex_place, record.vertex_has_place, record.origin,
        mother, place, flaw,
    )  # fmt: skip
    return mother


__all__ = ["SIMULATION_STATUS", "fill_status_bits", "link_decay_tree", "status_bits"]
