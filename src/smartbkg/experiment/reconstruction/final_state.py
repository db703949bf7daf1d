"""Final-state candidates of one event, compiled: tracks, clusters and V0s → charged particles, photons, K_S and Λ.

Each list is what the composite stages combine. Lists overlap: a track may be a pion and a kaon. In all functions
``tools`` is a `smartbkg.experiment.reconstruction.tools.Tools`, ``response`` a
`smartbkg.experiment.detector.objects.DetectorResponse`, ``event`` a position in the batch, and ``first_row`` the place
in ``tools.store.candidate`` where the candidates begin.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from smartbkg.compilation import borrowing_part
from smartbkg.experiment.detector.objects import DRIFT_CHAMBER_THETA, FROM_PARTICLE, PID_CODES, PID_MASSES, PION, PROTON
from smartbkg.experiment.reconstruction.channels import KIND_INDEX
from smartbkg.experiment.reconstruction.combinations import CAPACITY, Momentum, close_lists
from smartbkg.experiment.reconstruction.scoring import score_candidate, set_candidate

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
PHOTON_THETA: Final = DRIFT_CHAMBER_THETA
_ENDCAPS: Final = (0.562, 2.246)
PHOTON_THRESHOLDS: Final = (0.10, 0.09, 0.16)

_GAMMA: Final = KIND_INDEX["gamma"]
_K_SHORT: Final = KIND_INDEX["K_S0"]
_LAMBDA: Final = KIND_INDEX["Lambda0"]
_PID_CODES: Final = np.array(PID_CODES)
_PID_MASSES: Final = np.array(PID_MASSES)
#: K_S and Λ candidates: mass window, GeV (basf2's stdKshorts and stdLambdas).
K_SHORT_WINDOW: Final = (0.450, 0.550)
LAMBDA_WINDOW: Final = (1.10, 1.13)
#: Largest mass of a converted photon, GeV.
CONVERSION_MASS: Final = 0.05
_K_SHORT_RESOLUTION: Final = 0.003
_LAMBDA_RESOLUTION: Final = 0.0015


@borrowing_part
def boosted(boost, px, py, pz, energy):  # type: ignore[no-untyped-def]
    """`Momentum` in the centre-of-mass frame of one in the laboratory; ``boost`` (4, 4) in the order px, py, pz, E."""
    return Momentum(
        boost[0, 0] * px + boost[0, 1] * py + boost[0, 2] * pz + boost[0, 3] * energy,
        boost[1, 0] * px + boost[1, 1] * py + boost[1, 2] * pz + boost[1, 3] * energy,
        boost[2, 0] * px + boost[2, 1] * py + boost[2, 2] * pz + boost[2, 3] * energy,
        boost[3, 0] * px + boost[3, 1] * py + boost[3, 2] * pz + boost[3, 3] * energy,
    )


@borrowing_part
def charged_candidates(tools, response, event, first_row):  # type: ignore[no-untyped-def]
    """Fill the lists of e, μ, π, K, p from the tracks of an event. Returns the next free row."""
    store, kinds, truth, tracks = tools.store, tools.kinds, tools.truth, response.tracks
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
            momentum = boosted(tools.boost, tracks.px[i], tracks.py[i], tracks.pz[i], energy)
            px, py, pz = momentum.px, momentum.py, momentum.pz
            bit = np.uint64(1) << np.uint64(i - start)
            sign = 0 if tracks.charge[i] > 0 else 1
            set_candidate(store, row, momentum, bit, np.uint64(0), 0, sign)
            for k in range(5):
                store.feature[k] = math.log(max(tracks.pid[i, k], np.float32(1e-4)))
            store.feature[5] = math.sqrt(px * px + py * py + pz * pz)
            store.feature[6] = 0.5 * math.log(pt2 + 1e-6)
            store.feature[7] = tracks.pz[i] / math.sqrt(pt2 + tracks.pz[i] ** 2 + 1e-12)
            store.feature[8] = math.log(1.0 + abs(tracks.d0[i]) / tracks.d0_error[i])
            store.feature[9] = math.log(1.0 + abs(tracks.z0[i]) / (tracks.z0_error[i] + 0.03))
            store.feature[10] = min(tracks.n_cdc_hits[i], 60) / 60.0
            particle = tracks.truth[i]
            if tools.has_truth and particle >= 0 and tracks.origin[i] == FROM_PARTICLE:
                code = kinds[hypothesis].code * (1 - 2 * sign)
                if truth[particle].code == code:
                    store.candidate[row].truth = particle
                    store.candidate[row].truth_energy = truth[particle].energy
            score_candidate(tools, hypothesis, row, event)
            row += 1
        row = close_lists(
            store, hypothesis, kind_first, row, kinds[hypothesis].bound, kinds[hypothesis].minimum_probability
        )
    return row


@borrowing_part
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


@borrowing_part
def photon_candidates(tools, response, event, first_row):  # type: ignore[no-untyped-def]
    """Fill the photon list from neutral clusters and conversions. Returns the next free row."""
    store, kinds, truth, clusters = tools.store, tools.kinds, tools.truth, response.clusters
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
        momentum = boosted(
            tools.boost, across * math.cos(clusters.phi[i]), across * math.sin(clusters.phi[i]),
            clusters.energy[i] * math.cos(clusters.theta[i]), clusters.energy[i],
        )  # fmt: skip
        set_candidate(store, row, momentum, np.uint64(0), bit, 0, 0)
        store.feature[0] = math.log(clusters.energy[i])
        store.feature[1] = math.cos(clusters.theta[i])
        store.feature[2] = clusters.e9_over_e21[i]
        store.feature[3] = min(clusters.n_hits[i], np.float32(40.0)) / 10.0
        store.feature[4] = min(abs(clusters.time[i]), np.float32(200.0)) / 50.0
        store.feature[5] = min(abs(clusters.time[i]) / (clusters.time_error[i] + np.float32(1e-3)), np.float32(5.0))
        store.feature[6] = min(clusters.track_distance[i], np.float32(250.0)) / 100.0
        store.feature[7] = momentum.energy
        store.feature[8] = n_photons / 10.0
        particle = clusters.truth[i]
        if tools.has_truth and particle >= 0 and clusters.origin[i] == FROM_PARTICLE and truth[particle].code == 22:
            store.candidate[row].truth = particle
            store.candidate[row].truth_energy = truth[particle].energy
        score_candidate(tools, _GAMMA, row, event)
        row += 1
    row = _add_v0s(tools, response, event, row, _GAMMA, (0.0, CONVERSION_MASS))
    return close_lists(store, _GAMMA, first_row, row, kinds[_GAMMA].bound, kinds[_GAMMA].minimum_probability)


@borrowing_part
def _v0_truth(truth, tracks, first_track, positive, negative, code):  # type: ignore[no-untyped-def]
    """The particle of that code that both tracks of a V0 come from, else -1."""
    one, other = tracks.truth[first_track + positive], tracks.truth[first_track + negative]
    if one < 0 or other < 0:
        return -1
    mother = truth[one].mother
    if mother < 0 or mother != truth[other].mother or truth[mother].code != code:
        return -1
    return mother


@borrowing_part
def _add_v0s(tools, response, event, first_row, kind, window):  # type: ignore[no-untyped-def]
    """Add the V0s of one hypothesis whose mass is in a window (low, high), GeV. Returns the next free row."""
    store, kinds, truth, tracks, v0s = tools.store, tools.kinds, tools.truth, response.tracks, response.v0s
    low, high = window
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
        momentum = boosted(tools.boost, v0s.px[i], v0s.py[i], v0s.pz[i], energy)
        bits = (np.uint64(1) << np.uint64(v0s.positive[i])) | (np.uint64(1) << np.uint64(v0s.negative[i]))
        channel = 1 if kind == _GAMMA else 0
        set_candidate(store, row, momentum, bits, np.uint64(0), channel, 1 if code == -3122 else 0)
        _v0_features(store, row, tracks, v0s, i, first_track, mass - kinds[kind].mass)
        if tools.has_truth:
            particle = _v0_truth(truth, tracks, first_track, v0s.positive[i], v0s.negative[i], code)
            if particle >= 0:
                store.candidate[row].truth = particle
                store.candidate[row].truth_energy = truth[particle].energy
        score_candidate(tools, kind, row, event)
        row += 1
    return row


@borrowing_part
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


@borrowing_part
def v0_candidates(tools, response, event, first_row, kind):  # type: ignore[no-untyped-def]
    """Fill the list of K_S or Λ. Returns the next free row."""
    row = _add_v0s(tools, response, event, first_row, kind, K_SHORT_WINDOW if kind == _K_SHORT else LAMBDA_WINDOW)
    rule = tools.kinds[kind]
    return close_lists(tools.store, kind, first_row, row, rule.bound, rule.minimum_probability)
