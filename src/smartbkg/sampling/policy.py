"""What a policy is: a rule from the score to the probability of keeping the event."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError


@dataclass(frozen=True)
class Policy(abc.ABC):
    """Score → keep probability.

    Attributes
    ----------
    kind : name in model files and in `smartbkg.sampling.policies.parse_policy`.
    is_unbiased : whether q > 0 for every score, so that weights make every sum unbiased.
    """

    kind: ClassVar[str]
    is_unbiased: ClassVar[bool] = True

    @abc.abstractmethod
    def keep_probability(
        self, score: ArrayLike, *, weight: ArrayLike | None = None, simulation_cost: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Keep probability of each event.

        Parameters
        ----------
        score : (n_events,) or (n_events, n_skims) calibrated P(pass | event).
        weight : (n_events,) generator weight, any sign; 1 if not given.
        simulation_cost : (n_events,) expected simulation seconds, the same for all if not given.

        Returns
        -------
        (n_events,) float64 in [0, 1].

        Raises
        ------
        PolicyError
            A score outside [0, 1] or NaN, a weight that is not finite, a number of skims the policy was not made for.
        """

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What a model file stores; `smartbkg.sampling.policies.policy_from_dict` reads it."""

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """A short name for tables and plots."""


def check_max_weight(max_weight: float) -> float:
    """The largest weight, checked to be finite and at least 1.

    Raises
    ------
    PolicyError
        A weight below 1 would need a keep probability above 1; an infinite one loses events for ever.
    """
    if not (math.isfinite(max_weight) and max_weight >= 1):
        raise PolicyError(f"largest weight is {max_weight!r}, expected a finite number of at least 1")
    return float(max_weight)


def check_weights(weight: ArrayLike) -> NDArray[np.float64]:
    """Generator weights as float64, all finite.

    Raises
    ------
    PolicyError
        Names the first that is not.
    """
    weights = np.asarray(weight, dtype=np.float64)
    is_finite = np.isfinite(weights)
    if not is_finite.all():
        index = int(np.flatnonzero(~is_finite)[0])
        raise PolicyError(f"generator weight of event {index} is {weights[index]}, expected a finite number")
    return weights
