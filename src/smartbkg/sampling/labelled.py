"""Generated events whose fate is known: what a policy is solved from and evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import DatasetError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.optimal import OptimalPolicy, solve_optimal
from smartbkg.sampling.policy import Policy, check_weights
from smartbkg.sampling.statistics import check_probability


@dataclass(frozen=True)
class LabelledEvents:
    """Generated events whose fate is known.

    Attributes
    ----------
    skims : names, one per column.
    score : (n_events, n_skims) calibrated P(pass | event).
    label : (n_events, n_skims) 1 where it passed, or the fraction of its simulations that passed.
    weight : (n_events,) generator weight.
    multiplicity : (n_events,) how many generated events each stands for.
    process : (n_events,) names, None where there is one kind only.
    simulation_cost : (n_events,) seconds, None = the same for all.
    oracle : (n_events, n_skims) true pass probability where it is known, independent of the labels.
    """

    skims: tuple[str, ...]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    weight: NDArray[np.float64]
    multiplicity: NDArray[np.float64]
    process: NDArray[np.str_] | None = None
    simulation_cost: NDArray[np.float64] | None = None
    oracle: NDArray[np.float64] | None = None

    @classmethod
    def from_arrays(
        cls,
        score: ArrayLike,
        label: ArrayLike,
        *,
        skims: Sequence[str] = ("skim",),
        weight: ArrayLike | None = None,
        multiplicity: ArrayLike | None = None,
        process: ArrayLike | None = None,
        simulation_cost: ArrayLike | None = None,
        oracle: ArrayLike | None = None,
    ) -> LabelledEvents:
        """Check and shape the columns; (n_events,) stands for one skim.

        Raises
        ------
        PolicyError
            Numbers out of range.
        DatasetError
            Columns do not fit, or a skim has no passing event.
        """
        scores = check_probability(score, "score")
        labels = check_probability(label, "label")
        n_events, n_skims = len(scores), len(skims)
        wanted = (n_events, n_skims)
        if scores.size != n_events * n_skims or labels.size != scores.size:
            raise DatasetError(f"scores {scores.shape} and labels {labels.shape}: expected {wanted} for {list(skims)}")
        labels = labels.reshape(wanted)
        for skim, n_passing in zip(skims, (labels > 0).sum(axis=0), strict=True):
            if not n_passing:
                raise DatasetError(f"none of {n_events} events passes '{skim}': nothing can be planned for it")
        return cls(
            tuple(skims),
            scores.reshape(wanted),
            labels,
            np.ones(n_events) if weight is None else check_weights(weight),
            np.ones(n_events) if multiplicity is None else check_weights(multiplicity),
            None if process is None else np.asarray(process).astype(np.str_),
            None if simulation_cost is None else np.asarray(simulation_cost, dtype=np.float64),
            None if oracle is None else check_probability(oracle, "oracle").reshape(wanted),
        )

    def __len__(self) -> int:
        return len(self.score)

    def select(self, chosen: NDArray[np.bool_]) -> LabelledEvents:
        """The chosen events."""
        return LabelledEvents(
            self.skims,
            self.score[chosen],
            self.label[chosen],
            self.weight[chosen],
            self.multiplicity[chosen],
            None if self.process is None else self.process[chosen],
            None if self.simulation_cost is None else self.simulation_cost[chosen],
            None if self.oracle is None else self.oracle[chosen],
        )

    @property
    def is_weighted(self) -> bool:
        """Whether generator weights differ in size."""
        size = np.abs(self.weight)
        return bool(np.ptp(size) > 1e-6 * size.mean())  # weights of one size may differ by rounding

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over generated events."""
        return np.asarray(np.average(values, axis=0, weights=self.multiplicity))

    def solve(
        self, costs: Costs, max_weight: float, importance: ArrayLike | None, score: NDArray[np.float64] | None = None
    ) -> OptimalPolicy:
        """The optimal policy from these scores (or the given ones)."""
        scores = self.score if score is None else score
        return solve_optimal(
            scores,
            costs,
            max_weight,
            self.weight if self.is_weighted else None,
            self.simulation_cost,
            importance if scores.shape[1] > 1 else None,
            self.multiplicity,
        )

    def keep_probability(self, policy: Policy, score: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """(n_events,) q of a policy on these events."""
        seconds = self.simulation_cost if getattr(policy, "has_simulation_cost", False) else None
        return policy.keep_probability(
            self.score if score is None else score,
            weight=self.weight if self.is_weighted else None,
            simulation_cost=seconds,
        )
