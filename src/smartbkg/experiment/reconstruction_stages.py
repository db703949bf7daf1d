"""The stages of the reconstruction of one event, compiled: detector objects → candidates → D → D* → B.

Each stage fills the lists that the next one combines. Final-state lists overlap: a track may be a pion and a kaon.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.experiment.combinations import CAPACITY, close_lists, combine, cos_theta_by
from smartbkg.experiment.objects import FROM_PARTICLE, PID_CODES, PID_MASSES, PION, PROTON
from smartbkg.experiment.reconstruction_channels import (
    KIND_INDEX,
    MASS,
    MASS_DIFFERENCE,
    MAX_DAUGHTERS,
    SEMILEPTONIC,
)
from smartbkg.experiment.signal_probability import N_FEATURES, log_odds
from smartbkg.experiment.truth_matching import match

#: Tracks, photons and V0s of an event that have a bit in a candidate's mask; further ones are not used.
MAX_TRACKS: Final = 64
MAX_PHOTONS: Final = 40
#: Tracks of the final-state lists come from near the interaction point: |d0|, |z0| in cm (FEI).
MAXIMUM_D0: Final = 2.0
MAXIMUM_Z0: Final = 4.0
#: Smallest probability of a mass hypothesis; the lists overlap.
MINIMUM_PID: Final = 0.01
#: Photons: polar acceptance of the drift chamber (17° to 150°) and thresholds by region in GeV (FEI: forward endcap
#: 0.10, barrel 0.09, backward endcap 0.16), regions divided at 32.2° and 128.7°.
PHOTON_THETA: Final = (0.296706, 2.61799)
_ENDCAPS: Final = (0.562, 2.246)
PHOTON_THRESHOLDS: Final = (0.10, 0.09, 0.16)

_GAMMA: Final = KIND_INDEX["gamma"]
_K_SHORT: Final = KIND_INDEX["K_S0"]
_LAMBDA: Final = KIND_INDEX["Lambda0"]
_PID_CODES: Final = np.array(PID_CODES)
_PID_MASSES: Final = np.array(PID_MASSES)
_PI0: Final = KIND_INDEX["pi0"]
_ETA: Final = KIND_INDEX["eta"]
#: K_S and Λ candidates: mass window, GeV (basf2's stdKshorts and stdLambdas).
K_SHORT_WINDOW: Final = (0.450, 0.550)
LAMBDA_WINDOW: Final = (1.10, 1.13)
#: Largest mass of a converted photon, GeV.
CONVERSION_MASS: Final = 0.05
_K_SHORT_RESOLUTION: Final = 0.003
_LAMBDA_RESOLUTION: Final = 0.0015


#: A candidate written down for training.
EXAMPLE: Final = np.dtype(
    [
        ("feature", np.float32, (N_FEATURES,)),
        ("kind", np.int64),  # position in KINDS
        ("channel", np.int64),  # channel within its kind
        ("event", np.int64),  # position of the event in the batch
        ("is_right", np.bool_),
    ],
    align=True,
)


class Recording(NamedTuple):
    """Candidates written down for training, before any is dropped for its signal probability."""

    state: NDArray[np.int64]
    """(3,) first kind to record, the kind after the last, rows wanted so far (maybe more than there is room for)"""
    example: NDArray[np.void]
    """(capacity,) of `EXAMPLE`"""


def new_recording(first_kind: int = 0, stop_kind: int = 0, capacity: int = 1) -> Recording:
    """An empty recording of the kinds ``first_kind:stop_kind``."""
    return Recording(np.array([first_kind, stop_kind, 0]), np.zeros(capacity, dtype=EXAMPLE))


@part
def boosted(boost, px, py, pz, energy):  # type: ignore[no-untyped-def]
    """A momentum in the centre-of-mass frame; ``boost`` is (4, 4) in the order px, py, pz, E."""
    return (
        boost[0, 0] * px + boost[0, 1] * py + boost[0, 2] * pz + boost[0, 3] * energy,
        boost[1, 0] * px + boost[1, 1] * py + boost[1, 2] * pz + boost[1, 3] * energy,
        boost[2, 0] * px + boost[2, 1] * py + boost[2, 2] * pz + boost[2, 3] * energy,
        boost[3, 0] * px + boost[3, 1] * py + boost[3, 2] * pz + boost[3, 3] * energy,
    )


@part
def _judge(store, classifier, recording, kind, row, event, has_truth):  # type: ignore[no-untyped-def]
    """Signal probability of the candidate in ``row`` from ``store.feature``; written down if asked for."""
    value = log_odds(classifier, kind, store.candidate[row].channel, store.feature, store.hidden)
    probability = 1.0 / (1.0 + math.exp(-min(max(value, -30.0), 30.0)))
    store.candidate[row].probability = probability
    store.candidate[row].log_probability = math.log(probability)
    if has_truth and recording.state[0] <= kind < recording.state[1]:
        place = recording.state[2]
        recording.state[2] += 1
        if place < len(recording.example):
            example = recording.example[place]
            for k in range(N_FEATURES):
                example.feature[k] = store.feature[k]
            example.kind = kind
            example.channel = store.candidate[row].channel
            example.event = event
            example.is_right = store.candidate[row].truth >= 0


@part
def _set_candidate(store, row, px, py, pz, energy, tracks, photons, channel, sign):  # type: ignore[no-untyped-def]
    new = store.candidate[row]
    new.px = px
    new.py = py
    new.pz = pz
    new.energy = energy
    new.tracks = tracks
    new.photons = photons
    new.channel = channel
    new.sign = sign
    new.residual = 0.0
    new.truth = -1
    new.truth_energy = 0.0
    store.feature[:] = 0.0


@part
def charged_candidates(  # type: ignore[no-untyped-def]
    store, kinds, classifier, recording, truth, tracks, boost, event, first_row, has_truth
):
    """Fill the lists of e, μ, π, K, p from the tracks of an event. Returns the next free row."""
    start = tracks.offsets[event]
    stop = min(tracks.offsets[event + 1], start + MAX_TRACKS)
    row = first_row
    for hypothesis in range(5):
        kind_first = row
        for i in range(start, stop):
            if abs(tracks.d0[i]) > MAXIMUM_D0 or abs(tracks.z0[i]) > MAXIMUM_Z0:
                continue
            if tracks.pid[i, hypothesis] < MINIMUM_PID or row >= CAPACITY:
                continue
            pt2 = tracks.px[i] ** 2 + tracks.py[i] ** 2
            energy = math.sqrt(pt2 + tracks.pz[i] ** 2 + _PID_MASSES[hypothesis] ** 2)
            px, py, pz, energy = boosted(boost, tracks.px[i], tracks.py[i], tracks.pz[i], energy)
            bit = np.uint64(1) << np.uint64(i - start)
            sign = 0 if tracks.charge[i] > 0 else 1
            _set_candidate(store, row, px, py, pz, energy, bit, np.uint64(0), 0, sign)
            for k in range(5):
                store.feature[k] = math.log(max(tracks.pid[i, k], np.float32(1e-4)))
            store.feature[5] = math.sqrt(px * px + py * py + pz * pz)
            store.feature[6] = 0.5 * math.log(pt2 + 1e-6)
            store.feature[7] = tracks.pz[i] / math.sqrt(pt2 + tracks.pz[i] ** 2 + 1e-12)
            store.feature[8] = math.log(1.0 + abs(tracks.d0[i]) / tracks.d0_error[i])
            store.feature[9] = math.log(1.0 + abs(tracks.z0[i]) / (tracks.z0_error[i] + 0.03))
            store.feature[10] = min(tracks.n_cdc_hits[i], 60) / 60.0
            particle = tracks.truth[i]
            if has_truth and particle >= 0 and tracks.origin[i] == FROM_PARTICLE:
                code = kinds[hypothesis].code * (1 - 2 * sign)
                if truth[particle].code == code:
                    store.candidate[row].truth = particle
                    store.candidate[row].truth_energy = truth[particle].energy
            _judge(store, classifier, recording, hypothesis, row, event, has_truth)
            row += 1
        row = close_lists(
            store, hypothesis, kind_first, row, kinds[hypothesis].bound, kinds[hypothesis].minimum_probability
        )
    return row


@part
def _is_photon(clusters, i):  # type: ignore[no-untyped-def]
    """Whether a cluster is neutral, above the threshold of its region and inside the acceptance."""
    energy, theta = clusters.energy[i], clusters.theta[i]
    if clusters.track[i] >= 0 or not clusters.is_photon[i]:
        return False
    if theta < PHOTON_THETA[0] or theta > PHOTON_THETA[1]:
        return False
    if theta < _ENDCAPS[0]:
        return energy > PHOTON_THRESHOLDS[0]
    return energy > (PHOTON_THRESHOLDS[1] if theta < _ENDCAPS[1] else PHOTON_THRESHOLDS[2])


@part
def photon_candidates(  # type: ignore[no-untyped-def]
    store, kinds, classifier, recording, truth, tracks, clusters, v0s, boost, event, first_row, has_truth
):
    """Fill the photon list from neutral clusters and conversions. Returns the next free row."""
    row = first_row
    n_photons = 0
    for i in range(clusters.offsets[event], clusters.offsets[event + 1]):
        if _is_photon(clusters, i):
            n_photons += 1
    number = 0
    for i in range(clusters.offsets[event], clusters.offsets[event + 1]):
        if not _is_photon(clusters, i):
            continue
        if n_photons > MAX_PHOTONS:
            n_higher = 0
            for j in range(clusters.offsets[event], clusters.offsets[event + 1]):
                if _is_photon(clusters, j):
                    n_higher += clusters.energy[j] > clusters.energy[i]
            if n_higher >= MAX_PHOTONS:
                continue
        if number >= MAX_PHOTONS or row >= CAPACITY:
            break
        bit = np.uint64(1) << np.uint64(number)
        number += 1
        across = clusters.energy[i] * math.sin(clusters.theta[i])
        px, py, pz, energy = boosted(
            boost, across * math.cos(clusters.phi[i]), across * math.sin(clusters.phi[i]),
            clusters.energy[i] * math.cos(clusters.theta[i]), clusters.energy[i],
        )  # fmt: skip
        _set_candidate(store, row, px, py, pz, energy, np.uint64(0), bit, 0, 0)
        store.feature[0] = math.log(clusters.energy[i])
        store.feature[1] = math.cos(clusters.theta[i])
        store.feature[2] = clusters.e9_over_e21[i]
        store.feature[3] = min(clusters.n_hits[i], np.float32(40.0)) / 10.0
        store.feature[4] = min(abs(clusters.time[i]), np.float32(200.0)) / 50.0
        store.feature[5] = min(abs(clusters.time[i]) / (clusters.time_error[i] + np.float32(1e-3)), np.float32(5.0))
        store.feature[6] = min(clusters.track_distance[i], np.float32(250.0)) / 100.0
        store.feature[7] = energy
        store.feature[8] = n_photons / 10.0
        particle = clusters.truth[i]
        if has_truth and particle >= 0 and clusters.origin[i] == FROM_PARTICLE and truth[particle].code == 22:
            store.candidate[row].truth = particle
            store.candidate[row].truth_energy = truth[particle].energy
        _judge(store, classifier, recording, _GAMMA, row, event, has_truth)
        row += 1
    row = _add_v0s(
        store, kinds, classifier, recording, truth, tracks, v0s, boost, event, row, has_truth, _GAMMA, 0.0,
        CONVERSION_MASS,
    )  # fmt: skip
    return close_lists(store, _GAMMA, first_row, row, kinds[_GAMMA].bound, kinds[_GAMMA].minimum_probability)


@part
def _v0_truth(truth, tracks, first_track, positive, negative, code):  # type: ignore[no-untyped-def]
    """The particle of that code that both tracks of a V0 come from, else -1."""
    one, other = tracks.truth[first_track + positive], tracks.truth[first_track + negative]
    if one < 0 or other < 0:
        return -1
    mother = truth[one].mother
    if mother < 0 or mother != truth[other].mother or truth[mother].code != code:
        return -1
    return mother


@part
def _add_v0s(  # type: ignore[no-untyped-def]
    store, kinds, classifier, recording, truth, tracks, v0s, boost, event, first_row, has_truth, kind, low, high
):
    """Add the V0s of one hypothesis whose mass is in a window to the candidates. Returns the next free row."""
    row = first_row
    first_track = tracks.offsets[event]
    wanted = kinds[kind].code
    for i in range(v0s.offsets[event], v0s.offsets[event + 1]):
        code, mass = v0s.code[i], v0s.mass[i]
        if abs(code) != wanted or mass < low or mass > high:
            continue
        if row >= CAPACITY or max(v0s.positive[i], v0s.negative[i]) >= MAX_TRACKS:
            continue
        energy = math.sqrt(v0s.px[i] ** 2 + v0s.py[i] ** 2 + v0s.pz[i] ** 2 + mass * mass)
        px, py, pz, energy = boosted(boost, v0s.px[i], v0s.py[i], v0s.pz[i], energy)
        bits = (np.uint64(1) << np.uint64(v0s.positive[i])) | (np.uint64(1) << np.uint64(v0s.negative[i]))
        channel = 1 if kind == _GAMMA else 0
        _set_candidate(store, row, px, py, pz, energy, bits, np.uint64(0), channel, 1 if code == -3122 else 0)
        _v0_features(store, row, tracks, v0s, i, first_track, mass - kinds[kind].mass)
        if has_truth:
            particle = _v0_truth(truth, tracks, first_track, v0s.positive[i], v0s.negative[i], code)
            if particle >= 0:
                store.candidate[row].truth = particle
                store.candidate[row].truth_energy = truth[particle].energy
        _judge(store, classifier, recording, kind, row, event, has_truth)
        row += 1
    return row


@part
def _v0_features(store, row, tracks, v0s, i, first_track, difference):  # type: ignore[no-untyped-def]
    """Features of a V0: mass residual, flight distance and direction, how its tracks look."""
    distance = math.sqrt(v0s.x[i] ** 2 + v0s.y[i] ** 2)
    transverse = math.sqrt(v0s.px[i] ** 2 + v0s.py[i] ** 2) + 1e-9
    along = (v0s.x[i] * v0s.px[i] + v0s.y[i] * v0s.py[i]) / (transverse * (distance + 1e-9))
    positive, negative = first_track + v0s.positive[i], first_track + v0s.negative[i]
    code = v0s.code[i]
    feature = store.feature
    residual = difference / (_LAMBDA_RESOLUTION if abs(code) == 3122 else _K_SHORT_RESOLUTION)
    store.candidate[row].residual = residual
    feature[0] = max(min(residual, 15.0), -15.0)
    feature[1] = abs(feature[0])
    feature[2] = math.log(distance + 0.01)
    feature[3] = math.log(1.0 - along + 1e-5)
    feature[4] = math.sqrt(store.candidate[row].px ** 2 + store.candidate[row].py ** 2 + store.candidate[row].pz ** 2)
    feature[5] = math.log(max(tracks.pid[positive, PROTON if code == 3122 else PION], np.float32(1e-4)))
    feature[6] = math.log(max(tracks.pid[negative, PROTON if code == -3122 else PION], np.float32(1e-4)))
    feature[7] = math.log(1.0 + abs(tracks.d0[positive]) / tracks.d0_error[positive])
    feature[8] = math.log(1.0 + abs(tracks.d0[negative]) / tracks.d0_error[negative])


@part
def v0_candidates(  # type: ignore[no-untyped-def]
    store, kinds, classifier, recording, truth, tracks, v0s, boost, event, first_row, has_truth, kind
):
    """Fill the list of K_S or Λ. Returns the next free row."""
    low, high = K_SHORT_WINDOW if kind == _K_SHORT else LAMBDA_WINDOW
    row = _add_v0s(
        store, kinds, classifier, recording, truth, tracks, v0s, boost, event, first_row, has_truth, kind, low, high
    )
    return close_lists(store, kind, first_row, row, kinds[kind].bound, kinds[kind].minimum_probability)


@part
def _mass_of(px: float, py: float, pz: float, energy: float) -> float:
    return math.sqrt(max(energy * energy - px * px - py * py - pz * pz, 0.0))


@part
def _pair_mass(store, one, other):  # type: ignore[no-untyped-def]
    a, b = store.candidate[one], store.candidate[other]
    return _mass_of(a.px + b.px, a.py + b.py, a.pz + b.pz, a.energy + b.energy)


@part
def _composite_features(store, rows, n, row, residual, n_found):  # type: ignore[no-untyped-def]
    """Features of a combination: how far from its mass, how good its daughters, how they share the momentum.

    None of them knows Mbc, so that its spectrum is not shaped.
    """
    feature = store.feature
    whole = store.candidate[row]
    px, py, pz, energy = whole.px, whole.py, whole.pz, whole.energy
    total, least, slowest = 0.0, 0.0, 1e9
    for k in range(n):
        daughter = store.candidate[rows[k]]
        total += daughter.log_probability
        least = min(least, daughter.log_probability)
        slowest = min(slowest, daughter.px**2 + daughter.py**2 + daughter.pz**2)
    first = store.candidate[rows[0]]
    mass = _mass_of(px, py, pz, energy)
    momentum = math.sqrt(px * px + py * py + pz * pz)
    feature[0] = max(min(residual, 15.0), -15.0)
    feature[1] = abs(feature[0])
    feature[2] = total
    feature[3] = least
    feature[4] = first.log_probability
    feature[5] = momentum
    feature[6] = math.sqrt(slowest)
    feature[7] = _mass_of(px - first.px, py - first.py, pz - first.pz, energy - first.energy)
    feature[8] = _pair_mass(store, rows[0], rows[1]) if n > 2 else 0.0
    feature[9] = _pair_mass(store, rows[n - 2], rows[n - 1]) if n > 3 else 0.0
    feature[10] = _pair_mass(store, rows[0], rows[n - 1]) if n > 2 else 0.0
    # cosine of the first daughter's direction in the rest frame against the flight of the candidate
    inner = _mass_of(first.px, first.py, first.pz, first.energy)
    energy_at_rest = (energy * first.energy - px * first.px - py * first.py - pz * first.pz) / (mass + 1e-9)
    momentum_at_rest = math.sqrt(max(energy_at_rest**2 - inner**2, 1e-9))
    gamma_beta = momentum / (mass + 1e-9)
    cosine = (first.energy - energy / (mass + 1e-9) * energy_at_rest) / (gamma_beta * momentum_at_rest + 1e-9)
    feature[11] = max(min(cosine, 1.0), -1.0)
    feature[12] = max(min(first.residual, 15.0), -15.0)
    feature[13] = math.log(1.0 + n_found)


@part
def _residual(store, rows, row, rule, mass, resolution, inner_mass, beam_energy):  # type: ignore[no-untyped-def]
    whole = store.candidate[row]
    if rule == SEMILEPTONIC:
        return cos_theta_by(whole.px, whole.py, whole.pz, whole.energy, beam_energy, mass)
    if rule == MASS:
        return (_mass_of(whole.px, whole.py, whole.pz, whole.energy) - mass) / resolution
    if rule == MASS_DIFFERENCE:
        first = store.candidate[rows[0]]
        inner = _mass_of(first.px, first.py, first.pz, first.energy)
        return (_mass_of(whole.px, whole.py, whole.pz, whole.energy) - inner - (mass - inner_mass)) / resolution
    return (whole.energy - beam_energy) / resolution


@part
def composite_candidates(  # type: ignore[no-untyped-def]
    store, kinds, channels, classifier, recording, truth, kind, event, first_row, beam_energy, has_truth
):
    """All candidates of a composite kind, from all its channels, and its lists. Returns the next free row."""
    row = first_row
    lists = np.empty(MAX_DAUGHTERS, np.int64)
    rows = np.empty(MAX_DAUGHTERS, np.int64)
    rule = kinds[kind]
    for number in range(rule.first_channel, rule.stop_channel):
        channel = channels[number]
        n = channel.n_daughters
        for sign in range(1 if rule.is_self_conjugate else 2):
            for k in range(n):
                lists[k] = channel.daughters[k]
                if sign == 1 and not kinds[lists[k] // 2].is_self_conjugate:
                    lists[k] += 1 - 2 * (lists[k] % 2)
            n_best, n_found = combine(store, lists, n, rule, beam_energy, rows)
            for best in range(min(n_best, CAPACITY - row)):
                _add_composite(store, channel, best, number - rule.first_channel, sign, row)
                chosen = store.best[best].rows
                inner_mass = kinds[channel.daughters[0] // 2].mass
                residual = _residual(
                    store, chosen, row, rule.rule, rule.mass, channel.resolution, inner_mass, beam_energy
                )
                _composite_features(store, chosen, n, row, residual, n_found)
                store.candidate[row].residual = residual
                if has_truth:
                    code = rule.code if sign == 0 else -rule.code
                    particle, total = match(truth, store, chosen, n, code, rule.rule == SEMILEPTONIC)
                    store.candidate[row].truth = particle
                    store.candidate[row].truth_energy = total
                _judge(store, classifier, recording, kind, row, event, has_truth)
                if kind in (_PI0, _ETA):
                    _constrain_mass(store.candidate[row], rule.mass)
                row += 1
    return close_lists(store, kind, first_row, row, rule.bound, rule.minimum_probability)


@part
def _add_composite(store, channel, best, local_channel, sign, row):  # type: ignore[no-untyped-def]
    """Write the combination ``best`` of a channel into ``row``."""
    px, py, pz, energy = 0.0, 0.0, 0.0, 0.0
    tracks, photons = np.uint64(0), np.uint64(0)
    for k in range(channel.n_daughters):
        daughter = store.candidate[store.best[best].rows[k]]
        px += daughter.px
        py += daughter.py
        pz += daughter.pz
        energy += daughter.energy
        tracks |= daughter.tracks
        photons |= daughter.photons
    _set_candidate(store, row, px, py, pz, energy, tracks, photons, local_channel, sign)


@part
def _constrain_mass(candidate, mass):  # type: ignore[no-untyped-def]
    """Scale a momentum to the nominal mass: right where the daughters' energies err by a common factor."""
    scale = mass / (_mass_of(candidate.px, candidate.py, candidate.pz, candidate.energy) + 1e-9)
    candidate.px *= scale
    candidate.py *= scale
    candidate.pz *= scale
    candidate.energy *= scale
