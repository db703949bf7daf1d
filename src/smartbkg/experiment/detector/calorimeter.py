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
from smartbkg.experiment.detector.workspace import (
    CLUSTER_DISTANCE,
    CLUSTER_E9_E21,
    CLUSTER_ENERGY,
    CLUSTER_HITS,
    CLUSTER_IS_HADRON,
    CLUSTER_IS_PHOTON,
    CLUSTER_ORIGIN,
    CLUSTER_PHI,
    CLUSTER_THETA,
    CLUSTER_TIME,
    CLUSTER_TIME_ERROR,
    CLUSTER_TRACK,
    CLUSTER_TRUTH,
    CLUSTERS,
    Charged,
    Entry,
)
from smartbkg.experiment.random_stream import direction, exponential, normal, poisson, uniform

#: What made a cluster, for its shape.
ELECTROMAGNETIC, HADRONIC = 0, 1
#: No particle makes more clusters than this, so that the working arrays are never too small.
MOST_EXTRA_CLUSTERS: Final = 12
#: GeV; turns the stopping momentum of a pion into that of other particles.
PION_MASS_OF_STOPPING: Final = 0.13957


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
def add_cluster(work, detector, energy, entry, track, shape, time):  # type: ignore[no-untyped-def]  # compiled
    """Append a cluster with smeared angles to those of the event; below threshold nothing is appended.

    Shapes and times have the quantiles of the reference events: nearly all photons above 0.95 in E9/E21, hadronic
    clusters with a tail; times within a few ns, late for slow secondaries.

    Parameters
    ----------
    work : record of `smartbkg.experiment.detector.workspace.WORKSPACE`, written to.
    detector : record of `smartbkg.experiment.detector.parameters.DetectorParameters.to_record`.
    energy : GeV.
    entry : `Entry`, the true direction.
    track : the track it is linked to, counted within the event, -1 for none.
    shape : `ELECTROMAGNETIC` or `HADRONIC`.
    time : ns.
    """
    calorimeter, state = detector.calorimeter, work.state
    if energy < calorimeter.threshold:
        return
    row = work.clusters[work.count[CLUSTERS]]
    # Angles of soft showers are not worse than a crystal is wide.
    sigma = min(calorimeter.angle_resolution / math.sqrt(energy), calorimeter.angle_resolution_maximum)
    row[CLUSTER_ENERGY] = energy
    row[CLUSTER_THETA] = min(math.pi, max(0.0, entry.theta + sigma * normal(state)))
    row[CLUSTER_PHI] = entry.phi + sigma * normal(state) / max(0.1, math.sin(entry.theta))
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
    row[CLUSTER_TRUTH] = entry.truth
    row[CLUSTER_ORIGIN] = entry.origin
    row[CLUSTER_IS_PHOTON] = 1.0
    row[CLUSTER_IS_HADRON] = 1.0
    work.count[CLUSTERS] += 1


@part
def add_nearby(work, detector, mean_energy, entry, shape):  # type: ignore[no-untyped-def]  # compiled
    """Append a further neutral cluster near ``entry`` or anywhere; ``mean_energy`` (GeV) is counted from threshold."""
    calorimeter, state = detector.calorimeter, work.state
    if uniform(state) < calorimeter.extra_isotropic:
        ux, uy, uz = direction(state)
        theta, phi = math.acos(uz), math.atan2(uy, ux)
    else:
        # Nearer than the separation two clusters would be merged: the distance begins there.
        distance = calorimeter.separation + calorimeter.extra_distance * exponential(state)
        turn = 2.0 * math.pi * uniform(state)
        theta = entry.theta + distance * math.cos(turn)
        phi = entry.phi + distance * math.sin(turn) / max(0.2, math.sin(entry.theta))
    if not is_covered(theta, detector.geometry, state):
        return
    energy = calorimeter.threshold + mean_energy * exponential(state)
    add_cluster(work, detector, energy, Entry(theta, phi, entry.truth, FROM_SECONDARY), -1, shape, 0.0)


