"""What compiled code hands on while an event passes through the detector: particles, places, and the working arrays.

Rows of the working arrays are numbered columns, for numba cannot grow arrays of records; the columns are named here and
nowhere else.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from smartbkg.compilation import part
from smartbkg.experiment.detector.objects import FROM_SECONDARY

#: Columns of a waiting particle's row: the fields of `Particle`.
(CODE, PX, PY, PZ, X, Y, Z, TIME, TRUTH, ORIGIN, FLAGS) = range(11)
STACK_COLUMNS: Final = FLAGS + 1
#: Bits of `FLAGS`.
NO_DECAY, NO_TRACK, TRACK_ONLY = 1, 2, 4
#: Columns of a track's row. The last five are the probabilities of the hypotheses.
(TRACK_PX, TRACK_PY, TRACK_PZ, TRACK_CHARGE, TRACK_D0, TRACK_Z0, TRACK_D0_ERROR, TRACK_Z0_ERROR, TRACK_HITS,
 TRACK_TRUTH, TRACK_ORIGIN, TRACK_KIND, TRACK_THETA_ECL, TRACK_PHI_ECL, TRACK_PID) = range(15)  # fmt: skip
TRACK_COLUMNS: Final = TRACK_PID + 5
#: Columns of a cluster's row.
(CLUSTER_ENERGY, CLUSTER_THETA, CLUSTER_PHI, CLUSTER_TRACK, CLUSTER_E9_E21, CLUSTER_HITS, CLUSTER_TIME,
 CLUSTER_TIME_ERROR, CLUSTER_DISTANCE, CLUSTER_TRUTH, CLUSTER_ORIGIN, CLUSTER_IS_PHOTON,
 CLUSTER_IS_HADRON) = range(13)  # fmt: skip
CLUSTER_COLUMNS: Final = CLUSTER_IS_HADRON + 1
#: Columns of a KLM cluster's row.
(KLM_THETA, KLM_PHI, KLM_LAYERS, KLM_TRACK, KLM_TRUTH) = range(5)
KLM_COLUMNS: Final = KLM_TRUTH + 1
#: Positions in the workspace's ``count``: rows in use, particles of unknown code, and what found no room.
STACKED, TRACKS, CLUSTERS, KLM, UNKNOWN, OVERFLOW = range(6)

#: Working arrays of one event as one record, which compiled code hands on as a single address. Rows in use of each
#: are in ``count``; ``state`` is the event's stream of random numbers.
WORKSPACE: Final = np.dtype(
    [
        ("count", np.int64, (6,)),
        ("state", np.uint64, (1,)),
        ("momenta", np.float64, (3, 3)),
        ("loglikelihood", np.float64, (5,)),
        ("stack", np.float64, (4096, STACK_COLUMNS)),
        ("tracks", np.float64, (1024, TRACK_COLUMNS)),
        ("clusters", np.float64, (8192, CLUSTER_COLUMNS)),
        ("klm", np.float64, (1024, KLM_COLUMNS)),
    ]
)


class Particle(NamedTuple):
    """A particle at the point where it begins."""

    code: int
    """PDG code"""
    px: float
    """GeV"""
    py: float
    """GeV"""
    pz: float
    """GeV"""
    x: float
    """cm"""
    y: float
    """cm"""
    z: float
    """cm"""
    time: float
    """ns"""
    truth: int
    """position of the generated particle that it is or comes from, -1 for beam background"""
    origin: int
    """`FROM_PARTICLE`, `FROM_SECONDARY` or `FROM_BEAM` of `smartbkg.experiment.detector.objects`"""
    flags: int
    """bits `NO_DECAY`, `NO_TRACK`, `TRACK_ONLY`"""


class Charged(NamedTuple):
    """A charged particle as the calorimeter needs it."""

    momentum: float
    """GeV"""
    mass: float
    """GeV"""
    charge: int
    """e"""
    kind: int
    """position in `smartbkg.experiment.detector.objects.PID_HYPOTHESES`"""


class Entry(NamedTuple):
    """Where a particle enters the calorimeter, and whose it is."""

    theta: float
    """rad"""
    phi: float
    """rad"""
    truth: int
    """as in `Particle`"""
    origin: int
    """as in `Particle`"""


@part
def at_point(particle, x, y, z, time):  # type: ignore[no-untyped-def]  # compiled
    """The `Particle` with its momentum at another point (cm) and time (ns)."""
    return Particle(
        particle.code, particle.px, particle.py, particle.pz, x, y, z, time, particle.truth, particle.origin,
        particle.flags,
    )  # fmt: skip


@part
def with_momentum(particle, px, py, pz):  # type: ignore[no-untyped-def]  # compiled
    """The `Particle` with another momentum (GeV)."""
    return Particle(
        particle.code, px, py, pz, particle.x, particle.y, particle.z, particle.time, particle.truth, particle.origin,
        particle.flags,
    )  # fmt: skip


@part
def secondary(particle, code, px, py, pz, flags):  # type: ignore[no-untyped-def]  # compiled
    """A `Particle` of code and momentum (GeV) that another makes where it stands."""
    return Particle(
        code, px, py, pz, particle.x, particle.y, particle.z, particle.time, particle.truth, FROM_SECONDARY, flags
    )


@part
def push(work, particle):  # type: ignore[no-untyped-def]  # compiled
    """Let a `Particle` wait on the stack of a `WORKSPACE`; where that is full, `OVERFLOW` counts it instead."""
    n = work.count[STACKED]
    if n == len(work.stack):
        work.count[OVERFLOW] += 1
        return
    row = work.stack[n]
    row[CODE], row[PX], row[PY], row[PZ] = particle.code, particle.px, particle.py, particle.pz
    row[X], row[Y], row[Z], row[TIME] = particle.x, particle.y, particle.z, particle.time
    row[TRUTH], row[ORIGIN], row[FLAGS] = particle.truth, particle.origin, particle.flags
    work.count[STACKED] = n + 1


@part
def pop(work):  # type: ignore[no-untyped-def]  # compiled
    """Take the `Particle` that came last from the stack, which must not be empty."""
    work.count[STACKED] -= 1
    row = work.stack[work.count[STACKED]]
    return Particle(
        int(row[CODE]), row[PX], row[PY], row[PZ], row[X], row[Y], row[Z], row[TIME], int(row[TRUTH]),
        int(row[ORIGIN]), int(row[FLAGS]),
    )  # fmt: skip
