"""The way of one particle through the detector: decay, conversion, radiation, track, shower.

A particle waits on a stack until it is its turn; what it makes on its way goes on the stack too. In all functions
``work`` is a record of `smartbkg.experiment.detector.workspace.WORKSPACE`, ``detector`` one of
`smartbkg.experiment.detector.parameters.DetectorParameters.to_record`, ``particle`` a
`smartbkg.experiment.detector.workspace.Particle`.
"""

from __future__ import annotations

import math
from typing import Final

from smartbkg.compilation import part
from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.experiment.detector.calorimeter import (
    MOST_EXTRA_CLUSTERS,
    charged_shower,
    neutral_hadron_shower,
    photon_shower,
)
from smartbkg.experiment.detector.decays import DAUGHTERS, DECAY_LENGTH, DECAYING_MASS, conjugated, decay, decay_row
from smartbkg.experiment.detector.identification import Seen, identify, klm_efficiency
from smartbkg.experiment.detector.objects import ELECTRON, FROM_SECONDARY, KAON, MUON, PID_MASSES, PION, PROTON
from smartbkg.experiment.detector.propagation import NOWHERE, along_helix, exit_of_helix, exit_of_line, is_inside
from smartbkg.experiment.detector.tracking import measure_clone, measure_soft_track, measure_track, track_efficiency
from smartbkg.experiment.detector.workspace import (
    CLUSTERS,
    KLM,
    KLM_LAYERS,
    KLM_PHI,
    KLM_THETA,
    KLM_TRACK,
    KLM_TRUTH,
    NO_DECAY,
    NO_TRACK,
    OVERFLOW,
    TRACK_KIND,
    TRACK_ONLY,
    TRACK_PHI_ECL,
    TRACK_PID,
    TRACK_PX,
    TRACK_PY,
    TRACK_PZ,
    TRACK_THETA_ECL,
    TRACKS,
    UNKNOWN,
    Charged,
    Entry,
    Particle,
    at_point,
    pop,
    push,
    secondary,
    with_momentum,
)
from smartbkg.experiment.random_stream import exponential, poisson, uniform

_ELECTRON_MASS: Final = PID_MASSES[ELECTRON]
#: Radii (cm) of the material in which photons convert, each of equal share: pipe, 2 PXD, 4 SVD layers, inner wall.
_LAYERS: Final = (1.0, 1.4, 2.2, 3.9, 8.0, 10.4, 13.5, 16.0)


@part
def push_decay(work, row, particle, flags):  # type: ignore[no-untyped-def]  # compiled
    """Decay a particle where it stands, by row ``row`` of the decays, and let its daughters wait with these flags."""
    sign = 1 if particle.code > 0 else -1
    channel = decay(row, particle.px, particle.py, particle.pz, work.state, work.momenta)
    for k in range(3):
        daughter = DAUGHTERS[channel, k]
        if daughter != 0:
            qx, qy, qz = work.momenta[k, 0], work.momenta[k, 1], work.momenta[k, 2]
            push(work, secondary(particle, conjugated(daughter, sign), qx, qy, qz, flags))


@part
def pass_neutral_decaying(work, detector, row, particle):  # type: ignore[no-untyped-def]  # compiled
    """Particles that decay on a straight line (π0, K_S, hyperons); outside the tracking volume they are lost."""
    mass = DECAYING_MASS[row]
    px, py, pz = particle.px, particle.py, particle.pz
    x, y, z, time = particle.x, particle.y, particle.z, particle.time
    p = math.sqrt(px * px + py * py + pz * pz)
    length = DECAY_LENGTH[row] * p / mass * exponential(work.state)
    if p > 0.0:
        x, y, z = x + length * px / p, y + length * py / p, z + length * pz / p
        time += length / SPEED_OF_LIGHT * math.hypot(1.0, mass / p)
    if is_inside(x, y, z, detector.geometry):
        push_decay(work, row, at_point(particle, x, y, z, time), 0)