@part
def photon_shower(work, detector, energy, entry, time):  # type: ignore[no-untyped-def]  # compiled
    """Append the clusters of a photon of an energy (GeV) that enters at ``entry`` at a time (ns)."""
    geometry, calorimeter, state = detector.geometry, detector.calorimeter, work.state
    if not is_covered(entry.theta, geometry, state):
        return
    if uniform(state) > interpolated(energy, calorimeter.photon_efficiency_energy, calorimeter.photon_efficiency):
        return
    response = photon_response(energy, calorimeter, state)
    add_cluster(work, detector, response, entry, -1, ELECTROMAGNETIC, time)
    degrees = math.degrees(entry.theta)
    is_barrel = geometry.gap_forward_high < degrees < geometry.gap_backward_low
    probability = calorimeter.photon_split_probability if is_barrel else calorimeter.photon_split_endcap
    if energy > 0.1 and uniform(state) < probability:
        add_nearby(work, detector, calorimeter.split_energy, entry, ELECTROMAGNETIC)


@part
def hadron_deposit(charged: Charged, calorimeter: CalorimeterParameters, state: NDArray[np.uint64]) -> float:
    """Energy (GeV) that a charged particle other than an electron leaves in its main cluster."""
    kinetic = math.sqrt(charged.momentum * charged.momentum + charged.mass * charged.mass) - charged.mass
    crossing: float = calorimeter.minimum_ionising_energy + calorimeter.minimum_ionising_width * normal(state)
    # One in five crosses less than a whole crystal.
    if uniform(state) < 0.2:
        crossing *= 0.5 + 0.5 * uniform(state)
    if charged.kind == MUON:
        return min(kinetic, crossing)
    is_annihilation = charged.kind == PROTON and charged.charge < 0
    available = kinetic + (2.0 * charged.mass if is_annihilation else 0.0)
    # The parameter is the momentum at which a pion stops; at equal range others have the same βγ.
    slowest = calorimeter.stopping_momentum / PION_MASS_OF_STOPPING
    is_stopping = charged.momentum / charged.mass < slowest and not is_annihilation
    low, high = calorimeter.hadron_response_low, calorimeter.hadron_response_high
    fraction: float = low + (high - low) * uniform(state)
    if is_annihilation:
        return 0.5 * available * fraction
    if is_stopping and kinetic < 0.33:
        rest = 0.15 * exponential(state) if charged.kind == KAON else 0.05 * exponential(state)
        return float(kinetic * (0.45 + 0.6 * uniform(state)) + rest)
    if uniform(state) < calorimeter.interaction_probability:
        return float(max(crossing * uniform(state), available * fraction))
    return crossing


@part
def charged_shower(work, detector, charged, entry, track, reaches):  # type: ignore[no-untyped-def]  # compiled
    """Append the clusters of a charged particle.

    Parameters
    ----------
    work, detector : as in `add_cluster`.
    charged : `Charged`.
    entry : `Entry`.
    track : its track, counted within the event, or -1.
    reaches : False for one that curls and stops before the calorimeter; it may still leave something at its end.

    Returns
    -------
    Energy in GeV of the cluster matched to the track, or 0.
    """
    calorimeter, state = detector.calorimeter, work.state
    is_electron = charged.kind == ELECTRON
    is_seen = is_covered(entry.theta, detector.geometry, state) if reaches else uniform(state) < calorimeter.low_reach
    if reaches and not is_electron:
        chance = interpolated(charged.momentum, calorimeter.reach_momentum, calorimeter.reach)
        is_seen = uniform(state) < chance and is_seen
    matched = 0.0
    if is_seen:
        if is_electron:
            energy = photon_response(math.hypot(charged.momentum, charged.mass), calorimeter, state)
        else:
            energy = calorimeter.energy_scale * hadron_deposit(charged, calorimeter, state)
        linked = track if uniform(state) < calorimeter.match_probability else -1
        before = work.count[CLUSTERS]
        add_cluster(work, detector, energy, entry, linked, ELECTROMAGNETIC if is_electron else HADRONIC, 0.0)
        matched = energy if work.count[CLUSTERS] > before and linked >= 0 else 0.0
    add_extra(work, detector, charged, entry, reaches)
    return matched


