"""Charged-particle identification: measurements of each sub-detector and the likelihoods that follow.

For a track of true kind k each sub-detector draws a measurement from its distribution under k, and the logarithm of
its likelihood under each hypothesis is added, as Belle II's global PID does (arXiv:1808.10567, chapter 5). Efficiencies
and fake rates as functions of momentum and angle follow; they are not put in. Probabilities have flat priors.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.experiment.detector.objects import ELECTRON, KAON, MUON, PID_MASSES, PION, PROTON
from smartbkg.experiment.detector.parameters import IdentificationParameters
from smartbkg.experiment.random_stream import normal, uniform

_TOP_PATH: Final = 130.0  # cm, from the interaction point at normal incidence


@part
def energy_loss(beta_gamma: float) -> float:
    """dE/dx relative to its minimum: Bethe-Bloch with density effect, to a few per cent (PDG 2022, section 34.2.3)."""
    beta = beta_gamma / math.sqrt(1.0 + beta_gamma * beta_gamma)
    return math.pow(beta, -5.0 / 3.0) * (1.0 + 0.04 * math.log(1.0 + (beta_gamma / 3.5) ** 2))


@part
def add_energy_loss(loglikelihood, momentum, pt, kind, identification, state):  # type: ignore[no-untyped-def]  # compiled
    """Drift chamber and silicon: a Gaussian in the logarithm of dE/dx."""
    sigma = identification.dedx_resolution * (identification.dedx_curling_factor if pt < 0.28 else 1.0)
    width = 3.0 * sigma if uniform(state) < identification.dedx_tail else sigma
    measured = math.log(energy_loss(momentum / PID_MASSES[kind])) + width * normal(state)
    for h in range(5):
        pull = (measured - math.log(energy_loss(momentum / PID_MASSES[h]))) / sigma
        loglikelihood[h] += -0.5 * min(pull * pull, 60.0)


@part
def add_time_of_propagation(loglikelihood, momentum, sine, kind, identification, state):  # type: ignore[no-untyped-def]  # compiled
    """Barrel: time of flight and of propagation together, as one time of effective resolution."""
    path = _TOP_PATH / max(0.5, sine) / SPEED_OF_LIGHT
    sigma = identification.top_resolution
    measured = path * math.hypot(1.0, PID_MASSES[kind] / momentum) + sigma * normal(state)
    if uniform(state) < identification.top_outlier:
        measured += 4.0 * sigma * normal(state)
    for h in range(5):
        pull = (measured - path * math.hypot(1.0, PID_MASSES[h] / momentum)) / sigma
        loglikelihood[h] += math.log(math.exp(-0.5 * pull * pull) + 0.005)


@part
def cherenkov_angle(momentum: float, mass: float, index: float) -> float:
    """Angle (rad) of Cherenkov light, 0 below threshold."""
    cosine = math.hypot(1.0, mass / momentum) / index
    return math.acos(cosine) if cosine < 1.0 else 0.0


@part
def add_ring_imaging(loglikelihood, momentum, kind, identification, state):  # type: ignore[no-untyped-def]  # compiled
    """Forward endcap: Cherenkov angle in aerogel."""
    sigma = identification.arich_resolution
    measured = cherenkov_angle(momentum, PID_MASSES[kind], identification.arich_index) + sigma * normal(state)
    if uniform(state) < identification.arich_outlier:
        measured += 5.0 * sigma * normal(state)
    for h in range(5):
        pull = (measured - cherenkov_angle(momentum, PID_MASSES[h], identification.arich_index)) / sigma
        loglikelihood[h] += math.log(math.exp(-0.5 * pull * pull) + 0.005)


@part
def add_energy_over_momentum(loglikelihood, momentum, energy, identification):  # type: ignore[no-untyped-def]  # compiled
    """Calorimeter: densities of E/p for electrons, muons and hadrons, those that
    `smartbkg.experiment.detector.calorimeter` draws from, in outline."""
    ratio = energy / momentum
    width = max(identification.electron_width, 0.03 / math.sqrt(momentum))
    pull = (ratio - identification.electron_peak) / width
    tail = identification.electron_tail
    electron = (1.0 - tail) * math.exp(-0.5 * pull * pull) / (2.5066 * width) + (tail if ratio < 1.1 else 0.02)
    crossing = (energy - 0.195) / 0.035
    peak = momentum * math.exp(-0.5 * crossing * crossing) / (2.5066 * 0.035)
    muon = 0.85 * peak + 0.15 * (2.0 * momentum if energy < 0.25 else 0.02)
    hadron = 0.42 * peak + 0.58 * (1.2 * math.exp(-0.5 * (ratio / 0.55) ** 2) / 0.69 + 0.02)
    loglikelihood[ELECTRON] += math.log(electron + 0.01)
    loglikelihood[MUON] += math.log(muon + 0.01)
    for h in (PION, KAON, PROTON):
        loglikelihood[h] += math.log(hadron + 0.01)


@part
def add_muon_detector(loglikelihood, is_muon_like, momentum, identification):  # type: ignore[no-untyped-def]  # compiled
    """K_L and muon detector: does it look like a muon?"""
    muon, hadron = klm_efficiency(momentum, MUON, identification), klm_efficiency(momentum, PION, identification)
    for h in range(5):
        probability = muon if h == MUON else (hadron if h != ELECTRON else 0.005)
        loglikelihood[h] += math.log(probability if is_muon_like else 1.0 - probability)


@part
def klm_efficiency(momentum: float, kind: int, identification: IdentificationParameters) -> float:
    """Probability that a particle that crosses the calorimeter looks like a muon in the K_L and muon detector."""
    turn_on = min(1.0, max(0.02, (momentum - identification.klm_momentum) / 0.3))
    if kind == MUON:
        return identification.klm_muon * turn_on
    if kind == ELECTRON:
        return 0.002
    return identification.klm_pion * turn_on


class Seen(NamedTuple):
    """What the identification of a track is made from."""

    px: float
    """GeV, measured"""
    py: float
    """GeV"""
    pz: float
    """GeV"""
    kind: int
    """true kind, position in `smartbkg.experiment.detector.objects.PID_HYPOTHESES`"""
    energy: float
    """GeV, of the matched cluster, 0 where there is none"""
    reaches: bool
    """True = the particle gets to the barrel or endcap detectors"""
    is_muon_like: bool
    """True = the K_L and muon detector saw a muon-like track"""


@part
def identify(pid, loglikelihood, seen, identification, state):  # type: ignore[no-untyped-def]  # compiled
    """Fill ``pid`` with the probabilities of the hypotheses.

    Parameters
    ----------
    pid : (5,) float64, out.
    loglikelihood : (5,) float64, working space.
    seen : `Seen`.
    identification : record of `smartbkg.experiment.detector.parameters.IdentificationParameters`.
    state : (1,) uint64, the event's stream of random numbers.
    """
    kind, energy, reaches = seen.kind, seen.energy, seen.reaches
    pt = math.hypot(seen.px, seen.py)
    momentum = max(0.02, math.hypot(pt, seen.pz))
    theta = math.degrees(math.atan2(pt, seen.pz))
    for h in range(5):
        loglikelihood[h] = 0.0
    add_energy_loss(loglikelihood, momentum, pt, kind, identification, state)
    if reaches and 32.0 < theta < 128.0 and uniform(state) < identification.top_efficiency:
        add_time_of_propagation(loglikelihood, momentum, pt / momentum, kind, identification, state)
    if reaches and 15.0 < theta < 32.0 and uniform(state) < identification.arich_efficiency:
        add_ring_imaging(loglikelihood, momentum, kind, identification, state)
    if energy > 0.0:
        add_energy_over_momentum(loglikelihood, momentum, energy, identification)
    if reaches and momentum > identification.klm_momentum:
        add_muon_detector(loglikelihood, seen.is_muon_like, momentum, identification)
    normalise(pid, loglikelihood, identification.overconfidence)


@part
def normalise(pid: NDArray[np.float64], loglikelihood: NDArray[np.float64], factor: float) -> None:
    """Probabilities from log-likelihoods scaled by a factor."""
    largest = loglikelihood[0]
    for h in range(1, 5):
        largest = max(largest, loglikelihood[h])
    total = 0.0
    for h in range(5):
        pid[h] = math.exp(factor * (loglikelihood[h] - largest))
        total += pid[h]
    for h in range(5):
        pid[h] /= total