@part
def convert(work, detector, energy, particle):  # type: ignore[no-untyped-def]  # compiled
    """Convert a photon of an energy (GeV) in the material before the drift chamber, by chance; True = it has.

    The probability is 7/9 of the thickness in radiation lengths (PDG 2022, equation 34.32), along the slanted path.
    """
    px, py, pz = particle.px, particle.py, particle.pz
    pt = math.hypot(px, py)
    radius = math.hypot(particle.x, particle.y)
    # Along the beam pipe the path in the material is not E/p_T of that of a central photon; nothing is seen there.
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
    x, y, z = particle.x + arc * px / pt, particle.y + arc * py / pt, particle.z + arc * pz / pt
    there = at_point(particle, x, y, z, particle.time)
    for sign, part_of_energy in ((1, share), (-1, 1.0 - share)):
        electron_energy = part_of_energy * energy
        if electron_energy > 2.0 * _ELECTRON_MASS:
            scale = math.sqrt(electron_energy**2 - _ELECTRON_MASS**2) / energy
            push(work, secondary(there, 11 * sign, scale * px, scale * py, scale * pz, 0))
    return True


@part
def entry_of(particle, end):  # type: ignore[no-untyped-def]  # compiled
    """The `Entry` of a particle that leaves the tracking volume at ``end``, of `exit_of_line` or `exit_of_helix`."""
    theta, phi = math.atan2(math.hypot(end.x, end.y), end.z), math.atan2(end.y, end.x)
    return Entry(theta, phi, particle.truth, particle.origin)


@part
def pass_photon(work, detector, particle):  # type: ignore[no-untyped-def]  # compiled
    """A photon: converts, or showers in the calorimeter."""
    px, py, pz = particle.px, particle.py, particle.pz
    energy = math.sqrt(px * px + py * py + pz * pz)
    # Below this no fluctuation brings a cluster above threshold.
    if energy < 0.6 * detector.calorimeter.threshold:
        return
    if convert(work, detector, energy, particle):
        return
    end = exit_of_line(particle, detector.geometry)
    photon_shower(work, detector, energy, entry_of(particle, end), particle.time)


@part
def pass_neutral_hadron(work, detector, particle):  # type: ignore[no-untyped-def]  # compiled
    """A K_L or neutron: decays on its way (K_L), or showers in the calorimeter or behind it."""
    px, py, pz = particle.px, particle.py, particle.pz
    x, y, z = particle.x, particle.y, particle.z
    p = math.sqrt(px * px + py * py + pz * pz)
    end = exit_of_line(particle, detector.geometry)
    is_klong = particle.code == 130
    if is_klong and p > 0.0 and particle.flags & NO_DECAY == 0:
        row = decay_row(particle.code)
        length = DECAY_LENGTH[row] * p / DECAYING_MASS[row] * exponential(work.state)
        if length * math.hypot(px, py) / p < end.arc:
            dx, dy, dz = x + length * px / p, y + length * py / p, z + length * pz / p
            push_decay(work, row, at_point(particle, dx, dy, dz, particle.time), 0)
            return
    entry = entry_of(particle, end)
    neutral_hadron_shower(work, detector, p, is_klong, particle.code == -2112, entry)
    # A neutron makes half as many showers behind the calorimeter as a K_L.
    if uniform(work.state) < detector.identification.klm_klong * (1.0 if is_klong else 0.5):
        add_klm(work, entry, 1 + poisson(work.state, 1.5), -1)


@part
def add_klm(work, entry, n_layers, track):  # type: ignore[no-untyped-def]  # compiled
    """Append a cluster of the K_L and muon detector; it covers 25 to 155 degrees (arXiv:1011.0352, chapter 10)."""
    n = work.count[KLM]
    if n < len(work.klm) and 0.436 < entry.theta < 2.705:
        row = work.klm[n]
        row[KLM_THETA], row[KLM_PHI], row[KLM_LAYERS], row[KLM_TRACK], row[KLM_TRUTH] = (
            entry.theta, entry.phi, min(15, n_layers), track, entry.truth)  # fmt: skip
        work.count[KLM] = n + 1


