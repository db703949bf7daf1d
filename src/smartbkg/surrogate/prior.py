"""What is believed of a surrogate's pass probability before and after it was asked.

Before: a beta distribution whose mean follows the network's logit, m = expit(a·(1, ℓ, ℓ²)), and whose strength does
too, ν = exp(c·(1, ℓ)). After k passes in n replicas: the mean (k + ν m) / (n + ν). The likelihood of what was seen does
not depend on why the replicas ended, so that the same formula holds where they are stopped early (J. O. Berger and
R. L. Wolpert, The Likelihood Principle, doi:10.1214/lnms/1215466210, chapter 4.2).

The numbers a, c are fitted to the counts of events whose true fate need not be known (empirical Bayes): what follows
from the surrogate alone is learned from all events, and labels are left for what the surrogate gets wrong.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.optional import needed_for
from smartbkg.scores.logistic import expit

#: Logits are held within these before powers of them are taken.
LOGIT_RANGE: Final = (-12.0, 8.0)
_STRENGTH_RANGE: Final = (-3.0, 7.0)
_MEAN_RANGE: Final = (-14.0, 8.0)
#: A number of events that believe in no dependence on the network: keeps small samples from extremes.
_SHRINKAGE: Final = 2.0


class BetaPrior(NamedTuple):
    """The numbers of one skim's prior."""

    mean: tuple[float, float, float]
    """coefficients of 1, ℓ, ℓ² in the logit of the mean"""
    strength: tuple[float, float]
    """coefficients of 1, ℓ in the logarithm of ν"""

    def shape(self, logit: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(mean m, strength ν), each (n_events,), for the network's calibrated logits (n_events,)."""
        x = np.clip(logit, *LOGIT_RANGE) / 4
        a, c = self.mean, self.strength
        mean = expit(np.clip(a[0] + a[1] * x + a[2] * x * x, *_MEAN_RANGE))
        return mean, np.exp(np.clip(c[0] + c[1] * x, *_STRENGTH_RANGE))

    def posterior_mean(
        self, logit: NDArray[np.float64], passed: NDArray[np.int32], n_replicas: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """(n_events,) expected pass probability of the surrogate after it was asked."""
        mean, strength = self.shape(logit)
        return np.asarray((passed + strength * mean) / (n_replicas + strength))


def fit_prior(
    logit: NDArray[np.float64],
    passed: NDArray[np.int32],
    n_replicas: NDArray[np.int32],
    weight: NDArray[np.float64],
) -> BetaPrior:
    """The prior that makes the counts most likely.

    Parameters
    ----------
    logit : (n_events,) the network's calibrated logit, all equal where there is none.
    passed, n_replicas : (n_events,) what the surrogate said.
    weight : (n_events,) natural events each stands for.
    """
    with needed_for("fitting a surrogate's score", "train"):
        from scipy import optimize, special

    x = np.clip(logit, *LOGIT_RANGE) / 4
    w = weight / weight.mean()
    fraction = float((w * passed).sum() + 0.5) / float((w * n_replicas).sum() + 1.0)
    start = np.array([np.log(fraction / (1 - fraction)), 0.0, 0.0, 0.0, 0.0])
    is_constant = bool(np.ptp(x) == 0)
    design = np.stack([np.ones_like(x), x, x * x], axis=1)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z, s = design @ parameters[:3], design[:, :2] @ parameters[3:]
        mean, strength = expit(np.clip(z, *_MEAN_RANGE)), np.exp(np.clip(s, *_STRENGTH_RANGE))
        a, b = mean * strength, (1 - mean) * strength
        failed = n_replicas - passed
        value = -w @ (special.betaln(passed + a, failed + b) - special.betaln(a, b))
        total = special.digamma(n_replicas + strength) - special.digamma(strength)
        by_a = special.digamma(passed + a) - special.digamma(a) - total
        by_b = special.digamma(failed + b) - special.digamma(b) - total
        is_free_z, is_free_s = (
            (z > _MEAN_RANGE[0]) & (z < _MEAN_RANGE[1]),
            (s > _STRENGTH_RANGE[0]) & (s < _STRENGTH_RANGE[1]),
        )
        by_z = -w * strength * mean * (1 - mean) * (by_a - by_b) * is_free_z
        by_s = -w * (a * by_a + b * by_b) * is_free_s
        gradient = np.concatenate([design.T @ by_z, design[:, :2].T @ by_s])
        slopes = np.array([0.0, *parameters[1:3], 0.0, parameters[4]])
        return float(value + _SHRINKAGE / 2 * slopes @ slopes), gradient + _SHRINKAGE * slopes

    bounds = [(-20, 20), *([(0, 0) if is_constant else (-40, 40)] * 2), (-5, 8), (0, 0) if is_constant else (-20, 20)]
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    numbers = [float(value) for value in found.x]
    return BetaPrior((numbers[0], numbers[1], numbers[2]), (numbers[3], numbers[4]))
