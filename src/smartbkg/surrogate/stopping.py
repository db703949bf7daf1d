"""When a surrogate need not be asked again: the sequential test, and what it is worth.

After n replicas the posterior of the surrogate's pass probability is a beta distribution. A block of b more would find
no pass with probability P₀, or some, and move the score to s₀ or s₁. With the optimal policy an event of score s costs,
in units of its simulation time, c(s) = λ² s/q + q, q = clip(λ√s, floor, 1): what its variance costs plus what its
simulation costs (docs/statistics.md, the Lagrangian at the optimum). The block saves on average

    G = c(P₀ s₀ + (1 − P₀) s₁) − P₀ c(s₀) − (1 − P₀) c(s₁) ≥ 0 ,

because c is concave; where c is linear, at q = 1 or at the floor before and after, the decision cannot change: G = 0.
Replicas end where G is below ``least_gain`` a replica. The rule looks at what was seen alone, so that q is a function
of what was seen, and unbiased whatever the rule is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError
from smartbkg.sampling.optimal import OptimalPolicy
from smartbkg.scores.logistic import expit, logit
from smartbkg.surrogate.combination import Combination


@dataclass(frozen=True)
class StoppingRule:
    """Ends the replicas of an event where more of them would save too little.

    Attributes
    ----------
    lambda_, max_weight : of the optimal policy that the scores are for.
    value : (n_skims,) factor of each skim's score in the usefulness u = Σ value_i p_i; (1,) for one skim.
    least_gain : seconds of simulation that a replica must save, over the seconds of one simulation.
    """

    lambda_: float
    max_weight: float
    value: tuple[float, ...]
    least_gain: float

    def __post_init__(self) -> None:
        numbers = (self.lambda_, self.max_weight, *self.value, self.least_gain)
        if not np.isfinite(numbers).all() or min(numbers) < 0 or not self.value:
            raise ModelError(f"stopping rule {self}: expected finite numbers of at least 0")

    @classmethod
    def for_policy(cls, policy: OptimalPolicy, least_gain: float) -> StoppingRule:
        """The rule for a solved policy."""
        if policy.importance is None or policy.mean_score is None:
            return cls(policy.lambda_, policy.max_weight, (1.0,), least_gain)
        value = np.array(policy.importance) / np.array(policy.mean_score)
        return cls(policy.lambda_, policy.max_weight, tuple(value.tolist()), least_gain)

    def gain(
        self,
        combination: Combination,
        network_logit: NDArray[np.float64],
        passed: NDArray[np.int32],
        n_replicas: int,
        n_more: int,
    ) -> NDArray[np.float64]:
        """(n_events,) what ``n_more`` replicas save an event, in units of its simulation time.

        Parameters
        ----------
        network_logit : (n_events, n_skims) calibrated.
        passed : (n_events, n_skims) passes in the first ``n_replicas``.
        """
        n = np.full(len(passed), n_replicas, dtype=np.int32)
        u = combination.surrogate_logit(network_logit, passed, n)
        usefulness = expit(combination.correct(u, network_logit)) @ np.array(self.value)
        total = np.zeros(len(passed))
        for skim, prior in enumerate(combination.priors):
            mean, strength = prior.shape(network_logit[:, skim])
            a, b = passed[:, skim] + mean * strength, n_replicas - passed[:, skim] + (1 - mean) * strength
            none = _no_pass(a, b, n_more)
            without = a / (a + b + n_more)
            with_some = np.clip((a / (a + b) - none * without) / np.maximum(1 - none, 1e-12), without, 1.0)
            moved = [
                expit(combination.correct(_with(u, skim, p), network_logit)[:, skim]) for p in (without, with_some)
            ]
            middle = none * moved[0] + (1 - none) * moved[1]
            low = usefulness + self.value[skim] * (moved[0] - middle)
            high = usefulness + self.value[skim] * (moved[1] - middle)
            total += self._cost(usefulness) - none * self._cost(low) - (1 - none) * self._cost(high)
        return total

    def _cost(self, usefulness: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_events,) c(s), in units of the simulation time."""
        u = np.maximum(usefulness, 0.0)
        q = np.clip(self.lambda_ * np.sqrt(u), 1 / self.max_weight, 1.0)
        return self.lambda_**2 * u / q + q

    def is_done(
        self,
        combination: Combination,
        network_logit: NDArray[np.float64],
        passed: NDArray[np.int32],
        n_replicas: int,
        n_more: int,
    ) -> NDArray[np.bool_]:
        """(n_events,) True = the replicas end here; parameters as in `gain`."""
        return self.gain(combination, network_logit, passed, n_replicas, n_more) <= self.least_gain * n_more

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, read back by `rule_from_dict`."""
        return {
            "lambda": self.lambda_, "max_weight": self.max_weight, "value": list(self.value),
            "least_gain": self.least_gain,
        }  # fmt: skip


def rule_from_dict(content: Mapping[str, Any]) -> StoppingRule:
    """The rule that `StoppingRule.to_dict` wrote."""
    try:
        value = tuple(float(v) for v in content["value"])
        return StoppingRule(float(content["lambda"]), float(content["max_weight"]), value, float(content["least_gain"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"stopping rule is damaged: {error!r}") from error


def _no_pass(a: NDArray[np.float64], b: NDArray[np.float64], n_more: int) -> NDArray[np.float64]:
    """(n_events,) probability of no pass in ``n_more`` replicas, given Beta(a, b): B(a, b + n) / B(a, b)."""
    probability = np.ones_like(a)
    for n_failed in range(n_more):
        probability *= (b + n_failed) / (a + b + n_failed)
    return probability


def _with(u: NDArray[np.float64], skim: int, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    changed = u.copy()
    changed[:, skim] = logit(probability)
    return changed
