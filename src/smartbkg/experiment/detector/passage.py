"""The way of one particle through the detector: decay, conversion, radiation, track, shower.

A particle waits on a stack until it is its turn; what it makes on its way goes on the stack too.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from smartbkg.compilation import part
from smartbkg.experiment.detector.calorimeter import (
    CLUSTER_COLUMNS,
    MOST_EXTRA_CLUSTERS,
    charged_shower,
    neutral_hadron_shower,
    photon_shower,
)
from smartbkg.experiment.detector.decays import DAUGHTERS, DECAY_LENGTH, DECAYING_MASS, conjugated, decay, decay_row
from smartbkg.experiment.detector.identification import identify, klm_efficiency
from smartbkg.experiment.detector.objects import ELECTRON, FROM_SECONDARY, KAON, MUON, PID_MASSES, PION, PROTON
from smartbkg.experiment.detector.propagation import NOWHERE, along_helix, exit_of_helix, exit_of_line, is_inside
from smartbkg.experiment.detector.tracking import (
    TRACK_COLUMNS,
    TRACK_KIND,
    TRACK_PHI_ECL,
    TRACK_PID,
    TRACK_PX,
    TRACK_PY,
    TRACK_PZ,
    TRACK_THETA_ECL,
    measure_clone,
    measure_soft_track,
    measure_track,
    track_efficiency,
)
from smartbkg.experiment.random_stream import exponential, poisson, uniform

#: Columns of a waiting particle's row.
(CODE, PX, PY, PZ, X, Y, Z, TIME, TRUTH, ORIGIN, FLAGS) = range(11)
STACK_COLUMNS: Final = FLAGS + 1
#: Bits of `FLAGS`.
NO_DECAY, NO_TRACK, TRACK_ONLY = 1, 2, 4
#: Columns of a KLM cluster's row.
(KLM_THETA, KLM_PHI, KLM_LAYERS, KLM_TRACK, KLM_TRUTH) = range(5)
KLM_COLUMNS: Final = KLM_TRUTH + 1
#: Positions in the workspace's ``count``: rows in use, particles of unknown code, and what found no room.
STACKED, TRACKS, CLUSTERS, KLM, UNKNOWN, OVERFLOW = range(6)

_ELECTRON_MASS: Final = PID_MASSES[ELECTRON]
_LIGHT_SPEED: Final = 29.9792458  # cm/ns
#: Radii (cm) of the material in which photons convert, each of equal share: pipe, 2 PXD, 4 SVD layers, inner wall.
_LAYERS: Final = (1.0, 1.4, 2.2, 3.9, 8.0, 10.4, 13.5, 16.0)


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


@part
def push(work, code, px, py, pz, x, y, z, time, truth, origin, flags):  # type: ignore[no-untyped-def]  # compiled
    """Let a particle wait; where the stack is full, `OVERFLOW` counts it instead."""
    n = work.count[STACKED]
    if n == len(work.stack):
        work.count[OVERFLOW] += 1
        return
    row = work.stack[n]
    row[CODE], row[PX], row[PY], row[PZ] = code, px, py, pz
    row[X], row[Y], row[Z], row[TIME] = x, y, z, time
    row[TRUTH], row[ORIGIN], row[FLAGS] = truth, origin, flags
    work.count[STACKED] = n + 1


@part
def push_decay(work, row, code, px, py, pz, x, y, z, time, truth, flags):  # type: ignore[no-untyped-def]  # compiled
    """Decay a particle at a point and let its daughters wait."""
    sign = 1 if code > 0 else -1
    channel = decay(row, px, py, pz, work.state, work.momenta)
    for k in range(3):
        daughter = DAUGHTERS[channel, k]
        if daughter != 0:
            qx, qy, qz = work.momenta[k, 0], work.momenta[k, 1], work.momenta[k, 2]
            push(work, conjugated(daughter, sign), qx, qy, qz, x, y, z, time, truth, FROM_SECONDARY, flags)


@part
def pass_neutral_decaying(work, detector, row, code, px, py, pz, x, y, z, time, truth):  # type: ignore[no-untyped-def]  # compiled
    """Particles that decay on a straight line (π0, K_S, hyperons); outside the tracking volume they are lost."""
    mass = DECAYING_MASS[row]
    p = math.sqrt(px * px + py * py + pz * pz)
    length = DECAY_LENGTH[row] * p / mass * exponential(work.state)
    if p > 0.0:
        x, y, z = x + length * px / p, y + length * py / p, z + length * pz / p
        time += length / _LIGHT_SPEED * math.hypot(1.0, mass / p)
    if is_inside(x, y, z, detector.geometry):
        push_decay(work, row, code, px, py, pz, x, y, z, time, truth, 0)


@part
def convert(work, detector, energy, px, py, pz, x, y, z, time, truth):  # type: ignore[no-untyped-def]  # compiled
    """Convert a photon in the material before the drift chamber, by chance; True = it has."""
    pt = math.hypot(px, py)
    radius = math.hypot(x, y)
    if pt < 0.05 * energy or energy < 0.01 or radius > _LAYERS[-1]:
        return False
    probability = 7.0 / 9.0 * detector.tracking.conversion_thickness * energy / pt
    if uniform(work.state) > probability:
        return False
    layer = _LAYERS[int(len(_LAYERS) * uniform(work.state))]
    if layer <= radius:
        return False
    arc = layer - radius
    share = uniform(work.state)
    for sign, part_of_energy in ((1, share), (-1, 1.0 - share)):
        electron_energy = part_of_energy * energy
        if electron_energy > 2.0 * _ELECTRON_MASS:
            scale = math.sqrt(electron_energy**2 - _ELECTRON_MASS**2) / energy
            push(
                work, 11 * sign, scale * px, scale * py, scale * pz, x + arc * px / pt, y + arc * py / pt,
                z + arc * pz / pt, time, truth, FROM_SECONDARY, 0,
            )  # fmt: skip
    return True


@part
def pass_photon(work, detector, px, py, pz, x, y, z, time, truth, origin):  # type: ignore[no-untyped-def]  # compiled
    """A photon: converts, or showers in the calorimeter."""
    energy = math.sqrt(px * px + py * py + pz * pz)
    if energy < 0.6 * detector.calorimeter.threshold:
        return
    if convert(work, detector, energy, px, py, pz, x, y, z, time, truth):
        return
    end = exit_of_line(x, y, z, px, py, pz, detector.geometry)
    theta, phi = math.atan2(math.hypot(end.x, end.y), end.z), math.atan2(end.y, end.x)
    work.count[CLUSTERS] = photon_shower(
        work.clusters, work.count[CLUSTERS], energy, theta, phi, time, truth, origin, detector.geometry,
        detector.calorimeter, work.state,
    )  # fmt: skip


@part
def pass_neutral_hadron(work, detector, code, px, py, pz, x, y, z, time, truth, origin, flags):  # type: ignore[no-untyped-def]  # compiled
    """A K_L or neutron: decays on its way (K_L), or showers in the calorimeter or behind it."""
    p = math.sqrt(px * px + py * py + pz * pz)
    end = exit_of_line(x, y, z, px, py, pz, detector.geometry)
    is_klong = code == 130
    if is_klong and p > 0.0 and flags & NO_DECAY == 0:
        row = decay_row(code)
        length = DECAY_LENGTH[row] * p / DECAYING_MASS[row] * exponential(work.state)
        if length * math.hypot(px, py) / p < end.arc:
            dx, dy, dz = x + length * px / p, y + length * py / p, z + length * pz / p
            push_decay(work, row, code, px, py, pz, dx, dy, dz, time, truth, 0)
            return
    theta, phi = math.atan2(math.hypot(end.x, end.y), end.z), math.atan2(end.y, end.x)
    before = work.count[CLUSTERS]
    work.count[CLUSTERS] = neutral_hadron_shower(
        work.clusters, before, p, is_klong, code == -2112, theta, phi, truth, origin, detector.geometry,
        detector.calorimeter, work.state,
    )  # fmt: skip
    if uniform(work.state) < detector.identification.klm_klong * (1.0 if is_klong else 0.5):
        add_klm(work, theta, phi, 1 + poisson(work.state, 1.5), -1, truth)


@part
def add_klm(work, theta, phi, n_layers, track, truth):  # type: ignore[no-untyped-def]  # compiled
    """Append a cluster of the K_L and muon detector; it covers 25 to 155 degrees (arXiv:1011.0352, chapter 10)."""
    n = work.count[KLM]
    if n < len(work.klm) and 0.436 < theta < 2.705:
        row = work.klm[n]
        row[KLM_THETA], row[KLM_PHI], row[KLM_LAYERS], row[KLM_TRACK], row[KLM_TRUTH] = (
            theta, phi, min(15, n_layers), track, truth)  # fmt: skip
        work.count[KLM] = n + 1


@part
def radiate(work, detector, px, py, pz, x, y, z, time, truth):  # type: ignore[no-untyped-def]  # compiled
    """Bremsstrahlung of an electron in the material before the drift chamber; returns what it keeps of its momentum.

    The number of photons above the threshold k0 follows 4/3 · X/X0 · ln(E/k0), each with a 1/k spectrum
    (PDG 2022, equation 34.29, in its leading term). Half of what it radiates is lost before the track is measured.
    """
    p = math.sqrt(px * px + py * py + pz * pz)
    pt = math.hypot(px, py)
    threshold = detector.tracking.bremsstrahlung_threshold
    if p < 2.0 * threshold or pt < 0.05 * p:
        return 1.0
    thickness = detector.tracking.conversion_thickness * p / pt
    kept = 1.0
    for _ in range(min(4, poisson(work.state, 4.0 / 3.0 * thickness * math.log(p / threshold)))):
        photon = threshold / p * (p / threshold) ** uniform(work.state)
        if photon < 0.9 * kept:
            kept -= photon
            push(work, 22, photon * px, photon * py, photon * pz, x, y, z, time, truth, FROM_SECONDARY, 0)
    return kept


@part
def add_track(work, detector, px, py, pz, x, y, z, charge, kind, truth, origin):  # type: ignore[no-untyped-def]  # compiled
    """Try to find the track of a particle; returns its position or -1."""
    pt = math.hypot(px, py)
    theta = math.degrees(math.atan2(pt, pz))
    n = work.count[TRACKS]
    chance = track_efficiency(pt, theta, math.hypot(x, y), detector.tracking, detector.geometry)
    if uniform(work.state) > chance or n >= len(work.tracks):
        return -1
    measure_track(
        work.tracks[n], x, y, z, px, py, pz, charge, kind, truth, origin, detector.tracking, detector.geometry,
        work.state,
    )  # fmt: skip
    work.count[TRACKS] = n + 1
    return n


@part
def identify_track(work, detector, track, energy, reaches, is_muon_like):  # type: ignore[no-untyped-def]  # compiled
    """Fill the identification of a track from its measured momentum and its cluster's energy (GeV)."""
    row = work.tracks[track]
    identify(
        row[TRACK_PID:], work.loglikelihood, row[TRACK_PX], row[TRACK_PY], row[TRACK_PZ], int(row[TRACK_KIND]), energy,
        reaches, is_muon_like, detector.identification, work.state,
    )  # fmt: skip


