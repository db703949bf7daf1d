"""Check a trained model on labelled events: does it separate, is it calibrated, what does it save, does it bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.closure.check import ClosureReport, ClosureSettings, check_closure
from smartbkg.errors import DatasetError
from smartbkg.evaluation.scored_dataset import ScoredDataset, score_dataset
from smartbkg.events.columns import EVENT_ID
from smartbkg.filtering.scoring import EventScorer
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.draw import draw
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.plan import Outlook, Plan, make_plan
from smartbkg.sampling.policies import DEFAULT_MAX_WEIGHT, OptimalPolicy, Policy
from smartbkg.scores.labels import split_labels
from smartbkg.scores.metrics import CalibrationCurve, RocCurve, calibration_curve, roc

#: What the closure of an evaluation is worth, to be said beside its verdict.
CLOSURE_LIMIT: Final = (
    "this closure draws with the keep probabilities that it tests against: it shows what the policy does to "
    "distributions; a wrong weight, file or policy of a production it cannot see, which `smartbkg validate` "
    "looks for in a kept file"
)


class Evaluation(NamedTuple):
    """What was found about a model for one skim."""

    skim: str
    """Its name."""
    note: str
    """Which events were used for the evaluation, and why."""
    events: LabelledEvents
    """Those events, with their scores."""
    roc: RocCurve
    """Separation."""
    calibration: CalibrationCurve
    """Whether scores are probabilities."""
    plan: Plan
    """Policies compared on these events, λ solved on them."""
    policy: Policy
    """The policy that is evaluated: the model's own, or the plan's where it has none."""
    outlook: Outlook
    """What that policy does on these events."""
    keep_probability: NDArray[np.float64]
    """(n_events,) under that policy."""
    is_kept: NDArray[np.bool_]
    """(n_events,) True = kept by one draw."""
    closure: ClosureReport
    """Kept and weighted passing events against all passing ones."""
    without_surrogate: Outlook | None = None
    """What the optimal policy on the network's scores alone would do, where the model has a surrogate besides."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know of the speed-up: that it is not known, or that the policy does not pay."""
        caution = self.plan.caution
        return tuple(filter(None, (caution, None if caution is not None else self.outlook.loss)))

    @property
    def n_effective(self) -> float:
        """Effective number of kept passing events that the policy leads to, of `n_passing` in all."""
        return self.n_passing * self.power_kept(self.outlook)

    def power_kept(self, outlook: Outlook) -> float:
        """Effective passing events under a policy over those without a filter, in expectation."""
        return outlook.effective_per_event[0] / self.plan.unfiltered_effective_per_event[0]

    @property
    def n_passing(self) -> float:
        """Passing events of this sample: the sum of the fractions where labels are soft."""
        return float(self.events.label[:, 0].sum())


def evaluate(
    dataset: Path,
    scorer: EventScorer,
    skim: str,
    *,
    policy: Policy | None,
    training: Mapping[str, Any] | None = None,
    costs: Costs = BELLE_II_COSTS,
    seed: int = 0,
    oracle: Path | None = None,
    settings: ClosureSettings | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Evaluate a model for one skim.

    Parameters
    ----------
    dataset : of `smartbkg dataset`, with labels of the skim and event-level variables.
    policy : the model's own; None = the optimal one, solved on these scores.
    training : the model's training record, so that events it learned from do not count.
    costs : CPU seconds per event.
    seed : of the draw whose closure is checked.
    oracle : table of `smartbkg oracle`.
    progress : called after each batch with the number of events scored so far.

    Raises
    ------
    DatasetError, ModelError
        The skim is unknown, labels are of one class, or no event-level variable is there to look at.
    """
    scored = score_dataset(dataset, scorer, (skim,), training=training, oracle=oracle, progress=progress)
    fraction = scored.events.label[:, 0]
    if (fraction == 1).all():
        raise DatasetError(f"{dataset}: all {len(fraction)} events pass '{skim}': failing ones are needed as well")
    return evaluate_scored(scored, skim, policy=policy, costs=costs, seed=seed, settings=settings)


def evaluate_scored(
    scored: ScoredDataset,
    skim: str,
    *,
    policy: Policy | None,
    costs: Costs = BELLE_II_COSTS,
    seed: int = 0,
    settings: ClosureSettings | None = None,
) -> Evaluation:
    """`evaluate` for a data set that has been scored."""
    events = scored.events
    fraction = events.label[:, 0]
    passing = fraction > 0
    # separation and calibration are of events as they come: the sign of a generator weight says nothing of either
    label, score, weight = split_labels(fraction, events.score[:, 0], np.abs(events.weight) * events.multiplicity)
    if not scored.variables:
        raise DatasetError("the data set has no event-level variables (var_...) to check for bias")
    max_weight = policy.max_weight if isinstance(policy, OptimalPolicy) else DEFAULT_MAX_WEIGHT
    plan = make_plan(events, costs, max_weight=max_weight)
    chosen = plan.recommended if policy is None else policy
    outlook = make_plan(events, costs, compared=(chosen,)).outlooks[1] if policy is not None else plan.outlooks[0]
    keep_probability = events.keep_probability(chosen)
    is_kept = draw(keep_probability, seed, *(scored.event_id[name] for name in EVENT_ID))
    closure = check_closure(
        {name: values[passing] for name, values in scored.variables.items()},
        keep_probability[passing],
        is_kept[passing],
        # an event of which a fraction of the simulations passes counts with that fraction
        (events.weight * events.multiplicity * fraction)[passing],
        settings or ClosureSettings(with_pairs=False),
    )
    return Evaluation(
        skim=skim,
        note=scored.note,
        events=events,
        roc=roc(label, score, weight),
        calibration=calibration_curve(label, score, weight),
        plan=plan,
        policy=chosen,
        outlook=outlook,
        keep_probability=keep_probability,
        is_kept=is_kept,
        closure=closure,
    )