@part
def radiate(work, detector, particle):  # type: ignore[no-untyped-def]  # compiled
    """Bremsstrahlung of an electron in the material before the drift chamber; returns what it keeps of its momentum.

    The number of photons above the threshold k0 follows 4/3 · X/X0 · ln(E/k0), each with a 1/k spectrum
    (PDG 2022, equation 34.29, in its leading term). Half of what it radiates is lost before the track is measured.
    """
    px, py, pz = particle.px, particle.py, particle.pz
    p = math.sqrt(px * px + py * py + pz * pz)
    pt = math.hypot(px, py)
    threshold = detector.tracking.bremsstrahlung_threshold
    if p < 2.0 * threshold or pt < 0.05 * p:
        return 1.0
    thickness = detector.tracking.conversion_thickness * p / pt
    kept = 1.0
    for _ in range(min(4, poisson(work.state, 4.0 / 3.0 * thickness * math.log(p / threshold)))):
        # k = k0 (E/k0)^u with u uniform has the spectrum 1/k between k0 and E.
        photon = threshold / p * (p / threshold) ** uniform(work.state)
        if photon < 0.9 * kept:
            kept -= photon
            push(work, secondary(particle, 22, photon * px, photon * py, photon * pz, 0))
    return kept


@part
def add_track(work, detector, particle, charge, kind):  # type: ignore[no-untyped-def]  # compiled
    """Try to find the track of a particle; returns its position or -1."""
    pt = math.hypot(particle.px, particle.py)
    theta = math.degrees(math.atan2(pt, particle.pz))
    n = work.count[TRACKS]
    radius = math.hypot(particle.x, particle.y)
    chance = track_efficiency(pt, theta, radius, detector.tracking, detector.geometry)
    if uniform(work.state) > chance or n >= len(work.tracks):
        return -1
    measure_track(work.tracks[n], particle, charge, kind, detector, work.state)
    work.count[TRACKS] = n + 1
    return n


@part
def identify_track(work, detector, track, energy, reaches, is_muon_like):  # type: ignore[no-untyped-def]  # compiled
    """Fill the identification of a track from its measured momentum and its cluster's energy (GeV)."""
    row = work.tracks[track]
    seen = Seen(row[TRACK_PX], row[TRACK_PY], row[TRACK_PZ], int(row[TRACK_KIND]), energy, reaches, is_muon_like)
    identify(row[TRACK_PID:], work.loglikelihood, seen, detector.identification, work.state)


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
    """Append a second track of a particle, by chance: most often where it curls and is found again on a later turn."""
    row = work.tracks[original]
    is_curling = math.hypot(row[TRACK_PX], row[TRACK_PY]) < detector.tracking.clone_pt
    chance = detector.tracking.clone_curling if is_curling else detector.tracking.clone_straight
    n = work.count[TRACKS]
    if uniform(work.state) < chance and n < len(work.tracks):
        measure_clone(work.tracks[n], row, FROM_SECONDARY, work.state)
        work.count[TRACKS] = n + 1
        identify_track(work, detector, n, 0.0, False, False)


