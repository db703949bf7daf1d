"""Ten skims with the names, codes and published cuts of Belle II.

Cuts are those of basf2's skim package (`skim/scripts/skim/WGs/{fei,ewp,tdcpv,charm,quarkonium,taupair,lowMulti}.py`
and the codes of `skim/scripts/skim/registry.py`, github.com/belle2/basf2). What the embedded experiment lacks is left
out, and named in `docs/skims.md`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel
from smartbkg.experiment.detector.objects import ELECTRON, MUON, PID_MASSES, PROTON
from smartbkg.experiment.reconstruction.channels import KIND_INDEX, KINDS
from smartbkg.experiment.reconstruction.event_shape import event_shapes
from smartbkg.experiment.reconstruction.reconstruct import Candidates, ReconstructedEvents, beam_energy, boost_matrix
from smartbkg.experiment.reconstruction.tagging import CLUSTER_THETA, track_momenta
from smartbkg.experiment.skims.registry import skim, skims_of_module

#: Smallest signal probability of a hadronic and of a semileptonic tag (feiHadronicB0: 0.001, feiSLB0: log10 > -2.4).
HADRONIC_PROBABILITY: Final = 0.001
SEMILEPTONIC_PROBABILITY: Final = 10**-2.4

_TAG_KINDS: Final = {"feiHadronicB0": "B0", "feiHadronicBplus": "B+", "feiSLB0": "B0:SL", "feiSLBplus": "B+:SL"}


def _events_with(candidates: Candidates, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n_events,) bool, True where an event has a chosen candidate."""
    return np.bincount(candidates.event_index[chosen], minlength=len(candidates.offsets) - 1) > 0


def _has_tag(events: ReconstructedEvents, kind: str, minimum_probability: float) -> NDArray[np.bool_]:
    candidates = events.candidates
    return _events_with(
        candidates, (candidates.kind == KIND_INDEX[kind]) & (candidates.probability > minimum_probability)
    )


