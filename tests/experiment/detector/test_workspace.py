"""The stack of waiting particles: last in, first out, and what finds no room is counted."""

from __future__ import annotations

import numba
import numpy as np

from smartbkg.experiment.detector import workspace
from smartbkg.experiment.detector.objects import FROM_PARTICLE, FROM_SECONDARY
from smartbkg.experiment.detector.workspace import NO_TRACK, OVERFLOW, STACKED, WORKSPACE, Particle


@numba.njit
def push_and_pop(record, first, second):  # type: ignore[no-untyped-def]
    work = record[0]
    workspace.push(work, first)
    workspace.push(work, second)
    return workspace.pop(work), workspace.pop(work)


@numba.njit
def push_many(record, particle, n):  # type: ignore[no-untyped-def]
    for _ in range(n):
        workspace.push(record[0], particle)


@numba.njit
def derived(particle):  # type: ignore[no-untyped-def]
    return (
        workspace.at_point(particle, 9.0, 8.0, 7.0, 6.0),
        workspace.with_momentum(particle, 0.1, 0.2, 0.3),
        workspace.secondary(particle, 22, 0.4, 0.5, 0.6, NO_TRACK),
    )


PION = Particle(-211, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 12, FROM_PARTICLE, 0)


def test_the_last_particle_comes_first_and_as_it_was() -> None:
    record = np.zeros(1, WORKSPACE)
    second = PION._replace(code=22, truth=-1, flags=NO_TRACK)
    assert push_and_pop(record, PION, second) == (second, PION)
    assert record[0]["count"][STACKED] == 0


def test_a_full_stack_counts_what_it_drops() -> None:
    record = np.zeros(1, WORKSPACE)
    room = record["stack"].shape[1]
    push_many(record, PION, room + 3)
    assert record[0]["count"][STACKED] == room
    assert record[0]["count"][OVERFLOW] == 3


def test_what_a_particle_makes_stands_where_it_stood_and_remembers_its_truth() -> None:
    moved, slowed, photon = derived(PION)
    assert moved == PION._replace(x=9.0, y=8.0, z=7.0, time=6.0)
    assert slowed == PION._replace(px=0.1, py=0.2, pz=0.3)
    assert photon == Particle(22, 0.4, 0.5, 0.6, 4.0, 5.0, 6.0, 7.0, 12, FROM_SECONDARY, NO_TRACK)
