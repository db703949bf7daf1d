"""Policies that look at the score alone."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.sampling.policy import Policy
from smartbkg.sampling.statistics import check_probability


@dataclass(frozen=True)
class ScoreFunction(Policy):
    """A policy that looks at the score and at nothing else.

    Of several skims the highest score counts: for a rising function q(max p_i) = max q(p_i), and one draw serves all.
    """

    def keep_probability(
        self,
        score: ArrayLike,
        *,
        weight: ArrayLike | None = None,  # noqa: ARG002 - the score alone decides
        simulation_cost: ArrayLike | None = None,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        scores = check_probability(score, "score")
        return self.of_score(scores if scores.ndim == 1 else scores.max(axis=1))

    @abc.abstractmethod
    def of_score(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Keep probability, same shape as the scores, which are known to lie in [0, 1]."""


__all__ = ["ScoreFunction"]
