"""Which particles of a generated event meet the detector, and how.

A particle without daughters does. One with daughters does not, they do in its place, with two exceptions: where the
daughters begin outside the tracking volume the generator let something decay that in truth reaches the calorimeter
first (a K_L, a slow π), so the mother is taken and all its descendants are invisible; and a charged particle that
decays deep in the drift chamber leaves its own track, while its daughters leave none.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.experiment.detector.objects import FROM_PARTICLE
from smartbkg.experiment.detector.passage import kind_of
from smartbkg.experiment.detector.propagation import is_inside
from smartbkg.experiment.detector.workspace import NO_DECAY, NO_TRACK, TRACK_ONLY, Particle, push

#: Returned by `push_final_state` for an event in which a particle is its own ancestor.
CYCLE = -1


class Nodes(NamedTuple):
    """The particles of one event, as nodes of a decay graph."""

    first: int
    """the first node of the event"""
    last: int
    """the node after its last"""
    particle: NDArray[np.int64]
    """(n_nodes,) of all events: position of each node in the columns"""
    mother: NDArray[np.int32]
    """(n_nodes,) of all events: position of the mother within the event's nodes, -1 where there is none; any order"""


class Marks(NamedTuple):
    """Working space: what is known of each node of an event, (capacity,) each."""

    is_mother: NDArray[np.bool_]
    decays_outside: NDArray[np.bool_]
    decays_deep: NDArray[np.bool_]


@part
def push_final_state(work, detector, nodes, columns, marks):  # type: ignore[no-untyped-def]  # compiled
    """Put an event's particles on the stack.

    Parameters
    ----------
    work : record of `smartbkg.experiment.detector.workspace.WORKSPACE`.
    detector : record of `smartbkg.experiment.detector.parameters.DetectorParameters.to_record`.
    nodes : `Nodes`.
    columns : PDG, px, py, pz, x, y, z, prodTime of the batch, (n_particles,) each.
    marks : `Marks`.

    Returns
    -------
    Number of particles taken, or `CYCLE`.
    """
    first, last, particle, mother = nodes.first, nodes.last, nodes.particle, nodes.mother
    is_mother, decays_outside, decays_deep = marks.is_mother, marks.decays_outside, marks.decays_deep
    pdg, px, py, pz, x, y, z, time = columns
    n = last - first
    for node in range(n):
        is_mother[node] = decays_outside[node] = decays_deep[node] = False
    for node in range(n):
        m = mother[first + node]
        if m < 0:
            continue
        i = particle[first + node]
        is_mother[m] = True
        if not is_inside(x[i], y[i], z[i], detector.geometry):
            decays_outside[m] = True
        elif math.hypot(x[i], y[i]) > detector.tracking.kink_radius and kind_of(abs(pdg[particle[first + m]])) >= 0:
            decays_deep[m] = True
    taken = 0
    for node in range(n):
        is_hidden = False
        ancestor = mother[first + node]
        steps = 0
        while ancestor >= 0:
            is_hidden = is_hidden or decays_outside[ancestor]
            ancestor = mother[first + ancestor]
            steps += 1
            if steps > n:
                return CYCLE
        if is_hidden:
            continue
        flags = 0
        if decays_outside[node]:
            flags = NO_DECAY
        elif decays_deep[node]:
            flags = TRACK_ONLY
        elif is_mother[node]:
            continue
        m = mother[first + node]
        if m >= 0 and decays_deep[m]:
            flags |= NO_TRACK
        i = particle[first + node]
        since_first = float(time[i] - time[particle[first]])
        taken_particle = Particle(
            pdg[i], float(px[i]), float(py[i]), float(pz[i]), float(x[i]), float(y[i]), float(z[i]), since_first, i,
            FROM_PARTICLE, flags,
        )  # fmt: skip
        push(work, taken_particle)
        taken += 1
    return taken
