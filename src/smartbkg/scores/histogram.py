"""Histograms: of scores in bins of √score, in which the optimal keep probability is about linear; of whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_SCORE_BINS: Final = 25
#: Metrics of a model file: skim → histogram of its scores on the events it was trained for; and process → the same.
TOGETHER: Final = "score_histogram"
BY_PROCESS: Final = "score_histogram_by_process"


def even_edges(values: NDArray[np.float64], low: float, high: float, n_bins: int) -> NDArray[np.float64]:
    """Edges of even bins from ``low`` to ``high``, about ``n_bins`` of them.

    Of whole numbers every bin holds as many, so that a smooth distribution of counts has no teeth.
    """
    finite = values[np.isfinite(values)]
    if low < high and (finite == np.rint(finite)).all():
        step = math.ceil((high - low + 1) / n_bins)
        return np.asarray(math.floor(low) - 0.5 + step * np.arange(math.ceil((high - low + 1) / step) + 1))
    return np.linspace(low, high, n_bins + 1)


def score_bin(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n_events,) the bin of each score in [0, 1]."""
    return np.minimum((np.sqrt(score) * N_SCORE_BINS).astype(np.int64), N_SCORE_BINS - 1)


def score_histogram(score: NDArray[np.float64], weight: ArrayLike) -> list[float]:
    """Histogram of a sample that was thinned: its shape is that of all events, its sum the effective number of events.

    Parameters
    ----------
    score : (n_events,) calibrated, in [0, 1].
    weight : (n_events,) how many events each stands for.

    Returns
    -------
    `N_SCORE_BINS` numbers that sum up to (Σw)²/Σw², all 0 where there is no event.
    """
    w = np.asarray(weight, dtype=np.float64)
    counts = np.bincount(score_bin(score), w, minlength=N_SCORE_BINS)
    squares = float(np.dot(w, w))
    factor = float(w.sum()) / squares if squares else 0.0
    return [float(value) for value in counts * factor]


def histograms(score: NDArray[np.float64], weight: NDArray[np.float64], skims: Sequence[str]) -> dict[str, list[float]]:
    """Skim → `score_histogram`.

    Parameters
    ----------
    score : (n_events, n_skims) calibrated, in [0, 1].
    weight : (n_events,) how many events each stands for.
    """
    return {skim: score_histogram(score[:, column], weight) for column, skim in enumerate(skims)}


def histogram_metrics(
    score: NDArray[np.float64], weight: NDArray[np.float64], skims: Sequence[str], process: NDArray[np.str_]
) -> dict[str, Any]:
    """The metrics `TOGETHER` and `BY_PROCESS` of a model.

    Parameters
    ----------
    score, weight : as in `histograms`.
    process : (n_events,) names.
    """
    here = {str(name): process == name for name in np.unique(process)}
    return {
        TOGETHER: histograms(score, weight, skims),
        BY_PROCESS: {name: histograms(score[chosen], weight[chosen], skims) for name, chosen in here.items()},
    }
