"""Which generated particles meet the detector: those without daughters, and mothers that decay too far out."""

from __future__ import annotations

import numba
import numpy as np

from smartbkg.experiment.detector import final_state, workspace
from smartbkg.experiment.detector.final_state import CYCLE, Marks, Nodes
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.detector.workspace import NO_DECAY, NO_TRACK, STACKED, TRACK_ONLY, WORKSPACE


@numba.njit
def push_event(record, detector, nodes, columns):  # type: ignore[no-untyped-def]
    n = nodes.last - nodes.first
    marks = Marks(np.empty(n, np.bool_), np.empty(n, np.bool_), np.empty(n, np.bool_))
    return final_state.push_final_state(record[0], detector[0], nodes, columns, marks)


@numba.njit
def pop_all(record):  # type: ignore[no-untyped-def]
    found = []
    while record[0]["count"][STACKED] > 0:
        particle = workspace.pop(record[0])
        found.append((particle.code, particle.flags, particle.time))
    return found


def taken(codes: list[int], mother: list[int], radius: list[float]) -> dict[int, int]:
    """Code → flags of what meets the detector; ``radius`` is where each particle begins, cm."""
    n = len(codes)
    columns = (np.array(codes), *(np.full(n, 0.5, np.float32) for _ in range(3)), np.array(radius, np.float32),
               *(np.zeros(n, np.float32) for _ in range(3)))  # fmt: skip
    record = np.zeros(1, WORKSPACE)
    nodes = Nodes(0, n, np.arange(n), np.array(mother, dtype=np.int32))
    count = push_event(record, BELLE2.to_record(), nodes, columns)
    if count == CYCLE:
        return {CYCLE: CYCLE}
    found = {code: flags for code, flags, _ in pop_all(record)}
    assert len(found) == count
    return found


def test_particles_without_daughters_are_taken_and_mothers_are_not() -> None:
    assert taken([511, 211, -321], [-1, 0, 0], [0, 0, 0]) == {211: 0, -321: 0}


def test_a_mother_whose_daughters_begin_outside_is_taken_in_their_place() -> None:
    outside = 2 * BELLE2.geometry.ecl_radius
    assert taken([511, 130, 211, -211], [-1, 0, 1, 1], [0, 0, outside, outside]) == {130: NO_DECAY}


def test_a_kink_deep_in_the_chamber_leaves_the_mothers_track_alone() -> None:
    deep = BELLE2.tracking.kink_radius + 1.0
    assert taken([511, 211, -13], [-1, 0, 1], [0, 0, deep]) == {211: TRACK_ONLY, -13: NO_TRACK}


def test_daughters_may_come_before_their_mother_and_circles_are_told() -> None:
    assert taken([211, 511], [1, -1], [0, 0]) == {211: 0}
    assert taken([211, 321], [1, 0], [0, 0]) == {CYCLE: CYCLE}
