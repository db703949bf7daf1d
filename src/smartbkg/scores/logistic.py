"""The logistic function, its inverse, and the regression that fits both to labels. Nowhere else are they written."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.optional import needed_for

#: Scores stay this far from 0 and 1, so that odds and logarithms exist.
SMALLEST_SCORE: Final = 1e-12
#: The slope of a fit stays within these: outside, the sample was too small to say.
_SLOPES: Final = (0.05, 20.0)
_LARGEST_OFFSET: Final = 40.0


def expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logistic function 1 / (1 + exp(-x)), within [`SMALLEST_SCORE`, 1 - `SMALLEST_SCORE`].

    Written with exp(-|x|) alone, which cannot overflow. `scipy.special.expit` rounds differently in the last place,
    and the scores of published models must not change.
    """
    small = np.exp(-np.abs(logits))
    return np.clip(np.where(logits >= 0, 1.0, small) / (1.0 + small), SMALLEST_SCORE, 1.0 - SMALLEST_SCORE)


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """log(p / (1 - p)) of probabilities in [0, 1]: -∞ at 0 and ∞ at 1."""
    p = np.asarray(probability, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(p) - np.log1p(-p))


def logit(probability: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `expit`: `log_odds` of probabilities held within its range, so always finite."""
    return log_odds(np.clip(np.asarray(probability, dtype=np.float64), SMALLEST_SCORE, 1.0 - SMALLEST_SCORE))


def fit_logistic(
    x: NDArray[np.float64],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    offset: float = 0.0,
    *,
    is_offset_free: bool = True,
) -> tuple[float, float]:
    """Scale and offset of the largest likelihood of labels under expit(scale·x + offset): Platt's scaling.

    Parameters
    ----------
    x : (n_events,) logits.
    label : (n_events,) in [0, 1], neither all 0 nor all 1.
    weight : (n_events,) how many events each stands for.
    offset : where the search begins.
    is_offset_free : False fits the scale alone, with the offset that makes the mean score the mean label.

    Raises
    ------
    MissingDependencyError
        SciPy is not installed.
    """
    with needed_for("fitting scores to labels"):
        from scipy import optimize

    w = weight / weight.sum()
    fraction = float((w * label).sum())

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * x + parameters[1]
        residual = w * (expit(z) - label)
        value = (w * (np.logaddexp(0, z) - label * z)).sum()
        # In units of the pass fraction: the tolerances of the search then mean the same for rare and common skims.
        return float(value / fraction), np.array([(residual * x).sum(), residual.sum()]) / fraction

    if is_offset_free:
        found = optimize.minimize(
            loss, np.array([1.0, offset]), jac=True, method="L-BFGS-B",
            bounds=[_SLOPES, (-_LARGEST_OFFSET, _LARGEST_OFFSET)], options={"ftol": 1e-14, "gtol": 1e-10},
        )  # fmt: skip
        return float(found.x[0]), float(found.x[1])

    def offset_of(scale: float) -> float:
        """The offset at which the mean score is the pass fraction."""
        return float(
            optimize.brentq(
                lambda b: loss(np.array([scale, b]))[1][1],
                -_LARGEST_OFFSET - scale * x.max(),
                _LARGEST_OFFSET - scale * x.min(),
            )
        )

    best = optimize.minimize_scalar(
        lambda log_scale: loss(np.array([np.exp(log_scale), offset_of(float(np.exp(log_scale)))]))[0],
        bounds=tuple(np.log(_SLOPES)),
        method="bounded",
    )
    scale = float(np.exp(best.x))
    return scale, offset_of(scale)


__all__ = ["SMALLEST_SCORE", "expit", "fit_logistic", "log_odds", "logit"]
