"""Vertices of two tracks, and the V0s: K_S, Λ and converted photons from pairs that meet away from the beam."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from smartbkg.compilation import part
from smartbkg.experiment.detector.objects import PID_MASSES, PION, PROTON
from smartbkg.experiment.detector.propagation import GEV_PER_TESLA_CM, wrapped

#: Columns of a V0's row in the working arrays of an event.
(V0_POSITIVE, V0_NEGATIVE, V0_CODE, V0_X, V0_Y, V0_Z, V0_PX, V0_PY, V0_PZ, V0_MASS) = range(10)
V0_COLUMNS: Final = V0_MASS + 1
#: Largest distance in z (cm) of two tracks at their vertex, and between circles that do not cross.
LARGEST_GAP: Final = 2.0
LARGEST_RADIUS: Final = 100.0
_KSHORT_WINDOW: Final = (0.32, 0.68)
_LAMBDA_WINDOW: Final = (1.07, 1.22)
_PHOTON_LARGEST_MASS: Final = 0.70
_ELECTRON_MASS, _PION_MASS, _PROTON_MASS = PID_MASSES[0], PID_MASSES[PION], PID_MASSES[PROTON]


class Helix(NamedTuple):
    """A track at its point of closest approach to the z axis."""

    px: float
    """GeV"""
    py: float
    """GeV"""
    pz: float
    """GeV"""
    charge: float
    """e"""
    d0: float
    """cm, signed"""
    z0: float
    """cm"""


class PairVertex(NamedTuple):
    """Where two tracks meet, and their momenta there."""

    is_found: bool
    """True = the two helices come within `LARGEST_GAP`"""
    gap: float
    """cm, distance of the helices in z at the vertex"""
    x: float
    """cm"""
    y: float
    """cm"""
    z: float
    """cm"""
    px_1: float
    """GeV"""
    py_1: float
    """GeV"""
    px_2: float
    """GeV"""
    py_2: float
    """GeV"""


@part
def _at_point(helix, x, y, field):  # type: ignore[no-untyped-def]  # compiled
    """Momentum (px, py) and z of a `Helix` where it passes the transverse point (x, y), cm, in a field (T)."""
    px, py, charge, d0, z0 = helix.px, helix.py, helix.charge, helix.d0, helix.z0
    pt = math.hypot(px, py)
    slope = helix.pz / pt
    radius = pt / (GEV_PER_TESLA_CM * field)
    phi0 = math.atan2(py, px)
    cx, cy = (d0 + charge * radius) * math.sin(phi0), -(d0 + charge * radius) * math.cos(phi0)
    rx, ry = x - cx, y - cy
    length = max(math.hypot(rx, ry), 1e-9)
    qx, qy = charge * pt * ry / length, -charge * pt * rx / length
    arc = -charge * radius * wrapped(math.atan2(qy, qx) - phi0)
    return qx, qy, z0 + arc * slope


@part
def pair_vertex(one, two, field):  # type: ignore[no-untyped-def]  # compiled
    """The common vertex of two tracks, each a `Helix`, in a field (T).

    The circles of the two helices are intersected in the transverse plane, and of two crossings the one with the
    smaller distance in z is taken; circles that miss one another give the point halfway.

    Returns
    -------
    `PairVertex`; transverse momenta are those at the vertex, p_z is unchanged.
    """
    pt_1, pt_2 = math.hypot(one.px, one.py), math.hypot(two.px, two.py)
    radius_1, radius_2 = pt_1 / (GEV_PER_TESLA_CM * field), pt_2 / (GEV_PER_TESLA_CM * field)
    to_1, to_2 = one.d0 + one.charge * radius_1, two.d0 + two.charge * radius_2
    x_1, y_1 = to_1 * one.py / pt_1, -to_1 * one.px / pt_1
    x_2, y_2 = to_2 * two.py / pt_2, -to_2 * two.px / pt_2
    dx, dy = x_2 - x_1, y_2 - y_1
    distance = math.hypot(dx, dy)
    nothing = PairVertex(False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if distance < 1e-6:
        return nothing
    ux, uy = dx / distance, dy / distance
    along = (radius_1**2 - radius_2**2 + distance**2) / (2.0 * distance)
    squared = radius_1**2 - along**2
    half = 0.0
    if squared > 0.0:
        half = math.sqrt(squared)
    elif distance > radius_1 + radius_2:
        if distance - radius_1 - radius_2 > LARGEST_GAP:
            return nothing
        along = 0.5 * (radius_1 + distance - radius_2)
    else:
        if abs(radius_1 - radius_2) - distance > LARGEST_GAP:
            return nothing
        inner = 0.5 * (distance + radius_1 + radius_2)
        along = inner if radius_1 > radius_2 else distance - inner
    best = nothing
    for side in (-1.0, 1.0):
        x, y = x_1 + along * ux - side * half * uy, y_1 + along * uy + side * half * ux
        ax, ay, z_a = _at_point(one, x, y, field)
        bx, by, z_b = _at_point(two, x, y, field)
        gap = abs(z_a - z_b)
        if gap < LARGEST_GAP and (not best.is_found or gap < best.gap):
            best = PairVertex(True, gap, x, y, 0.5 * (z_a + z_b), ax, ay, bx, by)
        if half == 0.0:
            break
    return best


@part
def pair_mass(vertex, pz_1, mass_1, pz_2, mass_2):  # type: ignore[no-untyped-def]  # compiled
    """Invariant mass (GeV) of two tracks at their `PairVertex`, of these p_z and masses (GeV)."""
    px_1, py_1, px_2, py_2 = vertex.px_1, vertex.py_1, vertex.px_2, vertex.py_2
    energy = math.sqrt(px_1**2 + py_1**2 + pz_1**2 + mass_1**2) + math.sqrt(px_2**2 + py_2**2 + pz_2**2 + mass_2**2)
    squared = energy**2 - (px_1 + px_2) ** 2 - (py_1 + py_2) ** 2 - (pz_1 + pz_2) ** 2
    return math.sqrt(max(0.0, squared))


@part
def add_hypotheses(rows, count, positive, negative, vertex, pz_1, pz_2):  # type: ignore[no-untyped-def]  # compiled
    """Append a V0 for each hypothesis in whose loose mass window the pair lies; returns the new count.

    Parameters
    ----------
    rows : (capacity, `V0_COLUMNS`) float64, filled up to ``count``.
    positive, negative : the tracks, counted within the event.
    vertex : `PairVertex` of the two.
    pz_1, pz_2 : GeV, of the positive and the negative track.
    """
    for code in (310, 3122, -3122, 22):
        mass_1 = _PROTON_MASS if code == 3122 else (_ELECTRON_MASS if code == 22 else _PION_MASS)
        mass_2 = _PROTON_MASS if code == -3122 else (_ELECTRON_MASS if code == 22 else _PION_MASS)
        mass = pair_mass(vertex, pz_1, mass_1, pz_2, mass_2)
        low, high = 0.0, _PHOTON_LARGEST_MASS
        if code == 310:
            low, high = _KSHORT_WINDOW
        elif code != 22:
            low, high = _LAMBDA_WINDOW
        if not low < mass < high or count == len(rows):
            continue
        row = rows[count]
        row[V0_POSITIVE], row[V0_NEGATIVE], row[V0_CODE] = positive, negative, code
        row[V0_X], row[V0_Y], row[V0_Z] = vertex.x, vertex.y, vertex.z
        row[V0_PX], row[V0_PY], row[V0_PZ] = vertex.px_1 + vertex.px_2, vertex.py_1 + vertex.py_2, pz_1 + pz_2
        row[V0_MASS] = mass
        count += 1
    return count
