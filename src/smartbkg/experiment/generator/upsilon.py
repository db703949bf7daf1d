"""Υ(4S) → B B̄ as the beams make it: angular distribution, lifetimes, coherent mixing. All in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.experiment.beams import (
    SUPERKEKB,
    BeamParameters,
    Collisions,
    FourMomenta,
    draw_collisions,
    from_beam_frame,
)
from smartbkg.experiment.generator.pythia import particle_property

UPSILON_4S: Final = 300553
B_ZERO: Final = 511
B_PLUS: Final = 521

#: x_d = Δm_d / Γ_d of the B0 (PDG 2024, doi:10.1103/PhysRevD.110.030001).
MIXING_PARAMETER: Final = 0.769


@dataclass(frozen=True)
class MesonPairs:
    """Υ(4S) mesons and the two B mesons each of them decays to."""

    collisions: Collisions
    """The Υ(4S), n of them."""
    codes: NDArray[np.int64]
    """(2n,) PDG codes, the two of an event side by side."""
    momenta: FourMomenta
    """(2n,) GeV."""
    proper_time: NDArray[np.float64]
    """(2n,) mm/c."""


def _draw_sine_squared(n: int, random: np.random.Generator) -> NDArray[np.float64]:
    """(n,) cos θ from 1 - cos²θ, by solving 3c - c³ = 4u - 2 for c."""
    return np.asarray(2.0 * np.cos((np.arccos(1.0 - 2.0 * random.random(n)) + 4.0 * np.pi) / 3.0))


def _draw_collisions_above_threshold(
    n: int, threshold: float, random: np.random.Generator, beams: BeamParameters
) -> Collisions:
    drawn = draw_collisions(n, random, beams)
    momentum, vertex = drawn.momentum, drawn.vertex
    while (below := np.flatnonzero(momentum.mass < threshold)).size:
        again = draw_collisions(len(below), random, beams)
        for column, new in zip(momentum, again.momentum, strict=True):
            column[below] = new
        vertex[below] = again.vertex
    return Collisions(momentum, vertex)


def draw_meson_pairs(
    process: str, n: int, random: np.random.Generator, beams: BeamParameters = SUPERKEKB
) -> MesonPairs:
    """Pairs of B mesons from Υ(4S) decays.

    The Υ(4S) has J_z = ±1 from the beams and decays in a P wave: sin²θ in its rest frame, θ the angle to the beams.
    Lifetimes are exponential. A B0 B̄0 pair stays antisymmetric until the first of the two decays, so that two mesons of
    proper times t1, t2 have equal flavours with probability (1 - cos(Δm (t1 - t2))) / 2 (PDG review of B0-B̄0 mixing).

    Parameters
    ----------
    process : ``mixed`` for B0 B̄0, ``charged`` for B+ B-.
    n : number of pairs.
    random : source of random numbers.
    beams : beam energies, angle and spreads.
    """
    code = B_ZERO if process == "mixed" else B_PLUS
    mass = particle_property("m0", code)
    collisions = _draw_collisions_above_threshold(n, 2.0 * mass, random, beams)
    upsilon = collisions.momentum
    energy = 0.5 * upsilon.mass
    momentum = np.sqrt(energy**2 - mass**2)
    cosine = _draw_sine_squared(n, random)
    sine = np.sqrt(1.0 - cosine**2)
    azimuth = random.uniform(0.0, 2.0 * np.pi, n)
    px, py, pz = momentum * sine * np.cos(azimuth), momentum * sine * np.sin(azimuth), momentum * cosine
    first = from_beam_frame(FourMomenta(energy, px, py, pz), upsilon, beams)
    second = from_beam_frame(FourMomenta(energy, -px, -py, -pz), upsilon, beams)
    momenta = FourMomenta(*(np.stack(pair, axis=1).ravel() for pair in zip(first, second, strict=True)))
    lifetime = particle_property("tau0", code)
    times = random.exponential(lifetime, (n, 2))
    codes = np.empty((n, 2), dtype=np.int64)
    codes[:, 0] = np.where(random.random(n) < 0.5, code, -code)
    has_equal_flavours = np.zeros(n, dtype=np.bool_)
    if process == "mixed":
        phase = MIXING_PARAMETER * (times[:, 0] - times[:, 1]) / lifetime
        has_equal_flavours = random.random(n) < 0.5 * (1.0 - np.cos(phase))
    codes[:, 1] = np.where(has_equal_flavours, codes[:, 0], -codes[:, 0])
    return MesonPairs(collisions, codes.ravel(), momenta, times.ravel())
