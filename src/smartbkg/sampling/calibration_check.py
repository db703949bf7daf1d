"""Are scores probabilities, and what does it cost where they are not? Speed-up, never bias."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.policy import check_weights
from smartbkg.sampling.statistics import check_probability, speed_up_of_means, speed_up_terms
from smartbkg.scores.logistic import expit, fit_logistic, logit

#: A loss of speed-up by poor calibration above this share is worth a warning.
TOLERATED_LOSS: Final = 0.01
#: The 99 % quantile of χ² with two degrees of freedom (scale and offset).
LEAST_DEVIANCE: Final = 9.2


class CalibrationCheck(NamedTuple):
    """How far the scores of a skim are from probabilities."""

    scale: float
    """Slope of the logistic regression of labels on logit(score): 1 if calibrated, below 1 if overconfident."""
    offset: float
    """Its intercept: 0 if calibrated."""
    mean_ratio: float
    """Mean score over mean label: 1 if calibrated."""
    lost_speed_up: float
    """Share of the speed-up lost by solving λ on these scores and not on recalibrated ones. Cross-fitted: it may come
    out slightly negative where there is nothing to gain."""
    deviance: float
    """Twice the gain in log-likelihood by recalibrating: below 9.2 in 99 % of samples if the scores are calibrated."""

    @property
    def is_tolerable(self) -> bool:
        """Whether less than `TOLERATED_LOSS` is lost, or the sample is too small to say that scores are off."""
        return self.lost_speed_up <= TOLERATED_LOSS or self.deviance < LEAST_DEVIANCE

    def warning(self, skim: str) -> str:
        """The sentence for a user."""
        return (
            f"the scores of '{skim}' are no probabilities (mean score / pass fraction {self.mean_ratio:.2f}, slope "
            f"{self.scale:.2f}): this costs {self.lost_speed_up:.1%} of the speed-up and biases nothing; "
            "calibrate the model again"
        )


def check_calibration(
    score: ArrayLike,
    label: ArrayLike,
    costs: Costs,
    max_weight: float,
    weight: ArrayLike | None = None,
    multiplicity: ArrayLike | None = None,
) -> CalibrationCheck:
    """Compare scores with labels, and the speed-up they give with that of recalibrated ones.

    Parameters
    ----------
    score, label : (n_events,) of one skim.
    weight, multiplicity : (n_events,) generator weight and number of generated events that each stands for.

    Raises
    ------
    PolicyError
        No event passes or none fails.
    """
    p, y = check_probability(score, "score"), check_probability(label, "label")
    m = np.ones(len(p)) if multiplicity is None else check_weights(multiplicity)
    w = None if weight is None else check_weights(weight)
    if not 0 < float(m @ y) < float(m.sum()):
        raise PolicyError(f"calibration of {len(p)} events needs passing and failing ones")
    x = logit(p)
    # Each half calibrates the other, so that recalibrated scores have not seen the labels they are compared with.
    fold = np.arange(len(p)) % 2 == 0
    recalibrated = np.empty_like(p)
    for one, other in ((fold, ~fold), (~fold, fold)):
        scale, offset = _fit(x[other], y[other], m[other])
        recalibrated[one] = expit(scale * x[one] + offset)
    before, after = (_speed_up(values, y, costs, max_weight, w, m) for values in (p, recalibrated))
    scale, offset = _fit(x, y, m)
    # Thinned events stand for several, but tell no more than one: the multiplicities enter with mean 1.
    gain = _log_likelihood(scale * x + offset, y, m / m.mean()) - _log_likelihood(x, y, m / m.mean())
    return CalibrationCheck(scale, offset, float(m @ p / (m @ y)), 1 - before / after, 2 * gain)


def _fit(x: NDArray[np.float64], label: NDArray[np.float64], multiplicity: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and offset of half a sample; no change where that half has passing or failing events alone."""
    if not 0 < float(multiplicity @ label) < float(multiplicity.sum()):
        return 1.0, 0.0
    return fit_logistic(x, label, multiplicity)


def _log_likelihood(logit: NDArray[np.float64], label: NDArray[np.float64], multiplicity: NDArray[np.float64]) -> float:
    return float(multiplicity @ (label * logit - np.logaddexp(0, logit)))


def _speed_up(
    score: NDArray[np.float64],
    label: NDArray[np.float64],
    costs: Costs,
    max_weight: float,
    weight: NDArray[np.float64] | None,
    multiplicity: NDArray[np.float64],
) -> float:
    if not score.any():
        return speed_up_of_keeping_all(costs)
    policy = solve_optimal(score, costs, max_weight, weight, multiplicity=multiplicity)
    terms = speed_up_terms(label, policy.keep_probability(score, weight=weight), costs, weight=weight)
    return float(speed_up_of_means(np.average(terms, axis=0, weights=multiplicity), costs))


def speed_up_of_keeping_all(costs: Costs) -> float:
    """Speed-up of keeping every event: the decision is paid and nothing gained."""
    return (costs.generation + costs.simulation) / (costs.before_decision + costs.simulation)
