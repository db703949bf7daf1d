"""Decays that the detector makes itself: in flight, or of particles the generator left whole.

Lifetimes, masses and branching fractions: Particle Data Group, Prog. Theor. Exp. Phys. 2022, 083C01. Channels below
1 % are left out and the rest scaled; three-body decays follow phase space.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from smartbkg.compilation import part
from smartbkg.experiment.random_stream import direction, uniform

MASS_BY_CODE: Final = {
    22: 0.0, 11: 0.000511, 12: 0.0, 13: 0.105658, 14: 0.0, 16: 0.0, 111: 0.134977, 211: 0.139570, 130: 0.497611,
    310: 0.497611, 321: 0.493677, 221: 0.547862, 2212: 0.938272, 2112: 0.939565, 3122: 1.115683, 3222: 1.18937,
    3112: 1.197449, 3212: 1.192642, 3322: 1.31486, 3312: 1.32171, 3334: 1.67245,
}  # fmt: skip

#: Particle → (c·lifetime in cm, ((branching fraction, daughters), ...)); antiparticles follow by conjugation.
_DECAYS: Final = {
    211: (780.45, ((0.99988, (-13, 14)),)),
    321: (371.1, ((0.6356, (-13, 14)), (0.2067, (211, 111)), (0.0558, (211, 211, -211)), (0.0507, (111, -11, 12)),
                  (0.0335, (111, -13, 14)), (0.0176, (211, 111, 111)))),
    130: (1534.0, ((0.2028, (211, 11, -12)), (0.2027, (-211, -11, 12)), (0.1352, (211, 13, -14)),
                   (0.1352, (-211, -13, 14)), (0.1952, (111, 111, 111)), (0.1254, (211, -211, 111)))),
    310: (2.6844, ((0.6920, (211, -211)), (0.3069, (111, 111)))),
    3122: (7.89, ((0.641, (2212, -211)), (0.359, (2112, 111)))),
    111: (0.0, ((0.98823, (22, 22)), (0.01174, (22, 11, -11)))),
    221: (0.0, ((0.3936, (22, 22)), (0.3257, (111, 111, 111)), (0.2302, (211, -211, 111)), (0.0428, (211, -211, 22)))),
    3212: (0.0, ((1.0, (3122, 22)),)),
    3222: (2.404, ((0.5147, (2212, 111)), (0.4843, (2112, 211)))),
    3112: (4.434, ((0.99848, (2112, -211)),)),
    3322: (8.71, ((0.99524, (3122, 111)),)),
    3312: (4.91, ((0.99887, (3122, -211)),)),
    3334: (2.461, ((0.678, (3122, -321)), (0.243, (3322, -211)), (0.0855, (3312, 111)))),
}  # fmt: skip


_CODES: Final = sorted(_DECAYS)
_CHANNELS: Final = [channel for code in _CODES for channel in _DECAYS[code][1]]

# The decays as arrays: numba takes them as constants.
DECAYING_CODE: Final = np.array(_CODES)
DECAY_LENGTH: Final = np.array([_DECAYS[code][0] for code in _CODES])
DECAYING_MASS: Final = np.array([MASS_BY_CODE[code] for code in _CODES])
_FIRST_CHANNEL: Final = np.cumsum([0, *(len(_DECAYS[code][1]) for code in _CODES)])
_CUMULATIVE: Final = np.concatenate(
    [np.cumsum(f := np.array([c[0] for c in _DECAYS[code][1]])) / f.sum() for code in _CODES]
)
DAUGHTERS: Final = np.array([(*products, 0)[:3] for _, products in _CHANNELS], dtype=np.int64)
_DAUGHTER_MASS: Final = np.array([[MASS_BY_CODE[abs(code)] if code != 0 else 0.0 for code in row] for row in DAUGHTERS])


@part
def decay_row(code: int) -> int:
    """Row of a PDG code in the table, -1 where the detector has no decay for it."""
    wanted = abs(code)
    for row in range(len(DECAYING_CODE)):
        if DECAYING_CODE[row] == wanted:
            return row
    return -1


@part
def conjugated(code: int, sign: int) -> int:
    """The code, or its antiparticle where ``sign`` is negative and the particle is not its own antiparticle."""
    if sign > 0 or code == 22 or code == 111 or code == 221 or code == 130 or code == 310:
        return code
    return -code


@part
def breakup_momentum(mass: float, mass_1: float, mass_2: float) -> float:
    """Momentum (GeV) of the products of a two-body decay in the rest frame (PDG 2022, equation 49.16); 0 below
    threshold."""
    argument = (mass * mass - (mass_1 + mass_2) ** 2) * (mass * mass - (mass_1 - mass_2) ** 2)
    return math.sqrt(argument) / (2.0 * mass) if argument > 0.0 else 0.0


@part
def boost(px, py, pz, mass, bx, by, bz, gamma):  # type: ignore[no-untyped-def]  # compiled
    """Momentum (px, py, pz) of a particle, from the rest frame of a parent of velocity (bx, by, bz) to the lab."""
    energy = math.sqrt(px * px + py * py + pz * pz + mass * mass)
    along = bx * px + by * py + bz * pz
    factor = gamma * energy + gamma * gamma / (gamma + 1.0) * along
    return px + factor * bx, py + factor * by, pz + factor * bz


@part
def decay(row, px, py, pz, state, momenta):  # type: ignore[no-untyped-def]  # compiled
    """Decay a particle by one of its channels.

    Parameters
    ----------
    row : of `decay_row`.
    px, py, pz : momentum in the lab, GeV.
    state : random stream.
    momenta : (3, 3) float64, filled with the daughters' momenta in the lab.

    Returns
    -------
    The row of `DAUGHTERS` chosen.
    """
    mass = DECAYING_MASS[row]
    choice = uniform(state)
    channel = _FIRST_CHANNEL[row]
    while choice > _CUMULATIVE[channel] and channel < _FIRST_CHANNEL[row + 1] - 1:
        channel += 1
    mass_1, mass_2, mass_3 = _DAUGHTER_MASS[channel]
    is_two_body = DAUGHTERS[channel, 2] == 0
    energy = math.sqrt(px * px + py * py + pz * pz + mass * mass)
    bx, by, bz, gamma = px / energy, py / energy, pz / energy, energy / mass
    mass_12 = mass
    if not is_two_body:
        lowest = mass_1 + mass_2
        span = mass - mass_3 - lowest
        bound = breakup_momentum(mass, lowest, mass_3) * breakup_momentum(mass - mass_3, mass_1, mass_2)
        weight = -1.0
        while weight < uniform(state) * bound:
            mass_12 = lowest + span * uniform(state)
            weight = breakup_momentum(mass, mass_12, mass_3) * breakup_momentum(mass_12, mass_1, mass_2)
        q = breakup_momentum(mass, mass_12, mass_3)
        ux, uy, uz = direction(state)
        momenta[2, 0], momenta[2, 1], momenta[2, 2] = boost(-q * ux, -q * uy, -q * uz, mass_3, bx, by, bz, gamma)
        px, py, pz = boost(q * ux, q * uy, q * uz, mass_12, bx, by, bz, gamma)
        energy = math.sqrt(px * px + py * py + pz * pz + mass_12 * mass_12)
        bx, by, bz, gamma = px / energy, py / energy, pz / energy, energy / mass_12
    q = breakup_momentum(mass_12, mass_1, mass_2)
    ux, uy, uz = direction(state)
    momenta[0, 0], momenta[0, 1], momenta[0, 2] = boost(q * ux, q * uy, q * uz, mass_1, bx, by, bz, gamma)
    momenta[1, 0], momenta[1, 1], momenta[1, 2] = boost(-q * ux, -q * uy, -q * uz, mass_2, bx, by, bz, gamma)
    return channel