@part
def add_soft_track(work, detector, truth, origin, is_displaced):  # type: ignore[no-untyped-def]  # compiled
    """Append a track that is no particle's own."""
    n = work.count[TRACKS]
    if n < len(work.tracks):
        measure_soft_track(work.tracks[n], truth, origin, is_displaced, work.state)
        work.count[TRACKS] = n + 1
        identify_track(work, detector, n, 0.0, False, False)


@part
def add_clone(work, detector, original):  # type: ignore[no-untyped-def]  # compiled
    """Append a second track of a particle, by chance."""
    row = work.tracks[original]
    is_curling = math.hypot(row[TRACK_PX], row[TRACK_PY]) < detector.tracking.clone_pt
    chance = detector.tracking.clone_curling if is_curling else detector.tracking.clone_straight
    n = work.count[TRACKS]
    if uniform(work.state) < chance and n < len(work.tracks):
        measure_clone(work.tracks[n], row, FROM_SECONDARY, work.state)
        work.count[TRACKS] = n + 1
        identify_track(work, detector, n, 0.0, False, False)


@part
def pass_charged(work, detector, code, kind, px, py, pz, x, y, z, time, truth, origin, flags):  # type: ignore[no-untyped-def]  # compiled
    """A charged particle that lives long enough to be seen: e, μ, π, K, p."""
    geometry, tracking = detector.geometry, detector.tracking
    mass = PID_MASSES[kind]
    charge = 1 if (code > 0) == (kind > MUON) else -1
    pt = math.hypot(px, py)
    p = math.hypot(pt, pz)
    if pt <= 0.0:
        return
    end = exit_of_helix(x, y, z, px, py, pz, charge, geometry)
    row = decay_row(code)
    if row >= 0 and flags & (NO_DECAY | TRACK_ONLY) == 0:
        length = DECAY_LENGTH[row] * p / mass * exponential(work.state)
        arc = length * pt / p
        if arc < end.arc:
            dx, dy, dz, qx, qy, qz = along_helix(x, y, z, px, py, pz, charge, geometry.field, arc)
            is_long = math.hypot(dx, dy) > geometry.cdc_inner_radius and math.hypot(dx, dy) > tracking.kink_radius
            push_decay(work, row, code, qx, qy, qz, dx, dy, dz, time, truth, NO_TRACK if is_long else 0)
            if is_long and flags & NO_TRACK == 0:
                track = add_track(work, detector, px, py, pz, x, y, z, charge, kind, truth, origin)
                if track >= 0:
                    identify_track(work, detector, track, 0.0, False, False)
            return
    is_hadron = kind > MUON
    is_early = math.hypot(x, y) < geometry.cdc_inner_radius
    if is_hadron and flags & TRACK_ONLY == 0:
        if uniform(work.state) < tracking.interaction_track:
            add_soft_track(work, detector, truth, FROM_SECONDARY, True)
        if is_early and uniform(work.state) < tracking.interaction * p / pt * 0.8:
            return
    measured = 1.0
    if kind == ELECTRON and is_early:
        kept = radiate(work, detector, px, py, pz, x, y, z, time, truth)
        measured = 0.5 * (1.0 + kept)
        p *= kept
    track = -1
    if flags & NO_TRACK == 0:
        track = add_track(
            work, detector, measured * px, measured * py, measured * pz, x, y, z, charge, kind, truth, origin
        )
    if flags & TRACK_ONLY != 0:
        if track >= 0:
            identify_track(work, detector, track, 0.0, False, False)
        return
    finish_charged(work, detector, p, mass, charge, kind, end, track, truth, origin)


