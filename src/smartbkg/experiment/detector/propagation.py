"""Ways through the tracking volume: helices of charged particles, straight lines of neutral ones.

The field points along +z, so that a positive particle turns clockwise seen from +z. Helix parameters are those of
basf2: POCA = d0 · (sin φ0, -cos φ0), charge signed radius R = p_T / (0.0029979 · B) in cm, GeV, T.

A particle is here whatever has a point and a momentum there (``x, y, z`` in cm, ``px, py, pz`` in GeV): a `Ray`, or a
`smartbkg.experiment.detector.workspace.Particle`.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from smartbkg.compilation import part
from smartbkg.experiment.detector.parameters import GeometryParameters

GEV_PER_TESLA_CM: Final = 0.00299792458
BARREL, FORWARD, BACKWARD, NOWHERE = range(4)
#: A curling particle that has not reached an endcap after this transverse arc (cm) has stopped.
LONGEST_ARC: Final = 350.0
_SMALLEST_PT: Final = 1e-4


class Ray(NamedTuple):
    """A point on a particle's way and its momentum there."""

    x: float
    """cm"""
    y: float
    """cm"""
    z: float
    """cm"""
    px: float
    """GeV"""
    py: float
    """GeV"""
    pz: float
    """GeV"""


class Perigee(NamedTuple):
    """Helix at its point of closest approach to the z axis."""

    d0: float
    """cm, signed"""
    phi0: float
    """rad, direction of the transverse momentum"""
    z0: float
    """cm"""


class Exit(NamedTuple):
    """Where a particle enters the calorimeter."""

    place: int
    """`BARREL`, `FORWARD`, `BACKWARD` or `NOWHERE`"""
    arc: float
    """cm, transverse path from the production vertex"""
    x: float
    """cm"""
    y: float
    """cm"""
    z: float
    """cm"""


@part
def wrapped(angle: float) -> float:
    """The angle in (-π, π]."""
    return angle - 2.0 * math.pi * math.ceil((angle - math.pi) / (2.0 * math.pi))


@part
def perigee(particle, charge, field):  # type: ignore[no-untyped-def]  # compiled
    """`Perigee` of a particle of a charge (e) in a field (T)."""
    x, y, z, px, py, pz = particle.x, particle.y, particle.z, particle.px, particle.py, particle.pz
    pt = max(math.hypot(px, py), _SMALLEST_PT)
    radius = pt / (GEV_PER_TESLA_CM * field)
    cx = x + charge * radius * py / pt
    cy = y - charge * radius * px / pt
    distance = math.hypot(cx, cy)
    phi0 = math.atan2(charge * cx, -charge * cy) if distance > 0.0 else math.atan2(py, px)
    arc = -charge * radius * wrapped(phi0 - math.atan2(py, px))
    return Perigee(charge * (distance - radius), phi0, z + arc * pz / pt)


@part
def along_helix(particle, charge, field, arc):  # type: ignore[no-untyped-def]  # compiled
    """`Ray` of a particle of a charge (e) in a field (T) after a transverse arc (cm)."""
    x, y, z, px, py, pz = particle.x, particle.y, particle.z, particle.px, particle.py, particle.pz
    pt = max(math.hypot(px, py), _SMALLEST_PT)
    radius = pt / (GEV_PER_TESLA_CM * field)
    turn = -charge * arc / radius
    cosine, sine = math.cos(turn), math.sin(turn)
    qx, qy = px * cosine - py * sine, px * sine + py * cosine
    return Ray(
        x + charge * radius * (py - qy) / pt, y - charge * radius * (px - qx) / pt, z + arc * pz / pt, qx, qy, pz
    )


@part
def exit_of_helix(particle, charge, geometry):  # type: ignore[no-untyped-def]  # compiled
    """`Exit` of a charged particle into the calorimeter; `NOWHERE` for one that curls until it has stopped.

    Parameters
    ----------
    charge : e.
    geometry : record of `smartbkg.experiment.detector.parameters.GeometryParameters`.
    """
    x, y, z, px, py, pz = particle.x, particle.y, particle.z, particle.px, particle.py, particle.pz
    pt = max(math.hypot(px, py), _SMALLEST_PT)
    radius = pt / (GEV_PER_TESLA_CM * geometry.field)
    cx = x + charge * radius * py / pt
    cy = y - charge * radius * px / pt
    distance = math.hypot(cx, cy)
    place, arc = NOWHERE, LONGEST_ARC
    if distance + radius > geometry.ecl_radius and distance > 0.0:
        cosine = (radius**2 + distance**2 - geometry.ecl_radius**2) / (2.0 * radius * distance)
        opening = math.acos(min(1.0, max(-1.0, cosine)))
        at_exit = math.atan2(-cy, -cx) - charge * opening
        turned = charge * (math.atan2(y - cy, x - cx) - at_exit)
        turned -= 2.0 * math.pi * math.floor(turned / (2.0 * math.pi))
        place, arc = BARREL, radius * turned
    end = geometry.ecl_forward if pz > 0.0 else geometry.ecl_backward
    if pz != 0.0:
        to_end = (end - z) * pt / pz
        if to_end < arc:
            place, arc = (FORWARD if pz > 0.0 else BACKWARD), max(0.0, to_end)
    there = along_helix(particle, charge, geometry.field, arc)
    return Exit(place, arc, there.x, there.y, there.z)


@part
def exit_of_line(particle, geometry):  # type: ignore[no-untyped-def]  # compiled
    """`Exit` of a neutral particle into the calorimeter; the arc is the transverse path."""
    x, y, z, px, py, pz = particle.x, particle.y, particle.z, particle.px, particle.py, particle.pz
    pt = max(math.hypot(px, py), _SMALLEST_PT)
    along = (x * px + y * py) / pt
    arc = -along + math.sqrt(max(0.0, along * along + geometry.ecl_radius**2 - x * x - y * y))
    place = BARREL
    end = geometry.ecl_forward if pz > 0.0 else geometry.ecl_backward
    if pz != 0.0:
        to_end = (end - z) * pt / pz
        if to_end < arc:
            place, arc = (FORWARD if pz > 0.0 else BACKWARD), max(0.0, to_end)
    return Exit(place, arc, x + arc * px / pt, y + arc * py / pt, z + arc * pz / pt)


@part
def is_inside(x: float, y: float, z: float, geometry: GeometryParameters) -> bool:
    """True = within the tracking volume, before the calorimeter."""
    return x * x + y * y < geometry.ecl_radius**2 and geometry.ecl_backward < z < geometry.ecl_forward


@part
def interpolated(value: float, nodes: tuple[float, ...], levels: tuple[float, ...]) -> float:
    """Linear between nodes, constant outside."""
    if value <= nodes[0]:
        return levels[0]
    for i in range(1, len(nodes)):
        if value < nodes[i]:
            share = (value - nodes[i - 1]) / (nodes[i] - nodes[i - 1])
            return levels[i - 1] + share * (levels[i] - levels[i - 1])
    return levels[len(levels) - 1]
