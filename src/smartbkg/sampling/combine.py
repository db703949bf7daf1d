"""Samples filtered with different models, policies or seeds, combined without bias.

Two situations. *Different* generated events, sample k with n_k of them under filter k: putting the samples one after
the other is unbiased as it is, and the balance heuristic (Veach and Guibas, doi:10.1145/218380.218498) has less
variance: every event, whichever sample it came from, weighs

    w · N / Σ_k n_k q_k ,    N = Σ_k n_k,

with q_k its keep probability under *each* of the filters; the samples must share their mixture of processes. *The
same* generated events, filtered several times: an event is in the union with a probability that follows from the q_k
and seeds, and weighs w over it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.policy import check_weights
from smartbkg.sampling.statistics import check_probability


def balance_weights(
    keep_probability: ArrayLike, n_generated: ArrayLike, generator_weight: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Weights of the kept events of several filters on different generated events, by the balance heuristic.

    Sums of them estimate sums over all Σ n_k generated events.

    Parameters
    ----------
    keep_probability : (n_kept, n_filters) q of each kept event under every filter, not only its own.
    n_generated : (n_filters,) generated events that went through each filter; or (n_kept, n_filters) where the
        numbers differ by process: those of the event's own process.
    generator_weight : (n_kept,) 1 if not given.

    Raises
    ------
    PolicyError
        A number is out of range, or an event could not have been kept by any filter.

    Examples
    --------
    >>> balance_weights([[0.5, 0.1], [0.1, 0.1]], [100, 300]).tolist()
    [5.0, 10.0]
    """
    q = check_probability(keep_probability, "keep probability")
    n = np.asarray(n_generated, dtype=np.float64)
    if q.ndim != 2 or n.shape not in ((q.shape[1],), q.shape):
        raise PolicyError(f"keep probabilities of shape {q.shape} and numbers of generated events of shape {n.shape}")
    if not (np.isfinite(n).all() and (n >= 0).all()):
        raise PolicyError(f"numbers of generated events {n.tolist()}: expected finite numbers ≥ 0")
    expected = (q * n).sum(axis=1)
    _refuse_impossible(expected)
    total = np.broadcast_to(n, q.shape).sum(axis=1)
    return _times(total / expected, generator_weight)


def union_probability(keep_probability: ArrayLike, draws: Sequence[Hashable]) -> NDArray[np.float64]:
    """Probability that at least one of several filters keeps an event that went through all of them.

    Draws of one key use the same uniform number for an event: the filter with the largest q keeps whatever the others
    do. Draws of different keys are independent: 1 − Π over keys of (1 − max q of that key).

    Parameters
    ----------
    keep_probability : (n_events, n_filters).
    draws : (n_filters,) what names the key of each filter's draw: a seed, a digest.

    Examples
    --------
    >>> union_probability([[0.5, 0.2]], [1, 1]).tolist(), union_probability([[0.5, 0.2]], [1, 2]).tolist()
    ([0.5], [0.6])
    """
    q = check_probability(keep_probability, "keep probability")
    if q.ndim != 2 or q.shape[1] != len(draws):
        raise PolicyError(f"keep probabilities of shape {q.shape} for {len(draws)} draws")
    missed = np.ones(len(q))
    for draw in dict.fromkeys(draws):
        missed *= 1 - q[:, [other == draw for other in draws]].max(axis=1)
    return np.asarray(1 - missed)


def union_weights(
    keep_probability: ArrayLike, draws: Sequence[Hashable], generator_weight: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Weights of the events, each once, that at least one of several filters kept out of the same generated events.

    Parameters are those of `union_probability`, of the kept events.
    """
    probability = union_probability(keep_probability, draws)
    _refuse_impossible(probability)
    return _times(1 / probability, generator_weight)


def _refuse_impossible(probability: NDArray[np.float64]) -> None:
    if (probability == 0).any():
        index = int(np.flatnonzero(probability == 0)[0])
        raise PolicyError(f"kept event {index} has keep probability 0 under every filter: it belongs to none of them")


def _times(inverse: NDArray[np.float64], generator_weight: ArrayLike | None) -> NDArray[np.float64]:
    return inverse if generator_weight is None else np.asarray(inverse * check_weights(generator_weight))
