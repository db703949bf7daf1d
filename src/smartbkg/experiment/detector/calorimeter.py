"""Clusters of the electromagnetic calorimeter: what each kind of particle leaves there."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.experiment.detector.objects import ELECTRON, FROM_BEAM, FROM_SECONDARY, KAON, MUON, PION, PROTON
from smartbkg.experiment.detector.parameters import CalorimeterParameters, GeometryParameters
from smartbkg.experiment.detector.propagation import interpolated
from smartbkg.experiment.random_stream import direction, exponential, normal, poisson, uniform

#: Columns of a cluster's row in the working arrays of an event.
(CLUSTER_ENERGY, CLUSTER_THETA, CLUSTER_PHI, CLUSTER_TRACK, CLUSTER_E9_E21, CLUSTER_HITS, CLUSTER_TIME,
 CLUSTER_TIME_ERROR, CLUSTER_DISTANCE, CLUSTER_TRUTH, CLUSTER_ORIGIN, CLUSTER_IS_PHOTON,
 CLUSTER_IS_HADRON) = range(13)  # fmt: skip
CLUSTER_COLUMNS: Final = CLUSTER_IS_HADRON + 1
#: What made a cluster, for its shape.
ELECTROMAGNETIC, HADRONIC = 0, 1
#: No particle makes more clusters than this, so that the working arrays are never too small.
MOST_EXTRA_CLUSTERS: Final = 12


@part
def is_covered(theta: float, geometry: GeometryParameters, state: NDArray[np.uint64]) -> bool:
    """True = a shower at this polar angle (rad) is seen: coverage, and by chance in the two gaps."""
    degrees = math.degrees(theta)
    if degrees < geometry.ecl_theta_minimum or degrees > geometry.ecl_theta_maximum:
        return False
    in_forward_gap = geometry.gap_forward_low < degrees < geometry.gap_forward_high
    in_backward_gap = geometry.gap_backward_low < degrees < geometry.gap_backward_high
    if in_forward_gap or in_backward_gap:
        return bool(uniform(state) < geometry.gap_efficiency)
    return True


@part
def relative_resolution(energy: float, calorimeter: CalorimeterParameters) -> float:
    """σ(E)/E = a/E ⊕ b/E^(1/4) ⊕ c, E in GeV (arXiv:1011.0352, chapter 9)."""
    noise = calorimeter.resolution_noise / energy
    stochastic = calorimeter.resolution_stochastic / energy**0.25
    return math.sqrt(noise**2 + stochastic**2 + calorimeter.resolution_constant**2)


@part
def photon_response(energy: float, calorimeter: CalorimeterParameters, state: NDArray[np.uint64]) -> float:
    """Energy (GeV) of the cluster of a photon or electron: Gaussian core, exponential leakage."""
    mean = calorimeter.leakage_large if uniform(state) < calorimeter.leakage_fraction else calorimeter.leakage_small
    kept = math.exp(-mean * exponential(state))
    smeared = 1.0 + relative_resolution(energy, calorimeter) * normal(state)
    return float(calorimeter.energy_scale * energy * calorimeter.photon_bias * kept * max(0.0, smeared))


@part
def add_cluster(clusters, count, energy, theta, phi, track, shape, time, truth, origin, calorimeter, state):  # type: ignore[no-untyped-def]  # compiled
    """Append a cluster with smeared angles; returns the new count. Below threshold nothing is appended.

    Shapes and times have the quantiles of the reference events: nearly all photons above 0.95 in E9/E21, hadronic
    clusters with a tail; times within a few ns, late for slow secondaries.
    """
    if energy < calorimeter.threshold:
        return count
    row = clusters[count]
    sigma = min(calorimeter.angle_resolution / math.sqrt(energy), calorimeter.angle_resolution_maximum)
    row[CLUSTER_ENERGY] = energy
    row[CLUSTER_THETA] = min(math.pi, max(0.0, theta + sigma * normal(state)))
    row[CLUSTER_PHI] = phi + sigma * normal(state) / max(0.1, math.sin(theta))
    row[CLUSTER_TRACK] = track
    is_hadronic = shape == HADRONIC
    row[CLUSTER_E9_E21] = 1.0 - min(1.0, (0.05 if is_hadronic else 0.012) * exponential(state))
    row[CLUSTER_HITS] = max(1.0, (6.0 + 2.2 * math.log(energy / 0.15)) * (1.0 + 0.35 * normal(state)))
    width = 1.3 + 0.18 / energy
    row[CLUSTER_TIME] = time + width * normal(state)
    if is_hadronic:
        row[CLUSTER_TIME] += -12.0 * exponential(state) if uniform(state) < 0.6 else 25.0 * exponential(state)
    row[CLUSTER_TIME_ERROR] = 2.0 + 2.0 / energy
    row[CLUSTER_DISTANCE] = 0.0
    row[CLUSTER_TRUTH] = truth
    row[CLUSTER_ORIGIN] = origin
    row[CLUSTER_IS_PHOTON] = 1.0
    row[CLUSTER_IS_HADRON] = 1.0
    return count + 1


@part
def add_nearby(clusters, count, mean_energy, theta, phi, truth, shape, geometry, calorimeter, state):  # type: ignore[no-untyped-def]  # compiled
    """Append a further neutral cluster, near a shower at (theta, phi) or anywhere; returns the new count."""
    if uniform(state) < calorimeter.extra_isotropic:
        ux, uy, uz = direction(state)
        new_theta, new_phi = math.acos(uz), math.atan2(uy, ux)
    else:
        distance = calorimeter.separation + calorimeter.extra_distance * exponential(state)
        turn = 2.0 * math.pi * uniform(state)
        new_theta = theta + distance * math.cos(turn)
        new_phi = phi + distance * math.sin(turn) / max(0.2, math.sin(theta))
    if not is_covered(new_theta, geometry, state):
        return count
    energy = calorimeter.threshold + mean_energy * exponential(state)
    return add_cluster(
        clusters, count, energy, new_theta, new_phi, -1, shape, 0.0, truth, FROM_SECONDARY, calorimeter, state
    )


@part
def photon_shower(clusters, count, energy, theta, phi, time, truth, origin, geometry, calorimeter, state):  # type: ignore[no-untyped-def]  # compiled
    """Clusters of a photon that enters at (theta, phi); returns the new count."""
    if not is_covered(theta, geometry, state):
        return count
    if uniform(state) > interpolated(energy, calorimeter.photon_efficiency_energy, calorimeter.photon_efficiency):
        return count
    response = photon_response(energy, calorimeter, state)
    count = add_cluster(
        clusters, count, response, theta, phi, -1, ELECTROMAGNETIC, time, truth, origin, calorimeter, state
    )
    degrees = math.degrees(theta)
    is_barrel = geometry.gap_forward_high < degrees < geometry.gap_backward_low
    probability = calorimeter.photon_split_probability if is_barrel else calorimeter.photon_split_endcap
    if energy > 0.1 and uniform(state) < probability:
        count = add_nearby(
            clusters, count, calorimeter.split_energy, theta, phi, truth, ELECTROMAGNETIC, geometry, calorimeter, state
        )
    return count


@part
def hadron_deposit(
    momentum: float, mass: float, charge: int, kind: int, calorimeter: CalorimeterParameters, state: NDArray[np.uint64]
) -> float:
    """Energy (GeV) that a charged particle other than an electron leaves in its main cluster."""
    kinetic = math.sqrt(momentum * momentum + mass * mass) - mass
    crossing: float = calorimeter.minimum_ionising_energy + calorimeter.minimum_ionising_width * normal(state)
    if uniform(state) < 0.2:
        crossing *= 0.5 + 0.5 * uniform(state)
    if kind == MUON:
        return min(kinetic, crossing)
    is_annihilation = kind == PROTON and charge < 0
    available = kinetic + (2.0 * mass if is_annihilation else 0.0)
    is_stopping = momentum / mass < calorimeter.stopping_momentum / 0.13957 and not is_annihilation
    low, high = calorimeter.hadron_response_low, calorimeter.hadron_response_high
    fraction: float = low + (high - low) * uniform(state)
    if is_annihilation:
        return 0.5 * available * fraction
    if is_stopping and kinetic < 0.33:
        rest = 0.15 * exponential(state) if kind == KAON else 0.05 * exponential(state)
        return float(kinetic * (0.45 + 0.6 * uniform(state)) + rest)
    if uniform(state) < calorimeter.interaction_probability:
        return float(max(crossing * uniform(state), available * fraction))
    return crossing


@part
def charged_shower(  # type: ignore[no-untyped-def]  # compiled
    clusters,
    count,
    momentum,
    mass,
    charge,
    kind,
    theta,
    phi,
    track,
    truth,
    origin,
    reaches,
    geometry,
    calorimeter,
    state,
):
    """Clusters of a charged particle.

    Parameters
    ----------
    reaches : False for one that curls and stops before the calorimeter; it may still leave something at its end.
    track : its track, counted within the event, or -1.

    Returns
    -------
    (new count, energy in GeV of the cluster matched to the track or 0)
    """
    is_seen = is_covered(theta, geometry, state) if reaches else uniform(state) < calorimeter.low_reach
    if reaches and kind != ELECTRON:
        chance = interpolated(momentum, calorimeter.reach_momentum, calorimeter.reach)
        is_seen = uniform(state) < chance and is_seen
    matched = 0.0
    if is_seen:
        if kind == ELECTRON:
            energy = photon_response(math.hypot(momentum, mass), calorimeter, state)
        else:
            energy = calorimeter.energy_scale * hadron_deposit(momentum, mass, charge, kind, calorimeter, state)
        linked = track if uniform(state) < calorimeter.match_probability else -1
        shape = ELECTROMAGNETIC if kind == ELECTRON else HADRONIC
        before = count
        count = add_cluster(clusters, count, energy, theta, phi, linked, shape, 0.0, truth, origin, calorimeter, state)
        matched = energy if count > before and linked >= 0 else 0.0
    return add_extra(
        clusters, count, momentum, charge, kind, theta, phi, truth, reaches, geometry, calorimeter, state
    ), matched


@part
def add_extra(clusters, count, momentum, charge, kind, theta, phi, truth, reaches, geometry, calorimeter, state):  # type: ignore[no-untyped-def]  # compiled
    """Append the further clusters of a charged particle's shower, absorption or decay at rest; returns the count."""
    mean = 0.0
    if kind == PION:
        mean = calorimeter.extra_pion if reaches else 0.3 * calorimeter.extra_pion
    elif kind == KAON:
        mean = calorimeter.extra_kaon
    elif kind == PROTON:
        mean = calorimeter.extra_antinucleon if charge < 0 else calorimeter.extra_proton
    elif kind == ELECTRON:
        mean = calorimeter.extra_electron if reaches else 0.0
    elif momentum < 0.5:
        mean = calorimeter.extra_muon
    is_annihilation = kind == PROTON and charge < 0
    energy = calorimeter.extra_energy_annihilation if is_annihilation else calorimeter.extra_energy
    for _ in range(min(MOST_EXTRA_CLUSTERS, poisson(state, mean))):
        count = add_nearby(clusters, count, energy, theta, phi, truth, HADRONIC, geometry, calorimeter, state)
    return count


