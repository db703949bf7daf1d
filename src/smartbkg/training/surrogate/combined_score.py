"""From asked events to the combined score, its stopping rule and policy, and what they gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT, OptimalPolicy
from smartbkg.sampling.plan import make_plan
from smartbkg.sampling.statistics import Estimate
from smartbkg.scores.histogram import histogram_metrics
from smartbkg.scores.logistic import expit
from smartbkg.scores.metrics import roc
from smartbkg.surrogate.combination import Combination
from smartbkg.surrogate.fit import LEAST_PASSING, fit_combination
from smartbkg.surrogate.replicas import Counts, stop
from smartbkg.surrogate.stopping import StoppingRule
from smartbkg.surrogate.stored import SurrogateRecord
from smartbkg.training.surrogate.asked_events import N_FOLDS, AskedEvents

#: Replicas of an event at most, where the user does not say.
DEFAULT_REPLICAS: Final = 64
#: Events asked at most: more labels gain little.
DEFAULT_MAX_EVENTS: Final = 10_000


@dataclass(frozen=True)
class SurrogateSettings:
    """How a surrogate enters a model.

    Attributes
    ----------
    n_replicas : replicas of an event at most, K.
    max_events : labelled events asked; chosen by their ids where there are more.
    costs : CPU seconds per event; ``filtering`` without the surrogate's own, which is measured and added.
    max_weight : of the policy.
    importance : (n_skims,) for several skims, equal if None.
    least_gain : of the stopping rule; None = what a replica costs over what a simulation costs.
    seed : of the surrogate's stream.
    threads : that ask.
    """

    n_replicas: int = DEFAULT_REPLICAS
    max_events: int = DEFAULT_MAX_EVENTS
    costs: Costs = BELLE_II_COSTS
    max_weight: float = DEFAULT_MAX_WEIGHT
    importance: tuple[float, ...] | None = None
    least_gain: float | None = None
    seed: int = 0
    threads: int = 1

    def costs_with(self, seconds: float) -> Costs:
        """The costs with the seconds that asking adds to the decision on an event."""
        return replace(self.costs, filtering=self.costs.filtering + seconds)


class SurrogateMetrics(NamedTuple):
    """What a surrogate gains, on labels that were not used to fit the score."""

    with_surrogate: Estimate
    """Speed-up."""
    without: Estimate | None
    """Speed-up of the network alone, None where there is no network."""
    area: tuple[float, ...]
    """AUC of each skim."""
    mean_replicas: float
    """Replicas of an event, after early ends."""


def fit_stages(
    asked: AskedEvents, stages: Sequence[int], chosen: NDArray[np.bool_] | None = None
) -> tuple[tuple[int, Combination], ...]:
    """The combined score of each stage, fitted on the chosen events (all if not given)."""
    part = asked if chosen is None else asked.part(chosen)
    fitted = []
    for position, stage in enumerate(stages):
        n_replicas = np.full(len(part), stage, dtype=np.int32)
        combination = fit_combination(
            part.network_logit, part.passed[:, position], n_replicas, part.label, part.multiplicity
        )
        fitted.append((stage, combination))
    return tuple(fitted)


def solve_record(
    unsolved: SurrogateRecord, asked: AskedEvents, settings: SurrogateSettings, *, keep_replicas: bool
) -> SurrogateRecord:
    """The record with stopping rule and policy, and the trade of replicas against speed-up.

    Labels do not enter: the expected speed-ups are those that the scores predict, as far as these are calibrated.

    Parameters
    ----------
    keep_replicas : leave K as it is; else it becomes that of the largest expected speed-up at these costs.
    """
    price = unsolved.seconds_per_replica / settings.costs.simulation
    least_gain = price if settings.least_gain is None else settings.least_gain
    trade: list[dict[str, float]] = []
    solved: dict[int, SurrogateRecord] = {}
    for position, stage in enumerate(unsolved.stages):
        upto = replace(unsolved, n_replicas=stage)
        everything = Counts(np.full(len(asked), stage, dtype=np.int32), asked.passed[:, position])
        policy = _solve(asked, _score(upto, asked, everything), stage * unsolved.seconds_per_replica, settings)
        upto = replace(upto, rule=StoppingRule.for_policy(policy, least_gain))
        counts = _stopped(upto, asked)
        score = _score(upto, asked, counts)
        mean_replicas = float(np.average(counts.n_replicas, weights=asked.multiplicity))
        costs = settings.costs_with(mean_replicas * unsolved.seconds_per_replica)
        policy = asked.scored(score, score).solve(costs, settings.max_weight, settings.importance)
        plan = make_plan(
            asked.scored(score, score), costs, max_weight=settings.max_weight, importance=settings.importance,
            compared=(), n_replicas=2,
        )  # fmt: skip
        trade.append(
            {
                "replicas": stage,
                "mean_replicas": mean_replicas,
                "seconds": mean_replicas * unsolved.seconds_per_replica,
                "expected_speed_up": plan.own_estimate,
            }
        )
        stored = {**policy.to_dict(), "costs": costs.to_dict()}
        solved[stage] = replace(upto, policy=stored)
    best = unsolved.n_replicas if keep_replicas else max(trade, key=lambda row: row["expected_speed_up"])["replicas"]
    return replace(solved[int(best)], trade=tuple(trade))


def score_histograms(solved: SurrogateRecord, asked: AskedEvents, skims: Sequence[str]) -> dict[str, Any]:
    """What a campaign compares its scores with: histograms of the combined scores, together and by process."""
    return histogram_metrics(_score(solved, asked, _stopped(solved, asked)), asked.multiplicity, skims, asked.process)


def evaluate_combination(
    solved: SurrogateRecord, asked: AskedEvents, settings: SurrogateSettings, *, has_network: bool
) -> SurrogateMetrics:
    """Speed-up and AUC where each part of the events is scored by what the other parts fitted."""
    counts = _stopped(solved, asked)
    score = _score(solved, asked, counts)
    for fold in range(N_FOLDS):
        here: NDArray[np.bool_] = np.equal(asked.fold, fold)
        others = asked.part(np.logical_not(here))
        if here.any() and min(others.n_passing) >= LEAST_PASSING:
            fitted = replace(solved, combinations=fit_stages(others, solved.stages))
            score[here] = _score(fitted, asked.part(here), Counts(counts.n_replicas[here], counts.passed[here]))
    mean_replicas = float(np.average(counts.n_replicas, weights=asked.multiplicity))
    is_run = np.isfinite(asked.label).all(axis=1)
    test, score = asked.part(is_run), score[is_run]
    shared: dict[str, Any] = {
        "max_weight": settings.max_weight, "importance": settings.importance, "compared": (),
    }  # fmt: skip
    costs = settings.costs_with(mean_replicas * solved.seconds_per_replica)
    combined = make_plan(test.scored(score, test.label), costs, **shared).outlooks[0].speed_up
    alone = None
    if has_network:
        own = test.scored(expit(test.network_logit), test.label)
        alone = make_plan(own, settings.costs, **shared).outlooks[0].speed_up
    area = tuple(roc(test.label[:, skim] > 0, score[:, skim], test.multiplicity).area for skim in range(score.shape[1]))
    return SurrogateMetrics(combined, alone, area, mean_replicas)


def _stopped(solved: SurrogateRecord, asked: AskedEvents) -> Counts:
    passed = asked.passed[:, : len(solved.used)]
    return stop(passed, asked.network_logit, solved.used, solved.rule)


def _score(solved: SurrogateRecord, asked: AskedEvents, counts: Counts) -> NDArray[np.float64]:
    return expit(solved.logits(asked.network_logit, counts))


def _solve(
    asked: AskedEvents, score: NDArray[np.float64], seconds: float, settings: SurrogateSettings
) -> OptimalPolicy:
    costs = settings.costs_with(seconds)
    return asked.scored(score, score).solve(costs, settings.max_weight, settings.importance)