@part
def finish_charged(work, detector, p, mass, charge, kind, end, track, truth, origin):  # type: ignore[no-untyped-def]  # compiled
    """A charged particle at the calorimeter: shower, link to its track, muon detector, identification, clone."""
    reaches = end.place != NOWHERE
    theta, phi = math.atan2(math.hypot(end.x, end.y), end.z), math.atan2(end.y, end.x)
    work.count[CLUSTERS], energy = charged_shower(
        work.clusters, work.count[CLUSTERS], p, mass, charge, kind, theta, phi, track, truth, origin, reaches,
        detector.geometry, detector.calorimeter, work.state,
    )  # fmt: skip
    is_muon_like = reaches and uniform(work.state) < klm_efficiency(p, kind, detector.identification)
    if is_muon_like:
        add_klm(work, theta, phi, 6 + int(9.0 * uniform(work.state)), track, truth)
    elif reaches and kind >= PION:
        chance = detector.identification.klm_kaon if kind == KAON else detector.identification.klm_hadron
        if uniform(work.state) < chance:
            add_klm(work, theta, phi, 1 + poisson(work.state, 1.0), track if uniform(work.state) < 0.5 else -1, truth)
    if track >= 0:
        if reaches:
            work.tracks[track, TRACK_THETA_ECL] = theta
            work.tracks[track, TRACK_PHI_ECL] = phi
        identify_track(work, detector, track, energy, reaches, is_muon_like)
        add_clone(work, detector, track)


