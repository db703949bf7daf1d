"""From the statistics of many tests and of their replicas to p-values: of each test, of all together, of the yield.

The sample at hand is one of the pool, exchangeable with its replicas where the weights are right. A test's p-value is
its rank in the pool. The verdict compares the *smallest* p-value among the tests with the smallest in each replica
(min-p of Westfall and Young, Resampling-Based Multiple Testing, Wiley 1993): exact for any number of tests and any
dependence between them. Ranks alone would have no resolution for the smallest p-value of many tests, so the largest
tenth of each pool is continued by an exponential of its mean excess, as Knijnenburg et al. do with a generalised Pareto
tail (doi:10.1093/bioinformatics/btp211). That changes how tests compare with one another, never the exactness: the
observed sample and its replicas go through one and the same function of the pool.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Share of the significance that belongs to the yield alone; the rest is that of all other tests together.
YIELD_SHARE: Final = 0.5
#: Values that differ by less than this, relative to themselves or to the mean of the pool, are ties: rounding.
_TIE: Final = 1e-9
_TAIL: Final = 0.1


class Verdict(NamedTuple):
    """What the tests say together."""

    p_values: NDArray[np.float64]
    """(n_tests,) of each test by itself."""
    yield_p_value: float | None
    """Of the total; None where only shapes are compared."""
    shape_p_value: float
    """Of the worst of all other tests."""
    global_p_value: float
    """Of both, the significance shared by `YIELD_SHARE`."""
    worst: int
    """Position of the test that speaks loudest."""


def at_least(pool: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) how many numbers of a pool are as large as each value, ties by tolerance."""
    finite = pool[np.isfinite(pool)]
    tolerance = _TIE * (np.abs(values) + (float(np.abs(finite).mean()) if len(finite) else 0.0))
    lowest = np.subtract(values, tolerance, out=values.astype(np.float64), where=np.isfinite(values))
    return np.asarray(len(pool) - np.searchsorted(np.sort(pool), lowest, side="left"), dtype=np.int64)


def pool_p_values(pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_tests, n) p-value of each number of a pool (n_tests, n) within its row; large numbers are suspicious."""
    n = pool.shape[1]
    n_tail = max(int(_TAIL * n), 1)
    p_values = np.empty_like(pool)
    for row, p_value in zip(pool, p_values, strict=True):
        p_value[:] = at_least(row, row) / n
        ordered = np.sort(row)
        start = ordered[-n_tail]
        excess = float((ordered[-n_tail:] - start).mean()) if np.isfinite(ordered[-1]) else np.inf
        if not np.isfinite(excess):
            p_value[np.isposinf(row)] = 0.5 / n * p_value[np.isposinf(row)]
        elif excess > _TIE * abs(start):
            is_tail = row > start
            p_value[is_tail] = np.minimum(p_value[is_tail], n_tail / n * np.exp(-(row[is_tail] - start) / excess))
    return p_values


def reach_verdict(
    observed: NDArray[np.float64], replicas: NDArray[np.float64], counts: NDArray[np.bool_], total: int | None
) -> Verdict:
    """The verdict on tests.

    Parameters
    ----------
    observed : (n_tests,) statistics of the sample at hand.
    replicas : (n_tests, n_replicas).
    counts : (n_tests,) True = counts in the verdict.
    total : position of the test of the yield, None where there is none.
    """
    pool = np.concatenate([observed[:, None], replicas], axis=1)
    n = pool.shape[1]
    ranks = np.array([at_least(row, row[:1])[0] for row in pool]) / n
    is_shape = counts.copy()
    if total is not None:
        is_shape[total] = False
    smallest = pool_p_values(pool[is_shape])
    lowest = smallest.min(axis=0)
    shape = float((lowest <= lowest[0] * (1 + _TIE)).sum() / n)
    worst = int(np.flatnonzero(is_shape)[np.argmin(smallest[:, 0])])
    if total is None:
        return Verdict(ranks, None, shape, shape, worst)
    of_yield = float(ranks[total])
    together = min(1.0, of_yield / YIELD_SHARE, shape / (1 - YIELD_SHARE))
    return Verdict(
        ranks, of_yield, shape, together, total if of_yield / YIELD_SHARE < shape / (1 - YIELD_SHARE) else worst
    )


__all__ = ["YIELD_SHARE", "Verdict", "at_least", "reach_verdict", "pool_p_values"]
