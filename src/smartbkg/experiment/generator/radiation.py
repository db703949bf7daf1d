"""Photons radiated in decays, as Belle II's EvtGen gets them from PHOTOS: one in thirteen photons of a B B̄ event.

Every decay with a charged daughter may radiate, again and again. Number and directions of the photons follow the
eikonal current of all charged particles of the decay, the mother at rest included; hard photons are damped by the
splitting function of a charged particle. The daughter that radiated keeps its direction, the others recoil as one
system; what decays later does so with the momentum, and at the place, that the recoil leaves it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.events.columns import ParticleStatus
from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.experiment.random_stream import poisson, uniform

#: Softest photon in units of half the mother's mass, as in PHOTOS (Golonka and Was, doi:10.1140/epjc/s2005-02396-4).
INFRARED_CUT: Final = 1e-7

_ALPHA_OVER_PI: Final = 0.0072973525693 / np.pi  # CODATA 2018
_BOUND: Final = 2.0  # of the current over the sum of 1 / (1 - β cos θ): exact for one or two charges
_EXCLUDED: Final = ParticleStatus.VIRTUAL | ParticleStatus.INITIAL  # the shower has radiated there
_SHORTEST_MOMENTUM: Final = 1e-9  # GeV
_MOST_PHOTONS: Final = 16  # of one decay
_PHOTON: Final = 22
_PHOTON_STATUS: Final = ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR | ParticleStatus.PHOTOS_PHOTON
_MOMENTUM: Final = ("energy", "px", "py", "pz")
_VERTEX: Final = ("prodTime", "x", "y", "z")


@part
def _boost(p, q, mass, sign):  # type: ignore[no-untyped-def]  # compiled: takes arrays
    """Boost ``p`` (4,) in place by the velocity of ``q`` (sign +1: out of its rest frame, -1: into it)."""
    along = sign * (p[1] * q[1] + p[2] * q[2] + p[3] * q[3])
    energy = (p[0] * q[0] + along) / mass
    factor = sign * (energy + p[0]) / (q[0] + mass)
    p[0] = energy
    for a in range(1, 4):
        p[a] += factor * q[a]


@part
def _current(direction, p, charge, mother_charge):  # type: ignore[no-untyped-def]  # compiled
    """k0² (-J²) with J = Σ Q p/(p·k) of the daughters less that of the mother, which is at rest."""
    j0 = -mother_charge
    jx, jy, jz = 0.0, 0.0, 0.0
    proposal = 0.0
    for i in range(len(charge)):
        if charge[i] == 0.0:
            continue
        scale = p[i, 0] - p[i, 1] * direction[0] - p[i, 2] * direction[1] - p[i, 3] * direction[2]
        j0 += charge[i] * p[i, 0] / scale
        jx += charge[i] * p[i, 1] / scale
        jy += charge[i] * p[i, 2] / scale
        jz += charge[i] * p[i, 3] / scale
        proposal += _BOUND * p[i, 0] / scale
    return (jx * jx + jy * jy + jz * jz - j0 * j0) / proposal


@part
def _propose_direction(state, p, out):  # type: ignore[no-untyped-def]  # compiled
    """Unit vector ``out`` from 1 / (1 - β cos θ) about the momentum ``p`` (4,); returns cos θ."""
    momentum = np.sqrt(p[1] * p[1] + p[2] * p[2] + p[3] * p[3])
    beta = momentum / p[0]
    # 1 - β cos θ is distributed log-uniformly between 1 - β and 1 + β; 1 - β without cancellation
    low = (p[0] * p[0] - momentum * momentum) / (p[0] * (p[0] + momentum))
    scale = low * ((1.0 + beta) / low) ** uniform(state)
    cosine = min(max((1.0 - scale) / beta, -1.0), 1.0)
    sine = np.sqrt(1.0 - cosine * cosine)
    azimuth = 2.0 * np.pi * uniform(state)
    nx, ny, nz = p[1] / momentum, p[2] / momentum, p[3] / momentum
    # two axes across n
    if abs(nz) < 0.9:
        ux, uy, uz = -ny, nx, 0.0
    else:
        ux, uy, uz = 0.0, -nz, ny
    length = np.sqrt(ux * ux + uy * uy + uz * uz)
    ux, uy, uz = ux / length, uy / length, uz / length
    vx, vy, vz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
    c, s = sine * np.cos(azimuth), sine * np.sin(azimuth)
    out[0] = cosine * nx + c * ux + s * vx
    out[1] = cosine * ny + c * uy + s * vy
    out[2] = cosine * nz + c * uz + s * vz
    return cosine


@part
def _emit(p, mass, emitter, mother_mass, energy, direction, cosine):  # type: ignore[no-untyped-def]  # compiled
    """Give the daughters the momenta they have beside a photon of that energy, in the mother's rest frame.

    Solves A E + k c |p| = D, which is (P - k - p)² = M_R², for the emitter's momentum along its old direction, with
    A = M - k, D = ((P - k)² + m² - M_R²) / 2; boosts the others, of mass M_R together. Returns whether it can be done.
    """
    rest = np.zeros(4)
    for i in range(len(mass)):
        if i != emitter:
            for a in range(4):
                rest[a] += p[i, a]
    rest_mass = np.sqrt(max(rest[0] ** 2 - rest[1] ** 2 - rest[2] ** 2 - rest[3] ** 2, 0.0))
    available = mother_mass - energy
    invariant = mother_mass * (mother_mass - 2.0 * energy)
    m = mass[emitter]
    if invariant < (m + rest_mass) ** 2:
        return False
    d = 0.5 * (invariant + m * m - rest_mass * rest_mass)
    kc = energy * cosine
    root = d * d - m * m * (available * available - kc * kc)
    if root < 0.0:
        return False
    momentum = (available * np.sqrt(root) - d * kc) / (available * available - kc * kc)
    if momentum <= 0.0:
        return False
    old = np.sqrt(p[emitter, 1] ** 2 + p[emitter, 2] ** 2 + p[emitter, 3] ** 2)
    new_rest = np.empty(4)
    for a in range(1, 4):
        p[emitter, a] *= momentum / old
        new_rest[a] = -p[emitter, a] - energy * direction[a - 1]
    p[emitter, 0] = np.sqrt(momentum * momentum + m * m)
    new_rest[0] = available - p[emitter, 0]
    n_others = len(mass) - 1
    for i in range(len(mass)):
        if i == emitter:
            continue
        if n_others == 1:
            for a in range(4):
                p[i, a] = new_rest[a]
        else:
            _boost(p[i], rest, rest_mass, -1.0)
            _boost(p[i], new_rest, rest_mass, 1.0)
    return True


@part
def _proposal_rates(p, mass, charge, softest, hardest):  # type: ignore[no-untyped-def]  # compiled
    """Mean number of photons that each daughter proposes between ``softest`` and ``hardest``, (n,)."""
    rates = np.zeros(len(mass))
    if hardest <= softest:
        return rates
    for i in range(len(mass)):
        momentum = np.sqrt(p[i, 1] ** 2 + p[i, 2] ** 2 + p[i, 3] ** 2)
        if charge[i] == 0.0 or momentum < _SHORTEST_MOMENTUM:
            continue
        logarithm = 2.0 * np.log((p[i, 0] + momentum) / mass[i])  # ln((1 + β) / (1 - β))
        rates[i] = 0.5 * _BOUND * _ALPHA_OVER_PI * logarithm * p[i, 0] / momentum * np.log(hardest / softest)
    return rates


@part
def _radiate(state, p, mass, charge, mother_mass, mother_charge, photons):  # type: ignore[no-untyped-def]  # compiled
    """Let the daughters ``p`` (n, 4), in the mother's rest frame, radiate into ``photons``; returns their number.

    Each photon is radiated in the rest frame of what those before it have left.
    """
    n = len(mass)
    softest = 0.5 * INFRARED_CUT * mother_mass
    total_mass = 0.0
    for i in range(n):
        total_mass += mass[i]
    hardest = 0.5 * (mother_mass - total_mass**2 / mother_mass)
    rates = _proposal_rates(p, mass, charge, softest, hardest)
    total_rate = 0.0
    for i in range(n):
        total_rate += rates[i]
    n_photons = 0
    direction = np.empty(3)
    system = np.zeros(4)
    for _ in range(poisson(state, total_rate)):
        chosen = uniform(state) * total_rate
        emitter = 0
        while emitter < n - 1 and chosen >= rates[emitter]:
            chosen -= rates[emitter]
            emitter += 1
        energy = softest * (hardest / softest) ** uniform(state)
        for a in range(4):
            system[a] = 0.0
            for i in range(n):
                system[a] += p[i, a]
        system_mass = np.sqrt(system[0] ** 2 - system[1] ** 2 - system[2] ** 2 - system[3] ** 2)
        for i in range(n):
            _boost(p[i], system, system_mass, -1.0)
        cosine = _propose_direction(state, p[emitter], direction)
        share = energy / hardest
        keep = 0.5 * (1.0 + (1.0 - share) ** 2) * _current(direction, p, charge, mother_charge)
        is_radiated = uniform(state) < keep and n_photons < len(photons)
        if is_radiated:
            is_radiated = _emit(p, mass, emitter, system_mass, energy, direction, cosine)
        for i in range(n):
            _boost(p[i], system, system_mass, 1.0)
        if is_radiated:
            photons[n_photons, 0] = energy
            for a in range(3):
                photons[n_photons, a + 1] = energy * direction[a]
            _boost(photons[n_photons], system, system_mass, 1.0)
            n_photons += 1
    return n_photons


@part
def _find_daughters(mother, start, stop, first, daughters):  # type: ignore[no-untyped-def]  # compiled
    """Daughters of the event's particle m are ``daughters[first[m]:first[m + 1]]``, positions in the event."""
    n = stop - start
    for m in range(n + 2):
        first[m] = 0
    for i in range(start, stop):
        first[mother[i] + 2] += 1
    for m in range(1, n + 2):
        first[m] += first[m - 1]
    for i in range(start, stop):
        place = mother[i] + 1
        daughters[first[place]] = i - start
        first[place] += 1