@part
def neutral_hadron_shower(  # type: ignore[no-untyped-def]  # compiled
    clusters, count, momentum, is_klong, is_antineutron, theta, phi, truth, origin, geometry, calorimeter, state
):
    """Clusters of a K_L, neutron or antineutron that enters at (theta, phi); returns the new count."""
    if not is_covered(theta, geometry, state):
        return count
    probability = calorimeter.klong_interaction if is_klong else calorimeter.neutron_interaction
    mean_energy = calorimeter.klong_energy * (0.4 + 0.6 * min(3.0, momentum)) if is_klong else 0.3 * momentum**2
    further = calorimeter.extra_neutral * min(3.0, momentum) if is_klong else 0.2
    further_energy = calorimeter.extra_energy * 1.6
    if is_antineutron:
        probability, mean_energy = 0.97, 0.35
        further, further_energy = calorimeter.extra_antinucleon, calorimeter.extra_energy_annihilation
    if uniform(state) > probability:
        return count
    energy = calorimeter.energy_scale * (calorimeter.threshold + mean_energy * exponential(state))
    count = add_cluster(clusters, count, energy, theta, phi, -1, HADRONIC, 1.0, truth, origin, calorimeter, state)
    for _ in range(min(MOST_EXTRA_CLUSTERS, poisson(state, further))):
        count = add_nearby(clusters, count, further_energy, theta, phi, truth, HADRONIC, geometry, calorimeter, state)
    return count


@part
def beam_cluster(clusters, count, background, geometry, calorimeter, state):  # type: ignore[no-untyped-def]  # compiled
    """Append one cluster of beam background, thicker towards the endcaps; returns the new count."""
    low, high = math.radians(geometry.ecl_theta_minimum), math.radians(geometry.ecl_theta_maximum)
    theta = low + (high - low) * uniform(state)
    phi = 2.0 * math.pi * uniform(state) - math.pi
    energy = calorimeter.threshold + background.cluster_energy * exponential(state)
    time = background.time_width * (uniform(state) - 0.5)
    return add_cluster(clusters, count, energy, theta, phi, -1, HADRONIC, time, -1, FROM_BEAM, calorimeter, state)