@skim("feiHadronicB0", code="11180100", kinds=["B0"])
def fei_hadronic_b0(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """A hadronic tag of a B0: Mbc > 5.24 GeV, |ΔE| < 0.2 GeV, signal probability > 0.001, within the FEI's event cuts
    (at least 3 cleaned tracks and 3 clusters, visible energy > 4 GeV, 2 < E_ECL < 7 GeV)."""
    return _has_tag(events, "B0", HADRONIC_PROBABILITY)


@skim("feiHadronicBplus", code="11180200", kinds=["B+"])
def fei_hadronic_bplus(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """A hadronic tag of a B+, with the cuts of feiHadronicB0."""
    return _has_tag(events, "B+", HADRONIC_PROBABILITY)


@skim("feiSLB0", code="11180300", kinds=["B0:SL"])
def fei_semileptonic_b0(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """A semileptonic tag of a B0: -4 < cosθ_BY < 3, lepton p* > 1 GeV, log10(signal probability) > -2.4, within the
    FEI's event cuts."""
    return _has_tag(events, "B0:SL", SEMILEPTONIC_PROBABILITY)


@skim("feiSLBplus", code="11180400", kinds=["B+:SL"])
def fei_semileptonic_bplus(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """A semileptonic tag of a B+, with the cuts of feiSLB0."""
    return _has_tag(events, "B+:SL", SEMILEPTONIC_PROBABILITY)


def _near_interaction_point(events: ReconstructedEvents, d0: float, z0: float) -> NDArray[np.bool_]:
    tracks = events.response.tracks
    return np.asarray((np.abs(tracks.d0) < d0) & (np.abs(tracks.z0) < z0))


def _event_of(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _count(event: NDArray[np.int64], chosen: NDArray[np.bool_], n_events: int) -> NDArray[np.int64]:
    return np.bincount(event[chosen], minlength=n_events)


def _sum_of_two_highest(event: NDArray[np.int64], value: NDArray[np.float64], n_events: int) -> NDArray[np.float64]:
    """(n_events,) sum of the two highest values of each event, 0 where it has fewer than two."""
    order = np.lexsort((-value, event))
    event, value = event[order], value[order]
    is_first = np.diff(event, prepend=-1) != 0
    is_second = np.concatenate([[False], is_first[:-1]]) & ~is_first
    total = np.zeros(n_events)
    second = np.flatnonzero(is_second)
    total[event[second]] = value[second] + value[second - 1]
    return total


@skim("BtoXll", code="12160200", kinds=[])
def b_to_x_ll(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """Two electrons or two muons of any charges with E*_1 + E*_2 > 1.5 GeV: electronID > 0.1 or muonID > 0.5,
    p > 0.395 GeV, |d0| < 0.5 cm, |z0| < 2 cm; R2 < 0.7 and at least 3 tracks with those impact parameters."""
    tracks = events.response.tracks
    event = _event_of(tracks.offsets)
    is_fair = _near_interaction_point(events, 0.5, 2.0)
    momentum = np.sqrt(tracks.px**2 + tracks.py**2 + tracks.pz**2)
    passes = np.zeros(len(events), dtype=np.bool_)
    for hypothesis, minimum in ((ELECTRON, 0.1), (MUON, 0.5)):
        is_lepton = is_fair & (momentum > 0.395) & (tracks.pid[:, hypothesis] > minimum)
        energy = track_momenta(events.response, boost_matrix(), PID_MASSES[hypothesis])[is_lepton, 3]
        passes |= _sum_of_two_highest(event[is_lepton], energy, len(events)) > 1.5
    return np.asarray(passes & (events.variables["R2"] < 0.7) & (_count(event, is_fair, len(events)) >= 3))


@skim("TDCPV_ccs", code="13160200", kinds=["B:ccs"])
def tdcpv_ccs(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """B → J/ψ or ψ(2S) (→ e+e-, μ+μ-) with K_S, K+π-, K_Sπ0, η, π0 or K+: Mbc > 5.2 GeV, |ΔE| < 0.5 GeV; or J/ψ K_L
    with a K_L from the muon detector whose energy follows from the B mass: |ΔE| < 0.25 GeV, 5.05 < Mbc < 5.29 GeV. At
    least 3 tracks with |d0| < 0.5 cm, |z0| < 2 cm and 20 hits (5 tracks for neutral B), 2 clusters above 0.2 GeV,
    visible energy > 4 GeV, E_ECL < 9 GeV."""
    tracks, clusters = events.response.tracks, events.response.clusters
    is_good = _near_interaction_point(events, 0.5, 2.0) & (tracks.n_cdc_hits > 20)
    in_acceptance = (clusters.theta > CLUSTER_THETA[0]) & (clusters.theta < CLUSTER_THETA[1]) & clusters.is_photon
    is_high = in_acceptance & (clusters.energy > 0.2)
    passes_event_cuts = (
        (_count(_event_of(tracks.offsets), is_good, len(events)) >= 3)
        & (_count(_event_of(clusters.offsets), is_high, len(events)) > 1)
        & (events.variables["visibleEnergy"] > 4)
        & (events.variables["E_ECL"] < 9)
    )
    candidates = events.candidates
    is_ccs = candidates.kind == KIND_INDEX["B:ccs"]
    charged = KINDS[KIND_INDEX["B:ccs"]].channels.index("J/psi K+")
    is_charged = is_ccs & (candidates.channel == charged)
    neutral = _events_with(candidates, is_ccs & ~is_charged) & (np.diff(tracks.offsets) > 4)
    return passes_event_cuts & (neutral | _events_with(candidates, is_charged) | _has_psi_klong(events))


def _has_psi_klong(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """B0 → J/ψ K_L: the momentum of the K_L along its cluster's direction follows from m(J/ψ K_L) = m(B0)."""
    klm, psi = events.response.klm, events.candidates.of_kind("J/psi")
    is_neutral = klm.track < 0
    passes = np.zeros(len(events), dtype=np.bool_)
    inverse = np.linalg.inv(boost_matrix())
    b_mass, k_mass = KINDS[KIND_INDEX["B0"]].mass, KINDS[KIND_INDEX["K_S0"]].mass
    directions = np.stack(
        [np.sin(klm.theta) * np.cos(klm.phi), np.sin(klm.theta) * np.sin(klm.phi), np.cos(klm.theta)], axis=1
    )
    for event, p4 in zip(psi.event_index, psi.p4 @ inverse.T, strict=True):
        own = slice(klm.offsets[event], klm.offsets[event + 1])
        direction = directions[own][is_neutral[own]]
        # m_B² = m_ψ² + m_K² + 2 (E_ψ E_K - p_ψ·n p), a quadratic equation for p
        mass2 = p4[3] ** 2 - (p4[:3] ** 2).sum()
        along = direction @ p4[:3]
        half = (b_mass**2 - mass2 - k_mass**2) / 2
        denominator = p4[3] ** 2 - along**2
        root = half**2 - denominator * k_mass**2
        momentum = (half * along + p4[3] * np.sqrt(np.maximum(root, 0.0))) / denominator
        k_p4 = np.concatenate([momentum[:, None] * direction, np.sqrt(momentum**2 + k_mass**2)[:, None]], axis=1)
        total = (k_p4 + p4) @ boost_matrix().T
        mbc = np.sqrt(np.maximum(beam_energy() ** 2 - (total[:, :3] ** 2).sum(axis=1), 0.0))
        is_good = (root >= 0) & (np.abs(total[:, 3] - beam_energy()) < 0.25) & (mbc > 5.05) & (mbc < 5.29)
        passes[event] |= bool(is_good.any())
    return passes


@skim("DstToD0Pi_D0ToHpJm", code="17240100", kinds=["D*+:hh"])
def dst_to_d0pi(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """D*+ → D0 π+ with D0 → Kπ (both charges), ππ or KK: 1.70 < M(D0) < 2.00 GeV, p*(D0) > 2 GeV, 0 < Q < 0.018 GeV."""
    candidates = events.candidates
    return _events_with(candidates, candidates.kind == KIND_INDEX["D*+:hh"])


@skim("InclusiveLambda", code="15410300", kinds=[])
def inclusive_lambda(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """Λ → pπ- from a displaced vertex: 1.10 < M < 1.13 GeV, protonID > 0.1, cosine between momentum and flight > 0.99,
    flight distance above 3 standard deviations, 0.6 < p(proton)/p(Λ) < 1."""
    v0s, tracks = events.response.v0s, events.response.tracks
    is_anti = v0s.code == -3122
    first = tracks.offsets[_event_of(v0s.offsets)]
    proton = first + np.where(is_anti, v0s.negative, v0s.positive)
    momentum = np.sqrt(v0s.px**2 + v0s.py**2 + v0s.pz**2)
    distance = np.sqrt(v0s.x**2 + v0s.y**2 + v0s.z**2)
    cosine = (v0s.x * v0s.px + v0s.y * v0s.py + v0s.z * v0s.pz) / np.maximum(momentum * distance, 1e-12)
    proton_momentum = np.sqrt(tracks.px[proton] ** 2 + tracks.py[proton] ** 2 + tracks.pz[proton] ** 2)
    ratio = proton_momentum / np.maximum(momentum, 1e-12)
    is_lambda = (
        (np.abs(v0s.code) == 3122)
        & (v0s.mass > 1.10)
        & (v0s.mass < 1.13)
        & (tracks.pid[proton, PROTON] > 0.1)
        & (cosine > 0.99)
        & (distance > 3 * FLIGHT_RESOLUTION)
        & (ratio > 0.6)
        & (ratio < 1.0)
    )
    return _count(_event_of(v0s.offsets), is_lambda, len(events)) > 0


#: cm, assumed resolution of the flight distance of a Λ: the detector gives no error of the vertex.
FLIGHT_RESOLUTION: Final = 0.1


@skim("TauGeneric", code="18570600", kinds=[])
def tau_generic(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """e+e- → τ+τ-: 2 to 6 tracks with |d0| < 1 cm, |z0| < 3 cm of net charge -1, 0 or 1. Two tracks: visible energy
    < 10 GeV (and > 3 GeV or p_T > 1 GeV), calorimeter energy of tracks < 6 GeV, missing momentum at θ < 2.618, opening
    angle < 178°. Three or four: visible energy < 10.5 GeV, same lower cuts and angle. Three to six: in the hemispheres
    of the thrust axis 1 or 3 tracks with M < 1.8 GeV against M < 2.3 GeV."""
    return _tau_selection(events)


def _tau_selection(events: ReconstructedEvents) -> NDArray[np.bool_]:
    response, n_events, boost = events.response, len(events), boost_matrix()
    tracks, clusters = response.tracks, response.clusters
    track_event, cluster_event = _event_of(tracks.offsets), _event_of(clusters.offsets)
    is_track = _near_interaction_point(events, 1.0, 3.0)
    is_photon = (
        clusters.is_photon
        & (clusters.track < 0)
        & (clusters.energy > 0.2)
        & (clusters.theta > CLUSTER_THETA[0])
        & (clusters.theta < CLUSTER_THETA[1])
    )
    n_tracks = _count(track_event, is_track, n_events)
    charge = np.bincount(track_event[is_track], weights=tracks.charge[is_track], minlength=n_events)
    is_few = (n_tracks >= 2) & (n_tracks <= 6) & (np.abs(charge) < 2)
    is_track &= is_few[track_event]
    is_photon &= is_few[cluster_event]
    pion_p4 = events.cleaning.pion_p4
    p4 = np.concatenate([pion_p4[is_track], events.cleaning.photon_p4[is_photon]])
    event = np.concatenate([track_event[is_track], cluster_event[is_photon]])
    is_charged = np.arange(len(event)) < is_track.sum()
    order = np.argsort(event, kind="stable")
    p4, event, is_charged = p4[order], event[order], is_charged[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(event, minlength=n_events))])
    axis = event_shapes(offsets, p4[:, 0], p4[:, 1], p4[:, 2]).thrust_axis
    side = ((p4[:, :3] * axis[event]).sum(axis=1) > 0).astype(np.int64)
    total = np.zeros((n_events, 2, 4))
    np.add.at(total, (event, side), p4)
    mass = np.sqrt(np.maximum(total[..., 3] ** 2 - (total[..., :3] ** 2).sum(axis=-1), 0.0))
    n_in = np.zeros((n_events, 2), dtype=np.int64)
    np.add.at(n_in, (event[is_charged], side[is_charged]), 1)
    is_tau_like = np.zeros(n_events, dtype=np.bool_)
    for tag in range(2):
        is_prong = (n_in[:, tag] == 1) | (n_in[:, tag] == 3)
        is_tau_like |= is_prong & (mass[:, tag] < 1.8) & (mass[:, 1 - tag] < 2.3)
    visible = total.sum(axis=1)
    is_loud = (visible[:, 3] > 3) | (_highest(track_event, np.hypot(tracks.px, tracks.py), is_track, n_events) > 1)
    matched = np.flatnonzero((clusters.track >= 0) & clusters.is_photon)
    of_track = tracks.offsets[cluster_event[matched]] + clusters.track[matched]
    matched = matched[is_track[of_track]]
    e_tracks = np.bincount(cluster_event[matched], weights=clusters.energy[matched], minlength=n_events)
    is_common = is_loud & (e_tracks < 6) & (_largest_opening(tracks.offsets, is_track, pion_p4) < 3.106686)
    missing = (np.array([0.0, 0.0, 0.0, 2 * beam_energy()]) - visible) @ np.linalg.inv(boost).T
    theta = np.arctan2(np.hypot(missing[:, 0], missing[:, 1]), missing[:, 2])
    two = (n_tracks == 2) & is_common & (visible[:, 3] < 10) & (theta < 2.6180)
    few = ((n_tracks == 3) | (n_tracks == 4)) & is_common & (visible[:, 3] < 10.5) & is_tau_like
    many = (n_tracks >= 5) & is_tau_like
    return np.asarray(is_few & (two | few | many))


def _highest(
    event: NDArray[np.int64], value: NDArray[np.float64], chosen: NDArray[np.bool_], n_events: int
) -> NDArray[np.float64]:
    highest = np.zeros(n_events)
    np.maximum.at(highest, event[chosen], value[chosen])
    return highest


@kernel
def _largest_opening(offsets, chosen, p4):  # type: ignore[no-untyped-def]
    """(n_events,) largest angle between two chosen tracks of each event, rad."""
    largest = np.zeros(len(offsets) - 1)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            for j in range(offsets[event], i):
                if chosen[i] and chosen[j]:
                    a, b = p4[i], p4[j]
                    product = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
                    size = np.sqrt((a[0] ** 2 + a[1] ** 2 + a[2] ** 2) * (b[0] ** 2 + b[1] ** 2 + b[2] ** 2))
                    angle = np.arccos(min(max(product / (size + 1e-30), -1.0), 1.0))
                    largest[event] = max(largest[event], angle)
    return largest


@kernel
def _smallest_pair_mass(offsets, chosen, charge, p4):  # type: ignore[no-untyped-def]
    """(n_events,) smallest mass of two chosen tracks of opposite charge, infinite without such a pair, GeV."""
    smallest = np.full(len(offsets) - 1, np.inf)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            for j in range(offsets[event], i):
                if chosen[i] and chosen[j] and charge[i] * charge[j] < 0:
                    total = p4[i] + p4[j]
                    mass2 = total[3] ** 2 - total[0] ** 2 - total[1] ** 2 - total[2] ** 2
                    smallest[event] = min(smallest[event], np.sqrt(max(mass2, 0.0)))
    return smallest


@skim("LowMassTwoTrack", code="18520500", kinds=[])
def low_mass_two_track(events: ReconstructedEvents) -> NDArray[np.bool_]:
    """e+e- → γ h+h- X: a photon with E* > 2 GeV and two tracks of opposite charge with p > 0.5 GeV and M(hh) < 3.5 GeV
    (as pions, which gives the lowest mass of all hypotheses)."""
    response = events.response
    tracks, clusters = response.tracks, response.clusters
    is_fast = tracks.px**2 + tracks.py**2 + tracks.pz**2 > 0.25
    is_hard = clusters.is_photon & (clusters.track < 0) & (events.cleaning.photon_p4[:, 3] > 2)
    has_photon = _count(_event_of(clusters.offsets), is_hard, len(events)) > 0
    chosen = is_fast & has_photon[_event_of(tracks.offsets)]
    smallest = _smallest_pair_mass(tracks.offsets, chosen, tracks.charge, events.cleaning.pion_p4)
    return np.asarray(smallest < 3.5)


#: The names of all of them.
BELLE2_SKIMS: Final = skims_of_module(__name__)
