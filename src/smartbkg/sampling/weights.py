"""The weights of kept events, and sums, histograms and uncertainties made with them.

Columns of a file of kept events: ``weight`` = generator weight / keep probability (what an analysis uses),
``keep_probability``, ``generator_weight`` and ``score`` (``score_<skim>`` for several skims).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.events.columns import WEIGHT
from smartbkg.events.weight_columns import generator_weights, sampling_weights, total_keep_probability
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
