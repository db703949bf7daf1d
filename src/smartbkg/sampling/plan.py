"""Before a production: what each policy would gain on events whose labels are known, and which λ to use.

λ is solved from the scores alone; the labels only evaluate. With labels that also chose neither the network nor its
calibration, the quoted speed-up is unbiased (a model's own estimate, from its scores, is too good by some per cent).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.calibration_check import CalibrationCheck, check_calibration
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT, OptimalPolicy, check_importance
from smartbkg.sampling.policies import ExponentialPolicy, ScorePolicy
from smartbkg.sampling.policy import Policy
from smartbkg.sampling.statistics import TERMS, Estimate, bootstrap, free_bound, speed_up_of_means, speed_up_terms
from smartbkg.sampling.weights import any_skim_probability

#: From so many passing events on the bootstrap error of a speed-up covers as it should (``docs/statistics.md``).
LEAST_PASSING: Final = 10

#: Policies that every plan compares with the optimal one: the first published, and the one basf2 uses.
COMPARED: Final[tuple[Policy, ...]] = (ScorePolicy(), ExponentialPolicy(0.46, -0.25))


class Outlook(NamedTuple):
    """What a policy would do."""

    label: str
    """Its name."""
    policy: Policy | None
    """The policy; None for one draw per skim, which is several."""
    speed_up: Estimate
    """Σa / Σ(a_i / speed-up_i) over skims of importance a_i; 0 where passing events are lost for ever."""
    speed_up_by_skim: tuple[float, ...]
    """Speed-up of each skim by itself."""
    kept_fraction: float
    """Share of the generated events that is simulated."""
    lost_fraction: float
    """Share of passing events that can never be kept."""
    largest_weight: float
    """Largest weight (over generator weight) of a passing event."""
    effective_per_event: tuple[float, ...]
    """For each skim, effective passing events per generated event."""
    seconds_per_event: float
    """CPU seconds per generated event."""
    own_estimate: float
    """Speed-up that the scores themselves predict: right where they are probabilities, however few events pass."""

    @property
    def loss(self) -> str | None:
        """A sentence where the policy does not pay, None where it does."""
        if self.speed_up.value >= 1.0 + self.speed_up.error:
            return None
        is_sure = self.speed_up.value < 1.0 - self.speed_up.error
        verdict = "costs more than it saves" if is_sure else "saves nothing that can be seen"
        return f"the filter {verdict}: speed-up {self.speed_up} at these costs; do without, or decide faster or better"

    @property
    def expected_excess(self) -> float:
        """By which share the speed-up comes out too high on average, to second order.

        It is a ratio whose denominator is estimated from the events that pass: 1/x of an x with relative error r is too
        high by r² in the mean. Where few events of large weight decide, this is too little: the events that matter most
        are then in few samples, and in the others nothing tells of them but `own_estimate`.
        """
        value, error = self.speed_up
        return (error / value) ** 2 if value > 0 else 0.0


class Needs(NamedTuple):
    """A production of a wanted size."""

    effective: float
    """Effective passing events wanted."""
    n_generated: float
    """Events to generate."""
    n_simulated: float
    """Events to simulate."""
    cpu_hours: float
    """With the filter."""
    cpu_hours_unfiltered: float
    """For the same effective number without."""

    @property
    def cpu_hours_saved(self) -> float:
        """The difference; negative where filtering does not pay."""
        return self.cpu_hours_unfiltered - self.cpu_hours


@dataclass(frozen=True)
class Plan:
    """The comparison, and the policy it recommends."""

    skims: tuple[str, ...]
    """Skims planned for."""
    costs: Costs
    """Seconds per event."""
    n_events: int
    """Events of the evaluation."""
    n_passing: tuple[int, ...]
    """For each skim, those of them that pass (in some simulation, where labels are soft)."""
    retention: tuple[float, ...]
    """For each skim, the share of generated events that pass."""
    outlooks: tuple[Outlook, ...]
    """All policies compared; the recommended one is the first."""
    own_estimate: float
    """Speed-up that the scores themselves predict for it."""
    free_bound: float
    """Speed-up if generation and decision were free and nothing clipped, for these scores."""
    oracle: Estimate | None
    """Speed-up of the optimal policy on the true probabilities."""
    calibration: tuple[CalibrationCheck, ...]
    """For each skim, whether scores are probabilities, and what it costs if not."""
    by_process: Mapping[str, tuple[Estimate, float]]
    """Process → speed-up on it with the common λ, and with a λ of its own."""
    unfiltered_effective_per_event: tuple[float, ...]
    """For each skim, effective passing events per event without filter."""
    unfiltered_seconds_per_event: float
    """CPU seconds per event without filter."""

    @property
    def loss(self) -> str | None:
        """A sentence where the best policy found does not pay, None where it does."""
        return None if self.caution is not None else self.outlooks[0].loss

    @property
    def caution(self) -> str | None:
        """A sentence where so few events pass that no speed-up is known, None where enough do."""
        fewest = int(np.argmin(self.n_passing))
        number = self.n_passing[fewest]
        if number >= LEAST_PASSING:
            return None
        return (
            f"{number} of {self.n_events} events {'passes' if number == 1 else 'pass'} '{self.skims[fewest]}': too few "
            f"to tell a speed-up or its error, give events of which at least {LEAST_PASSING} pass (100 tell it to some "
            f"10 %); the scores themselves predict {self.own_estimate:.3g}"
        )

    def stated(self, outlook: Outlook, digits: int | None = None) -> str:
        """The speed-up of a policy in words: with its error, or that it is not known.

        Parameters
        ----------
        digits : after the point; three that count where not given.
        """
        if self.caution is not None:
            return "not known"
        value, error = outlook.speed_up
        return str(outlook.speed_up) if digits is None else f"{value:.{digits}f} ± {error:.{digits}f}"

    @property
    def recommended(self) -> OptimalPolicy:
        """The optimal policy for all skims together."""
        policy = self.outlooks[0].policy
        if not isinstance(policy, OptimalPolicy):
            raise PolicyError("the first policy of a plan is the optimal one")
        return policy

    def needs(self, effective: float, outlook: Outlook | None = None) -> Needs:
        """What it takes to have so many effective events in every skim.

        Raises
        ------
        PolicyError
            The number is not positive, or the policy loses passing events for ever.
        """
        chosen = self.outlooks[0] if outlook is None else outlook
        if not effective > 0:
            raise PolicyError(f"{effective} effective events wanted, expected a positive number")
        if chosen.lost_fraction > 0:
            raise PolicyError(f"'{chosen.label}' is biased: no number of events makes up for what it loses")
        n_generated = effective / min(chosen.effective_per_event)
        without = effective / min(self.unfiltered_effective_per_event)
        return Needs(
            effective,
            n_generated,
            n_generated * chosen.kept_fraction,
            n_generated * chosen.seconds_per_event / 3600,
            without * self.unfiltered_seconds_per_event / 3600,
        )


class _Candidate(NamedTuple):
    label: str
    policy: Policy | None
    keep: NDArray[np.float64]
    """(n_events, n_skims)"""
    simulated: NDArray[np.float64]
    """(n_events,)"""


def make_plan(
    events: LabelledEvents,
    costs: Costs = BELLE_II_COSTS,
    *,
    max_weight: float = DEFAULT_MAX_WEIGHT,
    importance: ArrayLike | None = None,
    compared: Sequence[Policy] = COMPARED,
    n_replicas: int = 200,
    seed: int = 0,
) -> Plan:
    """Solve λ and evaluate policies on labelled events.

    Parameters
    ----------
    events : with the natural mixture of passing and failing ones (or multiplicities that restore it).
    max_weight : of the optimal policy.
    importance : (n_skims,) a_i; equal if not given.
    compared : policies to evaluate beside the optimal one.
    n_replicas : bootstrap replicas behind each uncertainty.
    """
    a = check_importance(np.ones(len(events.skims)) if importance is None else importance, len(events.skims))
    best = events.solve(costs, max_weight, a)
    candidates = [_one_draw(events, best.label, best), *(_one_draw(events, p.label, p) for p in compared)]
    if len(events.skims) > 1:
        candidates.append(_one_draw_a_skim(events, costs, max_weight))
    oracle = None
    if events.oracle is not None:
        known = events.solve(costs, max_weight, a, events.oracle)
        candidates.append(_one_draw(events, "oracle", known, events.oracle))
    outlooks = _evaluate(events, costs, a, candidates, n_replicas, seed)
    if events.oracle is not None:
        oracle = outlooks.pop().speed_up
    usefulness = events.score @ (a / events.mean(events.score * np.square(events.weight)[:, None]))
    terms = events.mean(np.square(events.weight)[:, None] * events.label)
    return Plan(
        skims=events.skims,
        costs=costs,
        n_events=len(events),
        n_passing=tuple((events.label > 0).sum(axis=0).tolist()),
        retention=tuple(np.atleast_1d(events.mean(events.label)).tolist()),
        outlooks=tuple(outlooks),
        own_estimate=outlooks[0].own_estimate,
        free_bound=_bound(events, usefulness),
        oracle=oracle,
        calibration=_check_scores(events, costs, max_weight),
        by_process=_by_process(events, costs, max_weight, a, best, n_replicas, seed),
        unfiltered_effective_per_event=tuple(
            (np.square(events.mean(events.weight[:, None] * events.label)) / terms).tolist()
        ),
        unfiltered_seconds_per_event=costs.generation + _mean_simulation(events, costs),
    )


def _one_draw(
    events: LabelledEvents, label: str, policy: Policy, score: NDArray[np.float64] | None = None
) -> _Candidate:
    q = events.keep_probability(policy, score)
    return _Candidate(label, policy, np.repeat(q[:, None], len(events.skims), axis=1), q)


def _one_draw_a_skim(events: LabelledEvents, costs: Costs, max_weight: float) -> _Candidate:
    """Upstream's way: each skim its own best policy and its own draw; simulated where any skim wants the event."""
    columns = []
    for skim in range(len(events.skims)):
        score = events.score[:, [skim]]
        columns.append(events.keep_probability(events.solve(costs, max_weight, None, score), score))
    keep = np.stack(columns, axis=1)
    return _Candidate("one draw per skim", None, keep, any_skim_probability(keep))


