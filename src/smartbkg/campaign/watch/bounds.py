"""How improbable a deviation is where all is right: bounds that hold for any number of events and of looks.

A sum D of independent terms, each of mean 0 and at most b, with variances that add up to V, exceeds x with a
probability of at most exp(−x²/2/(V + b·x/3)) (Bernstein's inequality; S. Boucheron, G. Lugosi, P. Massart,
Concentration Inequalities, Oxford 2013, theorem 2.10). Freedman's version (doi:10.1214/aop/1176996452) bounds the
chance that a running sum *ever* does so while V ≤ v. A campaign that is looked at as often as one likes has V between v
and 2v in turn: the looks of the j-th doubling share 1/((j + 1)(j + 2)) of the false-alarm rate, which sum up to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def tail(deviation: ArrayLike, variance: ArrayLike, largest: ArrayLike) -> NDArray[np.float64]:
    """Bound on the probability of so large a deviation, to either side.

    Parameters
    ----------
    deviation : D.
    variance : V.
    largest : b.
    """
    x, v = np.abs(np.asarray(deviation, dtype=np.float64)), np.asarray(variance, dtype=np.float64)
    scale = v + np.asarray(largest, dtype=np.float64) * x / 3
    exponent = np.divide(x * x / 2, scale, out=np.where(x > 0, np.inf, 0.0), where=scale > 0)
    return np.asarray(np.minimum(2 * np.exp(-exponent), 1.0))


def running_tail(deviation: ArrayLike, variance: ArrayLike, largest: ArrayLike) -> NDArray[np.float64]:
    """`tail` for a sum that grows and is looked at again and again: the chance that it was ever so large.

    Variances are counted in units of b², the doublings from there.
    """
    v, b = np.asarray(variance, dtype=np.float64), np.asarray(largest, dtype=np.float64)
    unit = np.where(b > 0, b * b, 1.0)
    doubling = np.ceil(np.log2(np.maximum(v / unit, 1.0)))
    shares = (doubling + 1) * (doubling + 2)
    return np.asarray(np.minimum(shares * tail(deviation, unit * np.exp2(doubling), b), 1.0))


def distance_limit(n_events: ArrayLike, probability: float) -> NDArray[np.float64]:
    """Largest distance between a sample's cumulative distribution and the true one, but for that probability.

    Dvoretzky–Kiefer–Wolfowitz inequality with Massart's constant (doi:10.1214/aop/1176990746): √(ln(2/p)/(2n)).
    """
    n = np.maximum(np.asarray(n_events, dtype=np.float64), 1.0)
    return np.asarray(np.sqrt(np.log(2 / probability) / (2 * n)))


def largest_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) largest distance between cumulative distributions of (..., n_bins) histograms; 0 beside an empty one."""
    sums = [np.cumsum(histogram, axis=-1) for histogram in (first, second)]
    shares = [np.divide(one, one[..., -1:], out=np.zeros_like(one), where=one[..., -1:] > 0) for one in sums]
    is_filled = (sums[0][..., -1] > 0) & (sums[1][..., -1] > 0)
    return np.asarray(np.where(is_filled, np.abs(shares[0] - shares[1]).max(axis=-1), 0.0))