@part
def pass_charged(work, detector, particle, kind):  # type: ignore[no-untyped-def]  # compiled
    """A charged particle that lives long enough to be seen: e, μ, π, K, p.

    ``kind`` is its position in `smartbkg.experiment.detector.objects.PID_HYPOTHESES`.
    """
    geometry, tracking = detector.geometry, detector.tracking
    px, py, pz, x, y = particle.px, particle.py, particle.pz, particle.x, particle.y
    flags, truth = particle.flags, particle.truth
    mass = PID_MASSES[kind]
    # Codes of leptons are positive for negative charge.
    charge = 1 if (particle.code > 0) == (kind > MUON) else -1
    pt = math.hypot(px, py)
    p = math.hypot(pt, pz)
    if pt <= 0.0:
        return
    end = exit_of_helix(particle, charge, geometry)
    row = decay_row(particle.code)
    if row >= 0 and flags & (NO_DECAY | TRACK_ONLY) == 0:
        length = DECAY_LENGTH[row] * p / mass * exponential(work.state)
        arc = length * pt / p
        if arc < end.arc:
            there = along_helix(particle, charge, geometry.field, arc)
            # Deep in the drift chamber the mother is found as a track, and the kinked daughter is not.
            radius = math.hypot(there.x, there.y)
            is_long = radius > geometry.cdc_inner_radius and radius > tracking.kink_radius
            decaying = Particle(
                particle.code, there.px, there.py, there.pz, there.x, there.y, there.z, particle.time, truth,
                particle.origin, particle.flags,
            )  # fmt: skip
            push_decay(work, row, decaying, NO_TRACK if is_long else 0)
            if is_long and flags & NO_TRACK == 0:
                track = add_track(work, detector, particle, charge, kind)
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
        kept = radiate(work, detector, particle)
        measured = 0.5 * (1.0 + kept)
        p *= kept
    track = -1
    if flags & NO_TRACK == 0:
        slowed = with_momentum(particle, measured * px, measured * py, measured * pz)
        track = add_track(work, detector, slowed, charge, kind)
    if flags & TRACK_ONLY != 0:
        if track >= 0:
            identify_track(work, detector, track, 0.0, False, False)
        return
    finish_charged(work, detector, Charged(p, mass, charge, kind), entry_of(particle, end), track, end.place != NOWHERE)


@part
def finish_charged(work, detector, charged, entry, track, reaches):  # type: ignore[no-untyped-def]  # compiled
    """A charged particle at the calorimeter: shower, link to its track, muon detector, identification, clone.

    Parameters
    ----------
    charged : `smartbkg.experiment.detector.workspace.Charged`.
    entry : `smartbkg.experiment.detector.workspace.Entry`.
    track : its track, -1 where none was found.
    reaches : False for one that curls and stops before the calorimeter.
    """
    kind = charged.kind
    energy = charged_shower(work, detector, charged, entry, track, reaches)
    chance = klm_efficiency(charged.momentum, kind, detector.identification)
    is_muon_like = reaches and uniform(work.state) < chance
    if is_muon_like:
        add_klm(work, entry, 6 + int(9.0 * uniform(work.state)), track)
    elif reaches and kind >= PION:
        chance = detector.identification.klm_kaon if kind == KAON else detector.identification.klm_hadron
        if uniform(work.state) < chance:
            n_layers = 1 + poisson(work.state, 1.0)
            add_klm(work, entry, n_layers, track if uniform(work.state) < 0.5 else -1)
    if track >= 0:
        if reaches:
            work.tracks[track, TRACK_THETA_ECL] = entry.theta
            work.tracks[track, TRACK_PHI_ECL] = entry.phi
        identify_track(work, detector, track, energy, reaches, is_muon_like)
        add_clone(work, detector, track)


@part
def pass_particle(work, detector):  # type: ignore[no-untyped-def]  # compiled
    """Take one particle from the stack and let it pass through the detector."""
    particle = pop(work)
    code = particle.code
    # Half of the clusters' room is for the sums that `add_hadron_sums` appends.
    if work.count[CLUSTERS] + 2 * MOST_EXTRA_CLUSTERS > len(work.clusters) // 2 or work.count[TRACKS] + 4 > len(
        work.tracks
    ):
        work.count[OVERFLOW] += 1
        return
    if not is_inside(particle.x, particle.y, particle.z, detector.geometry):
        return
    kind = kind_of(abs(code))
    if code == 22:
        pass_photon(work, detector, particle)
    elif kind >= 0:
        pass_charged(work, detector, particle, kind)
    elif code == 130 or abs(code) == 2112:
        pass_neutral_hadron(work, detector, particle)
    elif abs(code) == 12 or abs(code) == 14 or abs(code) == 16:
        return
    else:
        decays = decay_row(code)
        if decays < 0:
            work.count[UNKNOWN] += 1
        else:
            pass_neutral_decaying(work, detector, decays, particle)


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
