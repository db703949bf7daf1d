"""The weights of kept events, and sums, histograms and uncertainties made with them.

Columns of a file of kept events: ``weight`` = generator weight / keep probability (what an analysis uses),
``keep_probability``, ``generator_weight`` and ``score`` (``score_<skim>`` for several skims).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, SAMPLING_WEIGHT, WEIGHT
from smartbkg.optional import needed_for
from smartbkg.sampling.statistics import check_probability

if TYPE_CHECKING:
    import hist


def event_weights(keep_probability: ArrayLike, generator_weight: ArrayLike | None = None) -> NDArray[np.float64]:
    """Weights of kept events, w/q.

    Parameters
    ----------
    keep_probability : (n_kept,) q of the kept events.
    generator_weight : (n_kept,) w, 1 if not given.

    Raises
    ------
    PolicyError
        A kept event had no chance of being kept, or no weight is different from zero.

    Examples
    --------
    >>> event_weights([1.0, 0.25]).tolist()
    [1.0, 4.0]
    """
    q = check_probability(keep_probability, "keep probability")
    if (q == 0).any():
        raise PolicyError(
            f"kept event {int(np.flatnonzero(q == 0)[0])} has keep probability 0: it cannot have been kept"
        )
    if generator_weight is None:
        return np.asarray(1 / q)
    w = np.asarray(generator_weight, dtype=np.float64)
    if not np.isfinite(w).all():
        index = int(np.flatnonzero(~np.isfinite(w))[0])
        raise PolicyError(f"generator weight of event {index} is {w[index]}, expected a finite number")
    return np.asarray(w / q)


def any_skim_probability(keep_probability: ArrayLike) -> NDArray[np.float64]:
    """1 − Π(1 − q_i): with one draw per skim, the probability that an event is simulated for any of them.

    Parameters
    ----------
    keep_probability : (n_events, n_skims).
    """
    return np.asarray(1 - np.prod(1 - check_probability(keep_probability, "keep probability"), axis=1))


def generator_weights(event: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(n_events,) the generator's weights: ``generator_weight`` of events that a filter has kept, else ``weight``.

    Parameters
    ----------
    event : event columns by name.
    """
    return np.asarray(event[GENERATOR_WEIGHT if GENERATOR_WEIGHT in event else WEIGHT], dtype=np.float64)


def total_keep_probability(
    event: Mapping[str, NDArray[Any]], keep_probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n_events,) the product of the keep probabilities of all draws: this one's, and those before in the columns.

    With it ``weight`` · ``keep_probability`` = ``generator_weight`` however often events were filtered.
    """
    before = event.get(KEEP_PROBABILITY)
    return keep_probability if before is None else keep_probability * before.astype(np.float64)


def sampling_weights(event: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(n_events,) how many generated events each row stands for, whatever kind of file it comes from.

    ``sampling_weight`` of a data set, 1 / ``keep_probability`` of kept events, 1 of generated ones. Times the
    generator's weight it is what sums over generated events are made with.
    """
    stands_for = np.asarray(event.get(SAMPLING_WEIGHT, np.ones(len(event[WEIGHT]))), dtype=np.float64)
    # both are there in data sets that earlier versions made of kept events: they took w/q for the generator's weight
    return stands_for / event[KEEP_PROBABILITY].astype(np.float64) if KEEP_PROBABILITY in event else stands_for


class WeightedSum(NamedTuple):
    """A sum of weights with its statistical error."""

    value: float
    """Σw."""
    error: float
    """√Σw²."""


def weighted_sum(weights: ArrayLike) -> WeightedSum:
    """Σw ± √Σw², the estimate of the number of unfiltered events and its error."""
    w = np.asarray(weights, dtype=np.float64)
    return WeightedSum(float(w.sum()), float(np.sqrt(np.dot(w, w))))


def fill_hist(
    values: ArrayLike, weights: ArrayLike, n_bins: int, start: float, stop: float, name: str
) -> hist.Hist[Any]:
    """A `hist.Hist` with Weight storage, which keeps Σw² beside Σw: plots and fits then get the right error bars.

    Raises
    ------
    MissingDependencyError
        ``hist`` is not installed.
    """
    with needed_for("a histogram with Weight storage"):
        import hist
    histogram = hist.Hist(hist.axis.Regular(n_bins, start, stop, name=name), storage=hist.storage.Weight())
    histogram.fill(np.asarray(values, dtype=np.float64), weight=np.asarray(weights, dtype=np.float64))
    return histogram


def training_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Weights for training a classifier on kept events: mean 1, so that learning rates keep their meaning.

    Raises
    ------
    PolicyError
        The weights sum to zero or less.
    """
    w = np.asarray(weights, dtype=np.float64)
    if not len(w) or w.sum() <= 0:
        raise PolicyError(f"{len(w)} weights with the sum {w.sum():g} cannot be normalised to mean 1")
    return np.asarray(w * (len(w) / w.sum()))


__all__ = [
    "WEIGHT",
    "WeightedSum",
    "any_skim_probability",
    "event_weights",
    "fill_hist",
    "generator_weights",
    "sampling_weights",
    "total_keep_probability",
    "training_weights",
    "weighted_sum",
]