@part
def add_extra(work, detector, charged, entry, reaches):  # type: ignore[no-untyped-def]  # compiled
    """Append the further clusters of a charged particle's shower, absorption or decay at rest."""
    calorimeter, kind = detector.calorimeter, charged.kind
    mean = 0.0
    if kind == PION:
        mean = calorimeter.extra_pion if reaches else 0.3 * calorimeter.extra_pion
    elif kind == KAON:
        mean = calorimeter.extra_kaon
    elif kind == PROTON:
        mean = calorimeter.extra_antinucleon if charged.charge < 0 else calorimeter.extra_proton
    elif kind == ELECTRON:
        mean = calorimeter.extra_electron if reaches else 0.0
    elif charged.momentum < 0.5:
        # Slow muons stop and decay: the electron makes a cluster of its own.
        mean = calorimeter.extra_muon
    is_annihilation = kind == PROTON and charged.charge < 0
    energy = calorimeter.extra_energy_annihilation if is_annihilation else calorimeter.extra_energy
    for _ in range(min(MOST_EXTRA_CLUSTERS, poisson(work.state, mean))):
        add_nearby(work, detector, energy, entry, HADRONIC)


@part
def neutral_hadron_shower(work, detector, momentum, is_klong, is_antineutron, entry):  # type: ignore[no-untyped-def]  # compiled
    """Append the clusters of a K_L, neutron or antineutron of a momentum (GeV) that enters at ``entry``."""
    calorimeter, state = detector.calorimeter, work.state
    if not is_covered(entry.theta, detector.geometry, state):
        return
    probability = calorimeter.klong_interaction if is_klong else calorimeter.neutron_interaction
    mean_energy = calorimeter.klong_energy * (0.4 + 0.6 * min(3.0, momentum)) if is_klong else 0.3 * momentum**2
    further = calorimeter.extra_neutral * min(3.0, momentum) if is_klong else 0.2
    further_energy = calorimeter.extra_energy * 1.6
    if is_antineutron:
        # Annihilation: nearly always, with the energy of two nucleons.
        probability, mean_energy = 0.97, 0.35
        further, further_energy = calorimeter.extra_antinucleon, calorimeter.extra_energy_annihilation
    if uniform(state) > probability:
        return
    energy = calorimeter.energy_scale * (calorimeter.threshold + mean_energy * exponential(state))
    add_cluster(work, detector, energy, entry, -1, HADRONIC, 1.0)
    for _ in range(min(MOST_EXTRA_CLUSTERS, poisson(state, further))):
        add_nearby(work, detector, further_energy, entry, HADRONIC)


@part
def beam_cluster(work, detector):  # type: ignore[no-untyped-def]  # compiled
    """Append one cluster of beam background, thicker towards the endcaps."""
    geometry, background, state = detector.geometry, detector.background, work.state
    low, high = math.radians(geometry.ecl_theta_minimum), math.radians(geometry.ecl_theta_maximum)
    # Flat in the polar angle, not in its cosine: denser in solid angle towards the endcaps.
    theta = low + (high - low) * uniform(state)
    phi = 2.0 * math.pi * uniform(state) - math.pi
    energy = detector.calorimeter.threshold + background.cluster_energy * exponential(state)
    time = background.time_width * (uniform(state) - 0.5)
    add_cluster(work, detector, energy, Entry(theta, phi, -1, FROM_BEAM), -1, HADRONIC, time)
