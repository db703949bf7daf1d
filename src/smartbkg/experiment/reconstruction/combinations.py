"""Compiled combinatorics of one event: bounded candidate lists, combinations of them, pruning.

All four-momenta are in the centre-of-mass frame. A candidate knows which tracks and photons it is made of as bits of
two 64-bit masks, so that overlap is one ``and``. Everything works in a `Store` that is allocated once a thread and
reset for each event: nothing of one event reaches the next.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import borrowing_part
from smartbkg.experiment.reconstruction.channels import (
    EXCLUSIVE,
    HADRONIC,
    KINDS,
    MASS,
    MASS_DIFFERENCE,
    MAX_DAUGHTERS,
    SEMILEPTONIC,
)

#: Candidates of one event, of all kinds together, before the bounds a kind; further ones are dropped.
CAPACITY: Final = 4096
#: Longest candidate list.
LIST_CAPACITY: Final = 64
#: Lepton momentum in the centre-of-mass frame of a semileptonic tag, GeV (Belle II skim feiSLB0).
MINIMUM_LEPTON_MOMENTUM: Final = 1.0
_BEST_CAPACITY: Final = max(kind.channel_bound for kind in KINDS)


#: One candidate. Momenta in the centre-of-mass frame, GeV.
CANDIDATE: Final = np.dtype(
    [
        ("px", np.float64),
        ("py", np.float64),
        ("pz", np.float64),
        ("energy", np.float64),
        ("tracks", np.uint64),  # bits of the tracks it is made of
        ("photons", np.uint64),  # bits of the photons
        ("probability", np.float64),  # signal probability
        ("log_probability", np.float64),
        ("residual", np.float64),  # of the mass or ΔE in units of the channel's resolution; cosθ_BY
        ("kind", np.int64),  # position in KINDS, set when the lists of its kind are closed
        ("channel", np.int64),  # channel within its kind
        ("sign", np.int64),  # 0 particle, 1 antiparticle
        ("truth", np.int64),  # the particle it is, where truth is known and the candidate right; else -1
        ("truth_energy", np.float64),  # generated energy of all it is made of
    ],
    align=True,
)

#: One list of candidates: those of a kind and sign.
CANDIDATE_LIST: Final = np.dtype(
    [
        ("size", np.int64),
        ("lowest", np.float64),  # smallest energy in the list, GeV
        ("highest", np.float64),
        ("lightest", np.float64),  # smallest mass in the list, GeV
        ("rows", np.int64, (LIST_CAPACITY,)),
    ],
    align=True,
)

#: One combination among the best of its channel.
COMBINATION: Final = np.dtype([("rank", np.float64), ("rows", np.int64, (MAX_DAUGHTERS,))], align=True)

#: The daughters chosen so far, at one depth of the search.
PARTIAL: Final = np.dtype(
    [
        ("px", np.float64),
        ("py", np.float64),
        ("pz", np.float64),
        ("energy", np.float64),
        ("tracks", np.uint64),
        ("photons", np.uint64),
        ("position", np.int64),  # place in its list of the daughter chosen at this depth
        ("least", np.float64),  # energy that the daughters still to be chosen add at least, GeV
        ("most", np.float64),  # ... and at most
        ("lightest", np.float64),  # smallest sum of their masses, GeV
    ],
    align=True,
)


class Momentum(NamedTuple):
    """A four-momentum in the centre-of-mass frame, GeV."""

    px: float
    py: float
    pz: float
    energy: float


class Found(NamedTuple):
    """How the search for a channel's combinations stands."""

    n_best: int
    """combinations in ``Store.best``"""
    worst: int
    """the worst of them, once there is no more room"""
    n_found: int
    """combinations inside the window"""


class Store(NamedTuple):
    """Workspace of one event."""

    candidate: NDArray[np.void]
    """(CAPACITY,) of `CANDIDATE`"""
    lists: NDArray[np.void]
    """(2 · n_kinds,) of `CANDIDATE_LIST`"""
    best: NDArray[np.void]
    """(n,) of `COMBINATION`"""
    partial: NDArray[np.void]
    """(MAX_DAUGHTERS,) of `PARTIAL`"""
    chosen: NDArray[np.int64]
    """(2, MAX_DAUGHTERS) workspace: the list of each daughter of a channel, and the candidate chosen from it"""
    feature: NDArray[np.float64]
    """(n_features,) input of the classifier"""
    hidden: NDArray[np.float64]
    """(n_hidden,) workspace of the classifier"""


def new_store(n_features: int, n_hidden: int) -> Store:
    """An empty store."""
    return Store(
        np.zeros(CAPACITY, dtype=CANDIDATE),
        np.zeros(2 * len(KINDS), dtype=CANDIDATE_LIST),
        np.zeros(_BEST_CAPACITY, dtype=COMBINATION),
        np.zeros(MAX_DAUGHTERS, dtype=PARTIAL),
        np.zeros((2, MAX_DAUGHTERS), dtype=np.int64),
        np.zeros(n_features),
        np.zeros(n_hidden),
    )