@kernel
def _radiate_events(  # type: ignore[no-untyped-def]  # compiled: takes arrays one by one
    keys, offsets, mother, status, charge, mass, momentum, vertex, photon_mother, photon_momentum,
    photon_vertex,
):  # fmt: skip
    """Radiate in every decay; momenta and vertices change in place. Returns the number of photons."""
    largest = 0
    for event in range(len(offsets) - 1):
        largest = max(largest, offsets[event + 1] - offsets[event])
    first, daughters = np.empty(largest + 2, np.int64), np.empty(largest, np.int64)
    is_moved = np.empty(largest, np.bool_)
    old = np.empty((largest, 5))  # energy, px, py, pz, time
    state = np.empty(1, np.uint64)
    photons = np.empty((_MOST_PHOTONS, 4))
    n_photons = 0
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        state[0] = keys[event]
        _find_daughters(mother, start, stop, first, daughters)
        for i in range(stop - start):
            is_moved[i] = False
            old[i, 4] = vertex[start + i, 0]
            for a in range(4):
                old[i, a] = momentum[start + i, a]
        for m in range(stop - start):
            n = first[m + 1] - first[m]
            top = start + m
            is_radiating = n > 1 and status[top] & _EXCLUDED == 0
            if n == 0 or not (is_moved[m] or is_radiating):
                continue
            p = np.empty((n, 4))
            daughter_mass, daughter_charge = np.empty(n), np.empty(n)
            for k in range(n):
                i = start + daughters[first[m] + k]
                daughter_mass[k], daughter_charge[k] = mass[i], charge[i]
                for a in range(4):
                    p[k, a] = momentum[i, a]
                _boost(p[k], old[m], mass[top], -1.0)
            n_radiated = 0
            if is_radiating:
                n_radiated = _radiate(state, p, daughter_mass, daughter_charge, mass[top], charge[top], photons)
            if n_radiated == 0 and not is_moved[m]:
                continue
            # proper time over mass: the way to the decay is this times the momentum
            flight = (old[daughters[first[m]], 4] - old[m, 4]) / old[m, 0]
            for k in range(n):
                i = start + daughters[first[m] + k]
                _boost(p[k], momentum[top], mass[top], 1.0)
                is_moved[i - start] = True
                for a in range(4):
                    momentum[i, a] = p[k, a]
                    vertex[i, a] = vertex[top, a] + flight * momentum[top, a]
            for k in range(n_radiated):
                _boost(photons[k], momentum[top], mass[top], 1.0)
                photon_mother[n_photons] = top
                for a in range(4):
                    photon_momentum[n_photons, a] = photons[k, a]
                    photon_vertex[n_photons, a] = vertex[top, a] + flight * momentum[top, a]
                n_photons += 1
    return n_photons


