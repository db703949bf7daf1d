"""What filtering gains: speed-up, effective sample size, bounds and uncertainties. The formulas exist once, here.

For an event, p = P(it passes the skim), q = the probability that the filter keeps it, w = its generator weight and t
its simulation time. A kept event weighs w/q. With E the mean over generated events,

    n_eff(filter)    = N·E[w p]² / E[w² p / q]
    n_eff(no filter) = N·E[w p]² / E[w² p]
    speed-up = E[w² p]·(t_gen + E[t]) / ( E[w² p / q]·(t_gen + t_filter + E[q t]) ),

the ratio of n_eff per CPU second with the filter to that without. On labelled events the label y (0 or 1) stands for p:
the estimate is then unbiased whatever the scores are worth. Derivation: ``docs/statistics.md``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import Costs, check_simulation_cost

#: Columns of `speed_up_terms`: means of these over events make the speed-up.
TERMS: Final = ("w2p", "w2p_over_q", "simulated", "simulation_cost")

_BOOTSTRAP_BLOCK = 4_000_000


class Estimate(NamedTuple):
    """A number and its statistical uncertainty."""

    value: float
    """Best estimate."""
    error: float
    """Standard deviation over replicas."""

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.2g}"


def effective_sample_size(weights: ArrayLike) -> float:
    """Kish's effective number of events (Σw)²/Σw²: as many unweighted events have the same relative error.

    Parameters
    ----------
    weights : (n_events,) any sign.

    Raises
    ------
    PolicyError
        There is no weight, or all are zero, or one is not finite.
    """
    w = np.asarray(weights, dtype=np.float64)
    if not np.isfinite(w).all():
        index = int(np.flatnonzero(~np.isfinite(w))[0])
        raise PolicyError(f"weight {index} is {w[index]}, expected a finite number")
    sum_of_squares = float(np.dot(w, w))
    if sum_of_squares == 0:
        raise PolicyError(f"effective sample size of {len(w)} weights that are all zero is undefined")
    return float(w.sum()) ** 2 / sum_of_squares


def check_probability(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """The values as float64, all in [0, 1].

    Raises
    ------
    PolicyError
        Names the first value that is not.
    """
    array = np.asarray(values, dtype=np.float64)
    # A NaN makes both comparisons false; extremes first, because the search for the culprit is slow.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        index = np.argwhere(~((array >= 0) & (array <= 1)))[0]
        where = int(index[0]) if array.ndim == 1 else tuple(int(i) for i in index)
        raise PolicyError(f"{what} of event {where} is {array[tuple(index)]}, expected a number in [0, 1]")
    return array


def speed_up_terms(
    probability: ArrayLike,
    keep_probability: ArrayLike,
    costs: Costs,
    *,
    weight: ArrayLike | None = None,
    simulation_cost: ArrayLike | None = None,
    simulated_probability: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """(n_events, 4) the columns `TERMS` of each event; the speed-up is a function of their means.

    Parameters
    ----------
    probability : (n_events,) p or, on labelled events, the label.
    keep_probability : (n_events,) q, by which a kept event is weighted.
    weight : (n_events,) generator weight, 1 if not given.
    simulation_cost : (n_events,) seconds, ``costs.simulation`` if not given.
    simulated_probability : (n_events,) probability that the event is simulated where that is more than q: with one draw
        per skim, an event is simulated as soon as any skim wants it.

    Raises
    ------
    PolicyError
        p or q outside [0, 1], a label without any keep probability (q = 0 where p > 0: no weight makes up for it).
    """
    p = check_probability(probability, "probability")
    q = check_probability(keep_probability, "keep probability")
    simulated = (
        q if simulated_probability is None else check_probability(simulated_probability, "simulation probability")
    )
    t = np.broadcast_to(
        check_simulation_cost(costs.simulation if simulation_cost is None else simulation_cost), q.shape
    )
    w2p = p if weight is None else p * np.square(np.asarray(weight, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        w2p_over_q = np.where(w2p > 0, w2p / q, 0.0)
    return np.stack([w2p, w2p_over_q, simulated * t, t], axis=1)


def speed_up_of_means(means: NDArray[np.float64], costs: Costs) -> NDArray[np.float64]:
    """Speed-up from means of `speed_up_terms`.

    Parameters
    ----------
    means : (..., 4) means of the columns `TERMS`.

    Returns
    -------
    (...) the speed-up; 0 where an event that passes has no chance of being kept (a threshold): the kept sample is
    biased and no number of events makes it equivalent to an unfiltered one.
    """
    w2p, w2p_over_q, simulated, simulation_cost = np.moveaxis(means, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = w2p / w2p_over_q
        result = gain * (costs.generation + simulation_cost) / (costs.before_decision + simulated)
    return np.asarray(np.where(np.isfinite(w2p_over_q) & (w2p > 0), result, np.where(w2p > 0, 0.0, np.nan)))


def speed_up(
    probability: ArrayLike,
    keep_probability: ArrayLike,
    costs: Costs,
    weight: ArrayLike | None = None,
    simulation_cost: ArrayLike | None = None,
    simulated_probability: ArrayLike | None = None,
) -> float:
    """Effective events per CPU second, with the filter over without.

    Parameters are those of `speed_up_terms`.

    Raises
    ------
    PolicyError
        No event passes.

    Examples
    --------
    >>> round(speed_up([1, 0, 0, 0], [1, 0.1, 0.1, 0.1], Costs(0.01, 0.01, 10)), 2)
    3.06
    """
    terms = speed_up_terms(
        probability,
        keep_probability,
        costs,
        weight=weight,
        simulation_cost=simulation_cost,
        simulated_probability=simulated_probability,
    )
    if not len(terms) or not terms[:, 0].any():
        raise PolicyError(f"none of {len(terms)} events passes: their speed-up is undefined")
    return float(speed_up_of_means(terms.mean(axis=0), costs))


def free_bound(
    probability: ArrayLike, weight: ArrayLike | None = None, simulation_cost: ArrayLike | None = None
) -> float:
    """The speed-up E[w²p]·E[t] / E[|w|√(p t)]² that no policy on these probabilities can exceed.

    It is reached where generation and decision are free and no keep probability is clipped (Cauchy–Schwarz).

    >>> round(free_bound([1.0, 0.25, 0.0, 0.0]), 3)
    2.222
    """
    p = check_probability(probability, "probability")
    w = np.ones_like(p) if weight is None else np.abs(np.asarray(weight, dtype=np.float64))
    t = np.ones_like(p) if simulation_cost is None else check_simulation_cost(simulation_cost)
    denominator = float(np.mean(w * np.sqrt(p * t))) ** 2
    if denominator == 0:
        raise PolicyError(f"all {len(p)} probabilities are zero: the bound on the speed-up is undefined")
    return float(np.mean(w * w * p)) * float(np.mean(np.broadcast_to(t, p.shape))) / denominator


def bootstrap(columns: ArrayLike, n_replicas: int = 200, seed: int = 0) -> NDArray[np.float64]:
    """Means of columns over bootstrap replicas of the events (Poisson bootstrap: each event counts Poisson(1) times).

    Equal seeds and numbers of events give equal replicas, so that two policies evaluated on the same events can be
    compared replica by replica.

    Parameters
    ----------
    columns : (n_events, n_columns) or (n_events,).
    n_replicas : at least 2.

    Returns
    -------
    (n_replicas, n_columns) or (n_replicas,) means.
    """
    values = np.asarray(columns, dtype=np.float64)
    if n_replicas < 2:
        raise PolicyError(f"{n_replicas} bootstrap replicas give no uncertainty, expected at least 2")
    generator = np.random.default_rng(seed)
    n_at_once = max(1, _BOOTSTRAP_BLOCK // max(1, len(values)))
    means = []
    for start in range(0, n_replicas, n_at_once):
        size = (min(n_at_once, n_replicas - start), len(values))
        counts = generator.poisson(1.0, size).astype(np.float64)
        total = np.maximum(counts.sum(axis=1), 1.0)
        means.append(counts @ values / (total if values.ndim == 1 else total[:, None]))
    return np.concatenate(means)


def speed_up_estimate(terms: NDArray[np.float64], costs: Costs, n_replicas: int = 200, seed: int = 0) -> Estimate:
    """Speed-up of labelled events with its bootstrap uncertainty.

    Parameters
    ----------
    terms : (n_events, 4) from `speed_up_terms`.
    """
    if not terms[:, 0].any():
        raise PolicyError(f"none of {len(terms)} events passes: their speed-up is undefined")
    value = float(speed_up_of_means(terms.mean(axis=0), costs))
    if value == 0:
        return Estimate(0.0, 0.0)
    return Estimate(value, float(np.nanstd(speed_up_of_means(bootstrap(terms, n_replicas, seed), costs), ddof=1)))
