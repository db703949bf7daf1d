"""From a score to the probability of keeping the event: the one decision that sets what the filter is worth.

Whatever the policy, a kept event weighs w/q and no weighted sum is biased, as long as q > 0 wherever an event can pass.
The policies differ in the effective events they yield per CPU second; `OptimalPolicy` has the most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import PolicyError, nearest
from smartbkg.plug_ins import is_plug_in
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT, OptimalPolicy, UnsolvedOptimal, solve_optimal
from smartbkg.sampling.policy import Policy, check_max_weight
from smartbkg.sampling.policy_function import FunctionPolicy, load_function
from smartbkg.sampling.score_function import ScoreFunction
from smartbkg.sampling.statistics import check_probability
from smartbkg.scores.logistic import log_odds

#: Upstream's floor of 0.01 under its clipped exponential (basf2 module ``SmartBackground``).
UPSTREAM_MAX_WEIGHT: Final = 100.0
#: q = p has no floor upstream; this one only keeps an event of score 0 possible.
SCORE_MAX_WEIGHT: Final = 1e4


@dataclass(frozen=True)
class ScorePolicy(ScoreFunction):
    """q = clip(p, 1/max_weight, 1): sampling as first published (arXiv:2307.06434). Hardly worth its cost."""

    kind: ClassVar[str] = "score"
    max_weight: float = SCORE_MAX_WEIGHT

    def __post_init__(self) -> None:
        check_max_weight(self.max_weight)

    def of_score(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(score, 1 / self.max_weight, 1.0)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "max_weight": self.max_weight}

    @property
    def label(self) -> str:
        return "score"


@dataclass(frozen=True)
class ThresholdPolicy(ScoreFunction):
    """q = 1 from the threshold up, 0 below: nothing can restore what is lost there, so the sample is biased."""

    kind: ClassVar[str] = "threshold"
    is_unbiased: ClassVar[bool] = False
    threshold: float

    def __post_init__(self) -> None:
        check_probability([self.threshold], "threshold")

    def of_score(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        return (score >= self.threshold).astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "threshold": self.threshold}

    @property
    def label(self) -> str:
        return f"threshold {self.threshold:g}"


@dataclass(frozen=True)
class ExponentialPolicy(ScoreFunction):
    """q = clip(exp(a·(logit p − b)), 1/max_weight, 1): the rule of basf2's module ``SmartBackground``.

    For rare events it is (p e^-b)^a; at a = 1/2 that is the optimal √p, with a strength fitted once by b.
    """

    kind: ClassVar[str] = "exp"
    a: float
    b: float
    max_weight: float = UPSTREAM_MAX_WEIGHT

    def __post_init__(self) -> None:
        check_max_weight(self.max_weight)
        if not (math.isfinite(self.a) and self.a > 0 and math.isfinite(self.b)):
            raise PolicyError(
                f"clipped exponential with a = {self.a}, b = {self.b}: expected finite a > 0 and finite b"
            )

    def of_score(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        exponent = self.a * (log_odds(score) - self.b)
        return np.clip(np.exp(np.minimum(exponent, 0.0)), 1 / self.max_weight, 1.0)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "a": self.a, "b": self.b, "max_weight": self.max_weight}

    @property
    def label(self) -> str:
        return f"exp({self.a:g}, {self.b:g})"


def _optimal_from_dict(content: Mapping[str, Any]) -> Policy:
    importance, mean_score = content.get("importance"), content.get("mean_score")
    return OptimalPolicy(
        float(content["lambda"]),
        float(content["max_weight"]),
        None if importance is None else tuple(float(a) for a in importance),
        None if mean_score is None else tuple(float(m) for m in mean_score),
        bool(content.get("has_simulation_cost", False)),
        None if content.get("weight_scale") is None else float(content["weight_scale"]),
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Policy]]] = {
    "score": lambda content: ScorePolicy(float(content["max_weight"])),
    "threshold": lambda content: ThresholdPolicy(float(content["threshold"])),
    "exp": lambda content: ExponentialPolicy(float(content["a"]), float(content["b"]), float(content["max_weight"])),
    "optimal": _optimal_from_dict,
    "function": FunctionPolicy.from_dict,
}


def policy_from_dict(content: Mapping[str, Any]) -> Policy:
    """The policy that `Policy.to_dict` wrote.

    Raises
    ------
    PolicyError
        An unknown kind or a missing number.
    """
    kind = str(content.get("kind"))
    if kind not in _READERS:
        raise PolicyError(f"stored policy of unknown kind '{kind}': {nearest(kind, _READERS)}")
    try:
        return _READERS[kind](content)
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"stored policy '{kind}' is damaged: {error} in {dict(content)}") from error


def parse_policy(
    text: str, max_weight: float | None = None, importance: tuple[float, ...] | None = None
) -> Policy | UnsolvedOptimal:
    """The policy a user names: ``optimal``, ``score``, ``threshold=0.3``, ``exp=0.46,-0.25`` or ``file.py:function``.

    Parameters
    ----------
    max_weight : largest weight; each policy has its own default.
    importance : (n_skims,) importances for ``optimal`` over several skims.

    Raises
    ------
    PolicyError
        Not one of those.
    """
    if is_plug_in(text.strip()):
        return load_function(text.strip(), max_weight)
    name, _, values = text.strip().partition("=")
    wanted = {"optimal": 0, "score": 0, "threshold": 1, "exp": 2}
    if name not in wanted:
        choices = ["optimal", "score", "threshold=P", "exp=A,B", "file.py:function"]
        raise PolicyError(f"unknown policy '{text}': {nearest(name, choices)}")
    try:
        numbers = [float(value) for value in values.split(",")] if values else []
    except ValueError as error:
        raise PolicyError(
            f"policy '{text}': {error}; expected numbers, as in threshold=0.3 or exp=0.46,-0.25"
        ) from error
    if len(numbers) != wanted[name]:
        raise PolicyError(f"policy '{text}' has {len(numbers)} numbers, expected {wanted[name]}")
    if name == "optimal":
        return UnsolvedOptimal(DEFAULT_MAX_WEIGHT if max_weight is None else max_weight, importance)
    if name == "score":
        return ScorePolicy(SCORE_MAX_WEIGHT if max_weight is None else max_weight)
    if name == "threshold":
        return ThresholdPolicy(numbers[0])
    return ExponentialPolicy(numbers[0], numbers[1], UPSTREAM_MAX_WEIGHT if max_weight is None else max_weight)


__all__ = [
    "DEFAULT_MAX_WEIGHT",
    "ExponentialPolicy",
    "FunctionPolicy",
    "OptimalPolicy",
    "Policy",
    "ScoreFunction",
    "ScorePolicy",
    "ThresholdPolicy",
    "UnsolvedOptimal",
    "parse_policy",
    "policy_from_dict",
    "solve_optimal",
]