def _terms(events: LabelledEvents, costs: Costs, candidate: _Candidate, skim: int) -> NDArray[np.float64]:
    return speed_up_terms(
        events.label[:, skim],
        candidate.keep[:, skim],
        costs,
        weight=events.weight,
        simulation_cost=events.simulation_cost,
        simulated_probability=candidate.simulated,
    )


def _together(by_skim: NDArray[np.float64], importance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σa / Σ(a_i / speed-up_i) over the last axis."""
    with np.errstate(divide="ignore"):
        return np.asarray(importance.sum() / (importance / by_skim).sum(axis=-1))


def _evaluate(
    events: LabelledEvents,
    costs: Costs,
    importance: NDArray[np.float64],
    candidates: Sequence[_Candidate],
    n_replicas: int,
    seed: int,
) -> list[Outlook]:
    """Outlooks with uncertainties from the same replicas for all candidates."""
    n_skims = len(events.skims)
    blocks = [_terms(events, costs, c, skim) for c in candidates for skim in range(n_skims)]
    columns = np.concatenate([*blocks, np.ones((len(events), 1))], axis=1) * events.multiplicity[:, None]
    is_finite = np.isfinite(columns).all(axis=0)
    sums = bootstrap(np.where(is_finite, columns, 0.0), n_replicas, seed)
    shape = (len(candidates), n_skims, len(TERMS))
    means = (columns[:, :-1].mean(axis=0) / columns[:, -1].mean()).reshape(shape)
    replicas = (sums[:, :-1] / sums[:, -1:]).reshape(n_replicas, *shape)
    by_skim, replica_by_skim = speed_up_of_means(means, costs), speed_up_of_means(replicas, costs)
    together, replica = _together(by_skim, importance), _together(replica_by_skim, importance)
    return [
        _outlook(events, costs, importance, candidate, float(together[i]), replica[:, i], by_skim[i], means[i])
        for i, candidate in enumerate(candidates)
    ]


def _outlook(
    events: LabelledEvents,
    costs: Costs,
    importance: NDArray[np.float64],
    candidate: _Candidate,
    speed_up: float,
    replicas: NDArray[np.float64],
    by_skim: NDArray[np.float64],
    means: NDArray[np.float64],
) -> Outlook:
    passing = events.label.max(axis=1) > 0
    keep = candidate.keep[passing]
    is_lost = (keep == 0) & (events.label[passing] > 0)
    yields = events.mean(events.weight[:, None] * events.label)
    with np.errstate(divide="ignore"):
        effective = np.square(yields) / means[:, TERMS.index("w2p_over_q")]
        largest = float(np.max(1 / keep, where=keep > 0, initial=1.0))
    return Outlook(
        label=candidate.label,
        policy=candidate.policy,
        speed_up=Estimate(speed_up, float(np.nanstd(replicas, ddof=1)) if speed_up > 0 else 0.0),
        speed_up_by_skim=tuple(by_skim.tolist()),
        kept_fraction=float(events.mean(candidate.simulated)),
        lost_fraction=float(is_lost.sum() / max(1, (events.label[passing] > 0).sum())),
        largest_weight=largest,
        effective_per_event=tuple(effective.tolist()),
        seconds_per_event=costs.before_decision + float(means[0, TERMS.index("simulated")]),
        own_estimate=_speed_up(replace(events, label=events.score), costs, importance, candidate),
    )


def evaluate_keep_probability(
    events: LabelledEvents, costs: Costs, keep_probability: NDArray[np.float64], importance: ArrayLike | None = None
) -> float:
    """Speed-up, over all skims together, of any keep probabilities on labelled events.

    Parameters
    ----------
    keep_probability : (n_events,).
    """
    n_skims = len(events.skims)
    a = check_importance(np.ones(n_skims) if importance is None else importance, n_skims)
    candidate = _Candidate("", None, np.repeat(keep_probability[:, None], n_skims, axis=1), keep_probability)
    return _speed_up(events, costs, a, candidate)


def _speed_up(events: LabelledEvents, costs: Costs, importance: NDArray[np.float64], candidate: _Candidate) -> float:
    means = np.stack([events.mean(_terms(events, costs, candidate, skim)) for skim in range(len(events.skims))])
    return float(_together(speed_up_of_means(means, costs), importance))


def _mean_simulation(events: LabelledEvents, costs: Costs) -> float:
    return costs.simulation if events.simulation_cost is None else float(events.mean(events.simulation_cost))


def _bound(events: LabelledEvents, usefulness: NDArray[np.float64]) -> float:
    """`free_bound` of the joint usefulness, events counted with their multiplicity."""
    chosen = usefulness / usefulness.max()
    if np.ptp(events.multiplicity) == 0:
        return free_bound(chosen, events.weight, events.simulation_cost)
    # Multiplicities are whole natural events: m equal events have the mean that one event has with this weight.
    w, t = np.abs(events.weight), np.ones(len(chosen)) if events.simulation_cost is None else events.simulation_cost
    root = float(events.mean(w * np.sqrt(chosen * t)))
    return float(events.mean(w * w * chosen)) * float(events.mean(t)) / root**2


def _check_scores(events: LabelledEvents, costs: Costs, max_weight: float) -> tuple[CalibrationCheck, ...]:
    return tuple(
        check_calibration(
            events.score[:, skim], events.label[:, skim], costs, max_weight,
            weight=events.weight, multiplicity=events.multiplicity,
        )
        for skim in range(len(events.skims))
    )  # fmt: skip


def _by_process(
    events: LabelledEvents,
    costs: Costs,
    max_weight: float,
    importance: NDArray[np.float64],
    policy: OptimalPolicy,
    n_replicas: int,
    seed: int,
) -> dict[str, tuple[Estimate, float]]:
    """Where there are several processes: what the common λ gives each, and what its own would."""
    if events.process is None:
        return {}
    names = [str(name) for name in np.unique(events.process)]
    found: dict[str, tuple[Estimate, float]] = {}
    for name in names if len(names) > 1 else []:
        part = events.select(events.process == name)
        if not (part.label > 0).any(axis=0).all():
            continue
        own = part.solve(costs, max_weight, importance)
        candidates = [_one_draw(part, "common", policy), _one_draw(part, "own", own)]
        common, alone = _evaluate(part, costs, importance, candidates, n_replicas, seed)
        found[name] = (common.speed_up, alone.speed_up.value)
    return found


__all__ = ["COMPARED", "LabelledEvents", "Needs", "Outlook", "Plan", "evaluate_keep_probability", "make_plan"]
