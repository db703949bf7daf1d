"""Composite candidates of one event, compiled: combinations of daughters that a channel allows, the best of them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from smartbkg.compilation import borrowing_part
from smartbkg.experiment.reconstruction.channels import KIND_INDEX, MASS, MASS_DIFFERENCE, SEMILEPTONIC
from smartbkg.experiment.reconstruction.combinations import CAPACITY, Momentum, close_lists, combine, cos_theta_by
from smartbkg.experiment.reconstruction.scoring import score_candidate, set_candidate
from smartbkg.experiment.reconstruction.truth_matching import match

_PI0: Final = KIND_INDEX["pi0"]
_ETA: Final = KIND_INDEX["eta"]


@borrowing_part
def _mass_of(px: float, py: float, pz: float, energy: float) -> float:
    return math.sqrt(max(energy * energy - px * px - py * py - pz * pz, 0.0))


@borrowing_part
def _pair_mass(store, one, other):  # type: ignore[no-untyped-def]
    a, b = store.candidate[one], store.candidate[other]
    return _mass_of(a.px + b.px, a.py + b.py, a.pz + b.pz, a.energy + b.energy)


@borrowing_part
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


@borrowing_part
def _residual(tools, kind, channel, rows, row):  # type: ignore[no-untyped-def]
    """How far a combination is from its mass, mass difference or the beam energy, in resolutions; or its cosθ_BY.

    Parameters
    ----------
    tools : `smartbkg.experiment.reconstruction.tools.Tools`.
    kind, channel : records of the mother and of its channel.
    rows : (MAX_DAUGHTERS,) int64, its daughters; ``row`` is the combination itself.
    """
    store, beam_energy = tools.store, tools.energy
    rule, mass, resolution = kind.rule, kind.mass, channel.resolution
    inner_mass = tools.kinds[channel.daughters[0] // 2].mass
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


@borrowing_part
def composite_candidates(tools, kind, event, first_row):  # type: ignore[no-untyped-def]
    """All candidates of a composite kind, from all its channels, and its lists.

    Parameters
    ----------
    tools : `smartbkg.experiment.reconstruction.tools.Tools`.
    kind : position in `smartbkg.experiment.reconstruction.channels.KINDS`.
    event : position of the event in the batch.
    first_row : where the candidates begin in ``tools.store.candidate``.

    Returns
    -------
    The next free row.
    """
    store, kinds = tools.store, tools.kinds
    row = first_row
    lists, rows = store.chosen[0], store.chosen[1]
    rule = kinds[kind]
    for number in range(rule.first_channel, rule.stop_channel):
        channel = tools.channels[number]
        n = channel.n_daughters
        for sign in range(1 if rule.is_self_conjugate else 2):
            for k in range(n):
                lists[k] = channel.daughters[k]
                if sign == 1 and not kinds[lists[k] // 2].is_self_conjugate:
                    lists[k] += 1 - 2 * (lists[k] % 2)
            n_best, n_found = combine(store, lists, n, rule, tools.energy, rows)
            for best in range(min(n_best, CAPACITY - row)):
                _add_composite(store, channel, best, number - rule.first_channel, sign, row)
                chosen = store.best[best].rows
                residual = _residual(tools, rule, channel, chosen, row)
                _composite_features(store, chosen, n, row, residual, n_found)
                store.candidate[row].residual = residual
                if tools.has_truth:
                    code = rule.code if sign == 0 else -rule.code
                    particle, total = match(tools.truth, store, chosen, n, code, rule.rule == SEMILEPTONIC)
                    store.candidate[row].truth = particle
                    store.candidate[row].truth_energy = total
                score_candidate(tools, kind, row, event)
                if kind in (_PI0, _ETA):
                    _constrain_mass(store.candidate[row], rule.mass)
                row += 1
    return close_lists(store, kind, first_row, row, rule.bound, rule.minimum_probability)


@borrowing_part
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
    set_candidate(store, row, Momentum(px, py, pz, energy), tracks, photons, local_channel, sign)


@borrowing_part
def _constrain_mass(candidate, mass):  # type: ignore[no-untyped-def]
    """Scale a momentum to the nominal mass: right where the daughters' energies err by a common factor."""
    scale = mass / (_mass_of(candidate.px, candidate.py, candidate.pz, candidate.energy) + 1e-9)
    candidate.px *= scale
    candidate.py *= scale
    candidate.pz *= scale
    candidate.energy *= scale