@part
def pass_particle(work, detector):  # type: ignore[no-untyped-def]  # compiled
    """Take one particle from the stack and let it pass through the detector."""
    work.count[STACKED] -= 1
    row = work.stack[work.count[STACKED]]
    code = int(row[CODE])
    px, py, pz, x, y, z, time = row[PX], row[PY], row[PZ], row[X], row[Y], row[Z], row[TIME]
    truth, origin, flags = int(row[TRUTH]), int(row[ORIGIN]), int(row[FLAGS])
    if work.count[CLUSTERS] + 2 * MOST_EXTRA_CLUSTERS > len(work.clusters) // 2 or work.count[TRACKS] + 4 > len(
        work.tracks
    ):
        work.count[OVERFLOW] += 1
        return
    if not is_inside(x, y, z, detector.geometry):
        return
    kind = kind_of(abs(code))
    if code == 22:
        pass_photon(work, detector, px, py, pz, x, y, z, time, truth, origin)
    elif kind >= 0:
        pass_charged(work, detector, code, kind, px, py, pz, x, y, z, time, truth, origin, flags)
    elif code == 130 or abs(code) == 2112:
        pass_neutral_hadron(work, detector, code, px, py, pz, x, y, z, time, truth, origin, flags)
    elif abs(code) == 12 or abs(code) == 14 or abs(code) == 16:
        return
    else:
        decays = decay_row(code)
        if decays < 0:
            work.count[UNKNOWN] += 1
        else:
            pass_neutral_decaying(work, detector, decays, code, px, py, pz, x, y, z, time, truth)


@part
def kind_of(code: int) -> int:
    """Position of an unsigned PDG code in the hypotheses, -1 for other particles."""
    if code == 211:
        return PION
    if code == 321:
        return KAON
    if code == 2212:
        return PROTON
    if code == 13:
        return MUON
    return ELECTRON if code == 11 else -1