@borrowing_part
def cos_theta_by(px: float, py: float, pz: float, energy: float, beam_energy: float, mass: float) -> float:
    """Cosine of the angle between a B meson and its visible part Y, were a massless neutrino all that is missing.

    cosθ_BY = (2 E_beam E_Y - m_B² - M_Y²) / (2 p_B p_Y), basf2's cosThetaBetweenParticleAndNominalB.
    """
    momentum2 = px * px + py * py + pz * pz
    b_momentum = np.sqrt(beam_energy * beam_energy - mass * mass)
    mass2 = energy * energy - momentum2
    return float((2 * beam_energy * energy - mass * mass - mass2) / (2 * b_momentum * np.sqrt(momentum2) + 1e-12))


@borrowing_part
def _window_of(kind):  # type: ignore[no-untyped-def]
    """What decides whether a combination is inside the window of its kind, as numbers that stay in registers."""
    return kind.rule, kind.low, kind.high, kind.mass, kind.minimum_momentum**2


@borrowing_part
def _rank_combination(store, rows, n, window, beam_energy, total):  # type: ignore[no-untyped-def]
    """Rank of a complete combination, smaller is better; infinite outside the window.

    Parameters
    ----------
    rows : (MAX_DAUGHTERS,) int64, the first ``n`` are its daughters in ``store.candidate``.
    window : of `_window_of`.
    beam_energy : GeV.
    total : `Momentum` of all daughters together.
    """
    rule, low, high, mass, minimum_momentum2 = window
    px, py, pz, energy = total.px, total.py, total.pz, total.energy
    momentum2 = px * px + py * py + pz * pz
    if momentum2 < minimum_momentum2:
        return np.inf
    if rule == MASS:
        mass2 = energy * energy - momentum2
        if mass2 < low * low or mass2 > high * high:
            return np.inf
        return abs(np.sqrt(mass2) - mass)
    if rule == MASS_DIFFERENCE:
        first = store.candidate[rows[0]]
        own = np.sqrt(max(energy * energy - momentum2, 0.0))
        inner = np.sqrt(max(first.energy**2 - first.px**2 - first.py**2 - first.pz**2, 0.0))
        if own - inner < low or own - inner > high:
            return np.inf
    elif rule == SEMILEPTONIC:
        lepton = store.candidate[rows[n - 1]]
        if lepton.px**2 + lepton.py**2 + lepton.pz**2 < MINIMUM_LEPTON_MOMENTUM**2:
            return np.inf
        cosine = cos_theta_by(px, py, pz, energy, beam_energy, mass)
        if cosine < low or cosine > high:
            return np.inf
    elif abs(energy - beam_energy) > high or momentum2 > beam_energy * beam_energy - low * low:
        return np.inf
    rank = 0.0
    for k in range(n):
        rank -= store.candidate[rows[k]].log_probability
    return rank


@borrowing_part
def _keep_best(store, rows, n, rank, bound, found):  # type: ignore[no-untyped-def]
    """`Found` after a combination inside the window, which is inserted into the ``bound`` best of its channel.

    Most combinations are compared with the worst of the best alone.
    """
    n_best, worst, n_found = found.n_best, found.worst, found.n_found + 1
    if n_best < bound:
        place = n_best
        n_best += 1
    elif rank >= store.best[worst].rank:
        return Found(n_best, worst, n_found)
    else:
        place = worst
    store.best[place].rank = rank
    for k in range(n):
        store.best[place].rows[k] = rows[k]
    if n_best == bound:
        worst = 0
        for k in range(1, bound):
            if store.best[k].rank > store.best[worst].rank:
                worst = k
    return Found(n_best, worst, n_found)


@borrowing_part
def _choose_last(store, lists, n, kind, beam_energy, rows, found):  # type: ignore[no-untyped-def]
    """Complete the daughters chosen so far with each of the last list: the innermost loop of the reconstruction.

    Parameters are those of `combine`; ``found``, and what is returned, is `Found` before and after.
    """
    depth = n - 1
    px, py, pz, energy, tracks, photons = 0.0, 0.0, 0.0, 0.0, np.uint64(0), np.uint64(0)
    if depth > 0:
        before = store.partial[depth - 1]
        px, py, pz, energy = before.px, before.py, before.pz, before.energy
        tracks, photons = before.tracks, before.photons
    window, bound = _window_of(kind), kind.channel_bound
    into = store.lists[lists[depth]]
    for place in range(store.partial[depth].position + 1, into.size):
        row = into.rows[place]
        added = store.candidate[row]
        if (tracks & added.tracks) | (photons & added.photons) != 0:
            continue
        rows[depth] = row
        total = Momentum(px + added.px, py + added.py, pz + added.pz, energy + added.energy)
        rank = _rank_combination(store, rows, n, window, beam_energy, total)
        if rank < np.inf:
            found = _keep_best(store, rows, n, rank, bound, found)
    return found