def add_radiation(
    keys: NDArray[np.uint64], counts: NDArray[np.int64], columns: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Particles with the photons that their decays radiate, each event's at its end, with bit ``PHOTOS_PHOTON``.

    Energy and momentum of a decay's products, photons included, are those of the mother.

    Parameters
    ----------
    keys : (n_events,) seeds of the events' random numbers.
    counts : (n_events,) particles per event, mothers before daughters.
    columns : particle columns; ``motherIndex`` the position within the event; ``prodTime`` in ns, vertices in cm.

    Returns
    -------
    counts, columns : as given, with the photons.
    """
    offsets = np.concatenate([[0], np.cumsum(counts)])
    momentum = np.stack([columns[name].astype(np.float64) for name in _MOMENTUM], axis=1)
    vertex = np.stack([columns[name].astype(np.float64) for name in _VERTEX], axis=1)
    vertex[:, 0] *= SPEED_OF_LIGHT
    room = _MOST_PHOTONS * int(offsets[-1])
    photon_mother = np.empty(room, dtype=np.int64)
    photon_momentum, photon_vertex = np.empty((room, 4)), np.empty((room, 4))
    n = _radiate_events(
        keys, offsets, columns["motherIndex"].astype(np.int32), columns["status"].astype(np.int32),
        columns["charge"].astype(np.float64), columns["mass"].astype(np.float64), momentum, vertex,
        photon_mother, photon_momentum, photon_vertex,
    )  # fmt: skip
    event = np.searchsorted(offsets, photon_mother[:n], side="right") - 1
    photons: dict[str, Any] = {
        "PDG": _PHOTON,
        "motherIndex": photon_mother[:n] - offsets[event],
        "mass": 0.0,
        "charge": 0.0,
        "status": _PHOTON_STATUS,
    }
    vertex[:, 0] /= SPEED_OF_LIGHT
    photon_vertex[:n, 0] /= SPEED_OF_LIGHT  # the rows beyond are not filled: dividing them may warn
    changed = dict(columns)
    for position, name in enumerate(_MOMENTUM):
        changed[name], photons[name] = momentum[:, position], photon_momentum[:n, position]
    for position, name in enumerate(_VERTEX):
        changed[name], photons[name] = vertex[:, position], photon_vertex[:n, position]
    with_photons = {name: np.insert(column, offsets[event + 1], photons[name]) for name, column in changed.items()}
    return counts + np.bincount(event, minlength=len(counts)), with_photons
