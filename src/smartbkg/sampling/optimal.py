"""The policy with the most effective events per CPU second, and the one number in it.

Why it is optimal, and why λ is unique: ``docs/statistics.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import Costs, check_simulation_cost
from smartbkg.sampling.policy import Policy, check_max_weight, check_weights
from smartbkg.sampling.statistics import check_probability

#: Largest weight of the optimal policy unless told otherwise: q has the floor 1/25 = 0.04.
DEFAULT_MAX_WEIGHT: Final = 25.0


@dataclass(frozen=True)
class OptimalPolicy(Policy):
    """q = clip(λ·|w|/w̄·√(u / t), 1/max_weight, 1), u = p for one skim, u = Σ a_i p_i / E[p_i] for several.

    Of all policies with that floor it has the largest speed-up, and for several skims the least Σ a_i / speed-up_i.

    Attributes
    ----------
    lambda_ : the one free number; `solve_optimal` finds it from scores and costs.
    max_weight : 1/max_weight is the least keep probability.
    importance : (n_skims,) a_i, for several skims.
    mean_score : (n_skims,) E[w² p_i] / E[w²] of the sample on which λ was solved, for several skims.
    has_simulation_cost : whether λ was solved for a simulation cost of each event, which must then be given.
    weight_scale : w̄ = E|w| of the sample on which λ was solved; None = its weights did not differ, and |w| does not
        count. λ therefore never depends on the unit of the generator's weights.
    """

    kind: ClassVar[str] = "optimal"
    lambda_: float
    max_weight: float = DEFAULT_MAX_WEIGHT
    importance: tuple[float, ...] | None = None
    mean_score: tuple[float, ...] | None = None
    has_simulation_cost: bool = False
    weight_scale: float | None = None

    def __post_init__(self) -> None:
        check_max_weight(self.max_weight)
        if self.weight_scale is not None and not (math.isfinite(self.weight_scale) and self.weight_scale > 0):
            raise PolicyError(f"optimal policy with weights of scale {self.weight_scale!r}, expected a number above 0")
        if not (math.isfinite(self.lambda_) and self.lambda_ > 0):
            raise PolicyError(f"optimal policy with λ = {self.lambda_!r}, expected a positive finite number")
        if (self.importance is None) != (self.mean_score is None):
            raise PolicyError("optimal policy for several skims needs both importances and mean scores")
        if self.importance is None or self.mean_score is None:
            return
        if len(self.importance) != len(self.mean_score):
            raise PolicyError(f"{len(self.importance)} importances for {len(self.mean_score)} mean scores")
        if min(self.mean_score) <= 0:
            raise PolicyError(f"mean scores {self.mean_score}: a skim without any score above 0 cannot be planned for")
        check_importance(self.importance, len(self.importance))

    def keep_probability(
        self, score: ArrayLike, *, weight: ArrayLike | None = None, simulation_cost: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        if self.has_simulation_cost != (simulation_cost is not None):
            wanted = "needs the" if self.has_simulation_cost else "was solved without a"
            raise PolicyError(f"this optimal policy {wanted} simulation cost of each event")
        usefulness = _usefulness(check_probability(score, "score"), self.importance, self.mean_score)
        weights = None if weight is None else check_weights(weight)
        if weights is not None:
            weights = None if self.weight_scale is None else np.abs(weights) / self.weight_scale
        seconds = None if simulation_cost is None else check_simulation_cost(simulation_cost)
        strength = _strength(usefulness, weights, seconds)
        return np.clip(np.multiply(strength, self.lambda_, out=strength), 1 / self.max_weight, 1.0, out=strength)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "lambda": self.lambda_,
            "max_weight": self.max_weight,
            "importance": None if self.importance is None else list(self.importance),
            "mean_score": None if self.mean_score is None else list(self.mean_score),
            "has_simulation_cost": self.has_simulation_cost,
            "weight_scale": self.weight_scale,
        }

    @property
    def label(self) -> str:
        return "optimal" if self.importance is None else f"optimal, {len(self.importance)} skims"


def check_importance(importance: ArrayLike, n_skims: int) -> NDArray[np.float64]:
    """Importances of skims, checked to be one per skim, not negative, not all zero."""
    a = np.asarray(importance, dtype=np.float64)
    if a.shape != (n_skims,):
        raise PolicyError(f"{a.size} importances for {n_skims} skims")
    if not (np.isfinite(a).all() and (a >= 0).all() and a.any()):
        raise PolicyError(f"importances {a.tolist()}: expected numbers ≥ 0, at least one of them above 0")
    return a


def _usefulness(
    score: NDArray[np.float64], importance: tuple[float, ...] | None, mean_score: tuple[float, ...] | None
) -> NDArray[np.float64]:
    """(n_events,) p, or Σ a_i p_i / E[p_i]."""
    if importance is None or mean_score is None:
        if score.ndim == 2 and score.shape[1] != 1:
            raise PolicyError(f"optimal policy for one skim got the scores of {score.shape[1]}")
        return score.reshape(len(score))
    n_given = 1 if score.ndim == 1 else score.shape[1]
    if n_given != len(importance):
        raise PolicyError(f"optimal policy for {len(importance)} skims got the scores of {n_given}")
    return np.asarray(score.reshape(len(score), n_given) @ (np.asarray(importance) / np.asarray(mean_score)))


def _strength(
    usefulness: NDArray[np.float64], weight: NDArray[np.float64] | None, simulation_cost: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """(n_events,) |w|·√(u / t): the keep probability is proportional to it."""
    strength = np.sqrt(usefulness if simulation_cost is None else usefulness / simulation_cost)
    return strength if weight is None else strength * weight


def solve_optimal(
    score: ArrayLike,
    costs: Costs,
    max_weight: float = DEFAULT_MAX_WEIGHT,
    weight: ArrayLike | None = None,
    simulation_cost: ArrayLike | None = None,
    importance: ArrayLike | None = None,
    multiplicity: ArrayLike | None = None,
) -> OptimalPolicy:
    """The policy of the largest speed-up for events with these calibrated scores; no labels enter.

    With s = |w|√(u/t), z = λs and c = clip(z, floor, 1), the derivative of the speed-up by λ vanishes where

        E[ t·(z² − c²)/c ] = t_gen + t_filter ,

    whose left side never decreases with λ: the root is one, and is found exactly (``docs/statistics.md``).

    Parameters
    ----------
    score : (n_events,) or (n_events, n_skims) calibrated P(pass | event) of generated events as they come.
    costs : seconds per event.
    max_weight : 1/max_weight is the least keep probability.
    weight : (n_events,) generator weights.
    simulation_cost : (n_events,) seconds, in place of ``costs.simulation``.
    importance : (n_skims,) a_i of several skims; equal if not given.
    multiplicity : (n_events,) how many generated events each stands for, where failing ones were thinned out.

    Raises
    ------
    PolicyError
        Scores out of range, or all zero.
    """
    scores = check_probability(score, "score")
    m = np.ones(len(scores)) if multiplicity is None else check_weights(multiplicity)
    check_max_weight(max_weight)
    if not len(scores):
        raise PolicyError("no scores to solve the optimal policy from")
    w = None if weight is None else np.abs(check_weights(weight))
    scale = None if w is None else float(np.average(w, weights=m))
    if w is not None and scale:
        w = w / scale
    seconds = None if simulation_cost is None else check_simulation_cost(simulation_cost)
    importances = means = None
    if scores.ndim == 2 and scores.shape[1] > 1:
        n_skims = scores.shape[1]
        importances = tuple(check_importance(np.ones(n_skims) if importance is None else importance, n_skims).tolist())
        means = tuple(np.average(scores, axis=0, weights=m if w is None else m * w * w).tolist())
        if min(means) <= 0:
            raise PolicyError(f"all scores of skim {int(np.argmin(means))} are zero: the optimal policy is undefined")
    strength = _strength(_usefulness(scores, importances, means), w, seconds)
    if not strength.any():
        raise PolicyError(f"all {len(strength)} scores or weights are zero: the optimal policy is undefined")
    t = np.broadcast_to(np.asarray(costs.simulation if seconds is None else seconds), strength.shape)
    lambda_ = _root(strength, t * m, 1 / max_weight, costs.before_decision * float(m.sum()))
    return OptimalPolicy(lambda_, float(max_weight), importances, means, seconds is not None, scale)


def _root(strength: NDArray[np.float64], t: NDArray[np.float64], floor: float, wanted: float) -> float:
    """λ at which Σ t·(z² − c²)/c = wanted, the seconds before all decisions; z = λ·strength, c = clip(z, floor, 1).

    Between two consecutive values of λ at which an event enters or leaves the clips, the left side is A·λ² − B with
    sums A, B over clipped events: bisection over those values, then the closed form.
    """
    order = np.argsort(strength)
    s, seconds = strength[order], t[order]
    sums = np.zeros((2, len(s) + 1))
    np.cumsum(seconds * s * s, out=sums[0, 1:])
    np.cumsum(seconds, out=sums[1, 1:])

    def parts(lambda_: float) -> tuple[float, float]:
        n_low = int(np.searchsorted(s, floor / lambda_, side="left"))
        n_not_high = int(np.searchsorted(s, 1 / lambda_, side="right"))
        quadratic = sums[0, n_low] / floor + sums[0, -1] - sums[0, n_not_high]
        constant = sums[1, n_low] * floor + sums[1, -1] - sums[1, n_not_high]
        return float(quadratic), float(constant)

    def excess(lambda_: float) -> float:
        quadratic, constant = parts(lambda_)
        return quadratic * lambda_ * lambda_ - constant - wanted

    positive = s[s > 0]
    kinks = np.sort(np.concatenate([floor / positive, 1 / positive]))
    low, high = 0, len(kinks)  # the root lies between kinks[low - 1] and kinks[high]
    while low < high:
        middle = (low + high) // 2
        if excess(float(kinks[middle])) >= 0:
            high = middle
        else:
            low = middle + 1
    left = float(kinks[low - 1]) if low > 0 else 0.0
    right = float(kinks[low]) if low < len(kinks) else 2 * left
    quadratic, constant = parts((left + right) / 2)
    root = math.sqrt((wanted + constant) / quadratic)
    return min(max(root, left), right) if low < len(kinks) else max(root, left)


@dataclass(frozen=True)
class UnsolvedOptimal:
    """An optimal policy that was requested but not solved: λ is still to be computed from scores and costs."""

    max_weight: float = DEFAULT_MAX_WEIGHT
    importance: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_max_weight(self.max_weight)

    def solve(
        self,
        score: ArrayLike,
        costs: Costs,
        weight: ArrayLike | None = None,
        simulation_cost: ArrayLike | None = None,
    ) -> OptimalPolicy:
        """The solved policy: see `solve_optimal`."""
        return solve_optimal(score, costs, self.max_weight, weight, simulation_cost, self.importance)