@borrowing_part
def combine(store, lists, n, kind, beam_energy, rows):  # type: ignore[no-untyped-def]
    """All combinations of one candidate from each list, without overlap: the best of them into ``store.best``.

    Daughters from one list are taken in increasing order, so that equal daughters must stand side by side. A branch
    is left as soon as its mass or energy is too high, or can no longer become high enough.

    Parameters
    ----------
    store : `Store`.
    lists : (n,) int64, list of each daughter.
    kind : the mother, of `smartbkg.experiment.reconstruction.channels.KIND`.
    beam_energy : GeV.
    rows : (MAX_DAUGHTERS,) int64 workspace.

    Returns
    -------
    n_best, n_found : combinations kept, and combinations inside the window.
    """
    for k in range(n):
        if store.lists[lists[k]].size == 0:
            return 0, 0
    high = kind.high
    is_mass = kind.rule == MASS
    is_energy = kind.rule in (HADRONIC, EXCLUSIVE)
    now = store.partial[n - 1]
    now.least = 0.0
    now.most = 0.0
    now.lightest = 0.0
    for depth in range(n - 2, -1, -1):
        after, added_list = store.partial[depth + 1], store.lists[lists[depth + 1]]
        now = store.partial[depth]
        now.least = after.least + added_list.lowest
        now.most = after.most + added_list.highest
        now.lightest = after.lightest + added_list.lightest
    found = Found(0, 0, 0)
    depth = 0
    store.partial[0].position = -1
    while depth >= 0:
        if depth == n - 1:
            found = _choose_last(store, lists, n, kind, beam_energy, rows, found)
            depth -= 1
            continue
        place = store.partial[depth].position + 1
        store.partial[depth].position = place
        if place >= store.lists[lists[depth]].size:
            depth -= 1
            continue
        row = store.lists[lists[depth]].rows[place]
        added = store.candidate[row]
        px, py, pz, energy, tracks, photons = added.px, added.py, added.pz, added.energy, added.tracks, added.photons
        if depth > 0:
            before = store.partial[depth - 1]
            if (before.tracks & tracks) | (before.photons & photons) != 0:
                continue
            px += before.px
            py += before.py
            pz += before.pz
            energy += before.energy
            tracks |= before.tracks
            photons |= before.photons
        rows[depth] = row
        now = store.partial[depth]
        if is_mass and energy * energy - px * px - py * py - pz * pz > (high - now.lightest) ** 2:
            continue
        if is_energy and (energy + now.least > beam_energy + high or energy + now.most < beam_energy - high):
            continue
        now.px = px
        now.py = py
        now.pz = pz
        now.energy = energy
        now.tracks = tracks
        now.photons = photons
        store.partial[depth + 1].position = place if lists[depth + 1] == lists[depth] else -1
        depth += 1
    return found.n_best, found.n_found


@borrowing_part
def close_lists(store, kind, first, stop, bound, minimum_probability):  # type: ignore[no-untyped-def]
    """Keep the most probable of the candidates ``first:stop`` of a kind, move them together and fill its lists.

    Returns
    -------
    The row after the last one kept.
    """
    candidate = store.candidate
    for row in range(first, stop):
        if candidate[row].probability < minimum_probability:
            continue
        n_better = 0
        for other in range(first, stop):
            difference = candidate[other].probability - candidate[row].probability
            if difference > 0.0 or (difference == 0.0 and other < row):
                n_better += 1
                if n_better == bound:
                    break
        if n_better < bound:
            # marked by a negative channel until all are compared: moving now would disturb the comparison
            candidate[row].channel = -candidate[row].channel - 1
    for sign in range(2):
        store.lists[2 * kind + sign].size = 0
        store.lists[2 * kind + sign].lowest = np.inf
        store.lists[2 * kind + sign].highest = 0.0
        store.lists[2 * kind + sign].lightest = np.inf
    target = first
    for row in range(first, stop):
        if candidate[row].channel >= 0:
            continue
        candidate[target] = candidate[row]
        kept = candidate[target]
        kept.channel = -kept.channel - 1
        kept.kind = kind
        into = store.lists[2 * kind + kept.sign]
        into.rows[into.size] = target
        into.size += 1
        into.lowest = min(into.lowest, kept.energy)
        into.highest = max(into.highest, kept.energy)
        mass2 = kept.energy**2 - kept.px**2 - kept.py**2 - kept.pz**2
        into.lightest = min(into.lightest, np.sqrt(max(mass2, 0.0)))
        target += 1
    return target
