"""Charged tracks: which particles become tracks, and how well their helices are measured."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.experiment.detector.objects import PION, PROTON
from smartbkg.experiment.detector.parameters import GeometryParameters, TrackingParameters
from smartbkg.experiment.detector.propagation import interpolated, perigee
from smartbkg.experiment.detector.workspace import (
    TRACK_CHARGE,
    TRACK_COLUMNS,
    TRACK_D0,
    TRACK_D0_ERROR,
    TRACK_HITS,
    TRACK_KIND,
    TRACK_ORIGIN,
    TRACK_PHI_ECL,
    TRACK_PX,
    TRACK_PY,
    TRACK_PZ,
    TRACK_THETA_ECL,
    TRACK_TRUTH,
    TRACK_Z0,
    TRACK_Z0_ERROR,
)
from smartbkg.experiment.random_stream import exponential, normal, uniform

#: Value of the entry angle of tracks that do not reach the calorimeter.
NO_ENTRY: Final = -1.0


@part
def acceptance(theta: float, geometry: GeometryParameters) -> float:
    """Factor in [0, 1] on the efficiency: 1 inside the acceptance, falling to 0 over its edge; theta in degrees."""
    outside = max(geometry.theta_minimum - theta, theta - geometry.theta_maximum)
    if outside <= 0.0:
        return 1.0
    return max(0.0, 1.0 - outside / geometry.acceptance_edge)


@part
def track_efficiency(
    pt: float, theta: float, radius: float, tracking: TrackingParameters, geometry: GeometryParameters
) -> float:
    """Probability that a particle which neither decays nor interacts becomes a track.

    Parameters
    ----------
    pt : GeV.
    theta : degrees.
    radius : cm, transverse distance of its production vertex from the axis.
    """
    by_momentum: float = interpolated(pt, tracking.efficiency_pt, tracking.efficiency)
    by_radius: float = interpolated(radius, tracking.radius_nodes, tracking.radius_efficiency)
    by_angle: float = acceptance(theta, geometry)
    return tracking.efficiency_scale * by_momentum * by_radius * by_angle


@part
def resolutions(pt, theta, radius, tracking, geometry):  # type: ignore[no-untyped-def]  # compiled
    """Widths of the core of the resolution.

    Returns
    -------
    (σ(p_T)/p_T, σ(d0) in cm, σ(z0) in cm, σ of azimuth and dip angle in rad)
    """
    sine = max(0.15, math.sin(math.radians(theta)))
    forward = 1.0 + (tracking.forward_momentum_factor - 1.0) * min(
        1.0, max(0.0, (50.0 - min(theta, 180.0 - theta)) / 20.0)
    )
    outside = 1.0
    if radius > tracking.silicon_radius:
        outside = tracking.outside_pixel_factor
    if radius > geometry.cdc_inner_radius:
        outside = tracking.outside_silicon_factor
    nodes = tracking.resolution_pt
    return (
        interpolated(pt, nodes, tracking.momentum_resolution) * forward * (1.0 if outside == 1.0 else 1.3),
        interpolated(pt, nodes, tracking.d0_resolution) * sine**-tracking.d0_sine_power * outside,
        interpolated(pt, nodes, tracking.z0_resolution) * sine**-tracking.z0_sine_power * outside,
        interpolated(pt, nodes, tracking.angle_resolution) * (1.0 if outside == 1.0 else 1.5),
    )


@part
def measure_track(row, particle, charge, kind, detector, state):  # type: ignore[no-untyped-def]  # compiled
    """Fill a track's row with the smeared helix of a particle.

    Parameters
    ----------
    row : (TRACK_COLUMNS,) float64, filled but for the identification.
    particle : `smartbkg.experiment.detector.workspace.Particle`.
    charge : true charge, e.
    kind : position in `smartbkg.experiment.detector.objects.PID_HYPOTHESES`.
    detector : record of `smartbkg.experiment.detector.parameters.DetectorParameters.to_record`.
    state : (1,) uint64, the event's stream of random numbers.
    """
    tracking, geometry = detector.tracking, detector.geometry
    px, py, pz = particle.px, particle.py, particle.pz
    pt = math.hypot(px, py)
    theta = math.degrees(math.atan2(pt, pz))
    helix = perigee(particle, charge, geometry.field)
    momentum, d0, z0, angle = resolutions(pt, theta, math.hypot(particle.x, particle.y), tracking, geometry)
    wide = tracking.tail_width if uniform(state) < tracking.tail_fraction else 1.0
    measured_pt = pt / max(0.2, 1.0 + momentum * wide * normal(state))
    phi = helix.phi0 + angle * wide * normal(state)
    sine = max(0.05, math.sin(math.radians(theta)))
    slope = pz / max(pt, 1e-4) + angle / sine**2 * wide * normal(state)
    measured_charge = charge
    if uniform(state) < tracking.wrong_charge[0] * (1.0 - pt / tracking.wrong_charge[1]):
        measured_charge = -charge
        phi += math.pi
        slope = -slope
    row[TRACK_PX] = measured_pt * math.cos(phi)
    row[TRACK_PY] = measured_pt * math.sin(phi)
    row[TRACK_PZ] = measured_pt * slope
    row[TRACK_CHARGE] = measured_charge
    row[TRACK_D0] = helix.d0 + d0 * wide * normal(state)
    row[TRACK_Z0] = helix.z0 + z0 * wide * normal(state)
    row[TRACK_D0_ERROR] = d0
    row[TRACK_Z0_ERROR] = z0
    row[TRACK_HITS] = drift_chamber_hits(pt, theta, state)
    row[TRACK_TRUTH] = particle.truth
    row[TRACK_ORIGIN] = particle.origin
    row[TRACK_KIND] = kind
    row[TRACK_THETA_ECL] = NO_ENTRY
    row[TRACK_PHI_ECL] = 0.0


@part
def drift_chamber_hits(pt: float, theta: float, state: NDArray[np.uint64]) -> int:
    """Hits of a track in the 56 layers: fewer where it curls back or leaves through the forward endcap."""
    layers = 53.0
    if theta < 35.0:
        layers *= max(0.2, (theta - 12.0) / 23.0)
    if theta > 125.0:
        layers *= max(0.2, (155.0 - theta) / 30.0)
    if pt < 0.28:
        layers *= max(0.1, min(1.0, (pt - 0.04) / 0.22))
    return int(min(90.0, max(0.0, layers + 4.0 * normal(state) + 0.5)))


@part
def measure_soft_track(row, truth, origin, is_displaced, state):  # type: ignore[no-untyped-def]  # compiled
    """Fill a track's row with one that is not the particle's first: a clone, a fragment, a fake, beam background.

    Spectrum and impact parameters are those of such tracks in the reference events: p_T falling with a mean of 0.12 GeV
    above 0.06 GeV, half of them within 1 cm of the axis, hadronic fragments from the whole chamber.
    """
    pt = 0.06 + 0.12 * exponential(state)
    phi = 2.0 * math.pi * uniform(state) - math.pi
    slope = 0.8 * normal(state)
    row[TRACK_PX] = pt * math.cos(phi)
    row[TRACK_PY] = pt * math.sin(phi)
    row[TRACK_PZ] = pt * slope
    row[TRACK_CHARGE] = 1.0 if uniform(state) < 0.5 else -1.0
    spread = 8.0 if is_displaced else 1.0
    row[TRACK_D0] = spread * (exponential(state) - exponential(state)) * uniform(state)
    row[TRACK_Z0] = (12.0 if is_displaced else 2.0) * (exponential(state) - exponential(state)) * uniform(state)
    row[TRACK_D0_ERROR] = 0.1
    row[TRACK_Z0_ERROR] = 0.2
    row[TRACK_HITS] = int(25.0 * uniform(state) ** 2 + (10.0 if is_displaced else 0.0))
    row[TRACK_TRUTH] = truth
    row[TRACK_ORIGIN] = origin
    kind = PION
    if is_displaced:
        kind = PROTON if uniform(state) < 0.5 else PION
    row[TRACK_KIND] = kind
    row[TRACK_THETA_ECL] = NO_ENTRY
    row[TRACK_PHI_ECL] = 0.0


@part
def measure_clone(row, original, origin, state):  # type: ignore[no-untyped-def]  # compiled
    """Fill a track's row with a later turn of a curling particle: same size of p_T, any azimuth, large d0 and z0."""
    for column in range(TRACK_COLUMNS):
        row[column] = original[column]
    scale = math.exp(0.3 * normal(state))
    turn = 2.0 * math.pi * uniform(state)
    px, py = original[TRACK_PX], original[TRACK_PY]
    row[TRACK_PX] = scale * (px * math.cos(turn) - py * math.sin(turn))
    row[TRACK_PY] = scale * (px * math.sin(turn) + py * math.cos(turn))
    row[TRACK_PZ] = math.hypot(row[TRACK_PX], row[TRACK_PY]) * 0.5 * normal(state)
    if uniform(state) < 0.5:
        row[TRACK_CHARGE] = -original[TRACK_CHARGE]
    row[TRACK_D0] = original[TRACK_D0] + 1.5 * (exponential(state) - exponential(state))
    row[TRACK_Z0] = original[TRACK_Z0] + 2.0 * (exponential(state) - exponential(state))
    row[TRACK_D0_ERROR] = 0.1
    row[TRACK_Z0_ERROR] = 0.2
    row[TRACK_HITS] = int(25.0 * uniform(state))
    row[TRACK_ORIGIN] = origin
    row[TRACK_THETA_ECL] = NO_ENTRY
