"""A stream of random numbers of its own for each event, inside compiled code.

SplitMix64 (Steele, Lea, Flood, doi:10.1145/2660193.2660195): the state is one 64-bit number, seeded from
`smartbkg.seeds.event_keys`. What one event draws can therefore not depend on other events, chunks or workers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.seeds import GOLDEN, MIX_1, MIX_2

_SHIFT_1, _SHIFT_2, _SHIFT_3, _SHIFT_OUT = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@part
def uniform(state: NDArray[np.uint64]) -> float:
    """The next number of the stream, uniform in [0, 1); ``state`` (1,) uint64 advances."""
    state[0] += GOLDEN
    mixed = state[0]
    mixed = (mixed ^ (mixed >> _SHIFT_1)) * MIX_1
    mixed = (mixed ^ (mixed >> _SHIFT_2)) * MIX_2
    mixed = mixed ^ (mixed >> _SHIFT_3)
    return float(mixed >> _SHIFT_OUT) * 2.0**-53


@part
def exponential(state: NDArray[np.uint64]) -> float:
    """Exponential of mean 1."""
    return -math.log(1.0 - uniform(state))


@part
def normal(state: NDArray[np.uint64]) -> float:
    """Standard normal (Box and Muller, doi:10.1214/aoms/1177706645)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(state)))
    return radius * math.cos(2.0 * math.pi * uniform(state))


@part
def poisson(state: NDArray[np.uint64], mean: float) -> int:
    """Poisson of a small mean, by multiplication (Knuth, The Art of Computer Programming 2, 3.4.1)."""
    limit = math.exp(-mean)
    count = 0
    product = uniform(state)
    while product > limit:
        count += 1
        product *= uniform(state)
    return count


@part
def direction(state: NDArray[np.uint64]) -> tuple[float, float, float]:
    """Unit vector, isotropic."""
    cosine = 2.0 * uniform(state) - 1.0
    azimuth = 2.0 * math.pi * uniform(state)
    sine = math.sqrt(1.0 - cosine * cosine)
    return sine * math.cos(azimuth), sine * math.sin(azimuth), cosine
