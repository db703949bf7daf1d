"""`EventFilter`: a stream of events in, the events worth simulating out, with the weights that keep every sum unbiased.

Each event's decision depends on the draw's key and on the event alone: order, chunking, format and number of workers
change nothing. A systematic draw depends on the order as well, still not on the chunking. Events that a filter has kept
are drawn anew, and their weights are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import EventError, PolicyError, UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    EVENT_ID,
    KEEP_PROBABILITY,
    SIMULATION_COST,
    VARIATION_PREFIX,
    WEIGHT,
    logit_columns,
    score_columns,
)
from smartbkg.events.content import content_digests
from smartbkg.events.skim_choice import choose_skims
from smartbkg.events.totals import Totals
from smartbkg.events.weight_columns import as_kept
from smartbkg.filtering.scoring import EventScorer, ScoredEvents, score_events
from smartbkg.sampling.draw import SystematicSampler
from smartbkg.sampling.draw_key import RULE, DrawKey, digest_of_draws, recorded_draws
from smartbkg.sampling.policies import Policy
from smartbkg.sampling.weights import generator_weights, total_keep_probability

#: Ways to draw: each event by itself, or at equal steps of the running sum of the keep probabilities.
Draw = Literal["independent", "systematic"]
DRAWS: Final[tuple[Draw, ...]] = get_args(Draw)


class Decision(NamedTuple):
    """What the filter says of each event of a batch."""

    logit: NDArray[np.float32]
    """(n_events, n_skims)"""
    score: NDArray[np.float64]
    """(n_events, n_skims) calibrated P(pass | event)."""
    keep_probability: NDArray[np.float64]
    """(n_events,) of this draw; of an event that came through earlier draws, not their product."""
    is_kept: NDArray[np.bool_]
    """(n_events,) True = simulate this event."""
    weight: NDArray[np.float64]
    """(n_events,) the weight the event came with / keep probability for kept events, 0 for the others."""


@dataclass
class FilterTotals:
    """Sums over the events that have passed through a filter."""

    n_events: int = 0
    n_kept: int = 0
    n_skipped: int = 0
    n_unknown_codes: int = 0
    sum_keep_probability: float = 0.0
    sum_generator_weight: float = 0.0
    sum_weight: float = 0.0
    sum_weight_squared: float = 0.0
    largest_weight: float = 0.0
    skipped: list[str] = field(default_factory=list)
    """What was wrong with the events that were left out."""
    sample: Totals = field(default_factory=Totals)
    """What a sample's record keeps of them: sums without rounding."""

    def add(self, batch: EventBatch, decision: Decision) -> None:
        """Count a batch."""
        self.n_events += len(batch)
        self.n_kept += int(decision.is_kept.sum())
        self.sum_keep_probability += float(decision.keep_probability.sum())
        self.sum_generator_weight += float(batch.event["weight"].sum())
        self.sum_weight += float(decision.weight.sum())
        self.sum_weight_squared += float((decision.weight**2).sum())
        self.sample += Totals.of(batch.event[WEIGHT], decision.weight[decision.is_kept])
        self.largest_weight = max(self.largest_weight, float(np.abs(decision.weight).max(initial=0.0)))

    @property
    def kept_fraction(self) -> float:
        """Fraction of the events that were kept."""
        return self.n_kept / self.n_events if self.n_events else 0.0


def scored_columns(skims: Sequence[str], scored: ScoredEvents | Decision) -> dict[str, NDArray[np.generic]]:
    """Columns ``logit, score`` for one skim, ``logit_<skim>, score_<skim>`` for several."""
    columns: dict[str, NDArray[np.generic]] = {}
    for position, (logit, score) in enumerate(zip(logit_columns(skims), score_columns(skims), strict=True)):
        columns[logit] = scored.logit[:, position]
        columns[score] = scored.score[:, position]
    return columns


def keep_probabilities(
    policy: Policy, batch: EventBatch, score: NDArray[np.float64], weight: ArrayLike
) -> NDArray[np.float64]:
    """(n_events,) q of a policy, with each event's own simulation cost where the policy was solved for that.

    Parameters
    ----------
    score : (n_events, n_skims) calibrated.
    weight : (n_events,) generator weights.

    Raises
    ------
    EventError
        The policy needs the column ``simulation_cost``, and the events have none.
    """
    seconds: NDArray[np.float64] | None = None
    if getattr(policy, "has_simulation_cost", False):
        if SIMULATION_COST not in batch.event:
            raise EventError(
                f"the policy was planned with the simulation seconds of each event, and these events have no column "
                f"'{SIMULATION_COST}': add it, or plan on a data set without it",
                source=batch.source,
            )
        seconds = batch.event[SIMULATION_COST].astype(np.float64)
    return policy.keep_probability(
        score[:, 0] if score.shape[1] == 1 else score,
        weight=np.asarray(weight, dtype=np.float64),
        simulation_cost=seconds,
    )


def _weighted_variations(batch: EventBatch, decision: Decision) -> dict[str, NDArray[np.float64]]:
    """The generator's several weights, each divided by the keep probability as the nominal one is."""
    inverse = np.divide(1.0, decision.keep_probability, out=np.zeros(len(batch)), where=decision.is_kept)
    return {name: column * inverse for name, column in batch.event.items() if name.startswith(VARIATION_PREFIX)}


class EventFilter:
    """Keeps the events worth simulating, by chance, and weights them.

    Parameters
    ----------
    scorer : the model.
    policy : score → keep probability.
    seed : of the draw.
    skims : those to filter for, all of the model's where none is named. One draw serves all of them.
    skip_corrupt : leave out (and count) events with numbers that are not finite, where the default is an error.
    draw : ``independent``, or ``systematic`` (`SystematicSampler`) over the events in the order in which they are
        streamed; the first event names the stream, so that files of other events start elsewhere under the same seed.
    stream : a name that decides in place of the events' content (`DrawKey`).
    rule : version of the rule of the draw, to repeat an old one.

    Attributes
    ----------
    key : what decides on the events besides the events.
    draws : the draws that kept events have come through, this one last: what their file records.
    """

    def __init__(
        self,
        scorer: EventScorer,
        policy: Policy,
        *,
        seed: int,
        skims: Sequence[str] = (),
        skip_corrupt: bool = False,
        draw: Draw = "independent",
        stream: str | None = None,
        rule: int = RULE,
    ) -> None:
        if draw not in DRAWS:
            raise UsageError(f"draw '{draw}': {nearest(draw, DRAWS)}")
        self.key = DrawKey(seed, stream, rule=rule, method=draw)
        self.draws = [self.key.to_dict()]
        self._sampler: SystematicSampler | None = None
        self._scorer = scorer
        self._policy = policy
        self._positions = choose_skims(scorer.skims, skims)
        self._skip_corrupt = skip_corrupt
        self.skims = tuple(scorer.skims[position] for position in self._positions)
        self.totals = FilterTotals()

    def follow(self, metadata: Mapping[str, Any]) -> None:
        """Take the draws that the events of a file have come through into the key, by the file's provenance record."""
        earlier = recorded_draws(metadata)
        if earlier:
            self.key = replace(self.key, earlier=digest_of_draws(earlier))
            self.draws = [*earlier, self.key.to_dict()]

    def decide(self, batch: EventBatch) -> Decision:
        """Score, keep probability, draw and weight of each event of a batch.

        Independent draws change nothing; a systematic one advances the running sum, so that each batch counts once.

        Raises
        ------
        EventError
            An event's numbers, or the score of one, are not finite.
        """
        logit, score = score_events(self._scorer, batch)
        logit, score = logit[:, self._positions], score[:, self._positions]
        weight = batch.event[WEIGHT].astype(np.float64)
        keep_probability = keep_probabilities(self._policy, batch, score, generator_weights(batch.event))
        is_kept = self._drawn(batch, keep_probability)
        inverse = np.divide(1.0, keep_probability, out=np.zeros(len(batch)), where=is_kept)
        return Decision(logit, score, keep_probability, is_kept, weight * inverse)

    def _drawn(self, batch: EventBatch, keep_probability: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n_events,) bool, True = keep."""
        if self.key.method == "independent":
            return self.key.of_events(batch) < keep_probability
        if self._sampler is None and len(batch):
            first = "/".join(str(batch.event[name][0]) for name in EVENT_ID)
            if self.key.uses_content:
                first += f"/{int(content_digests(batch.slice(0, 1))[0]):x}"
            self._sampler = SystematicSampler(self.key.derived_seed("systematic"), first)
        return np.zeros(0, dtype=np.bool_) if self._sampler is None else self._sampler.draw(keep_probability)

    def kept(self, batch: EventBatch, decision: Decision) -> EventBatch:
        """The kept events, with ``weight`` · ``keep_probability`` = ``generator_weight`` over all draws together."""
        with_columns = batch.with_event_columns(
            generator_weight=generator_weights(batch.event),
            weight=decision.weight,
            keep_probability=total_keep_probability(batch.event, decision.keep_probability),
            **_weighted_variations(batch, decision),
            **scored_columns(self.skims, decision),
        )
        return with_columns.select(decision.is_kept)

    def stream(self, batches: Iterable[EventBatch]) -> Iterator[tuple[EventBatch, Decision]]:
        """Each batch with its decision, counted in ``totals``; memory holds one batch at a time.

        Raises
        ------
        PolicyError
            A filter has kept these events, and nothing says by which draw.
        """
        for batch in batches:
            self._check_history(batch)
            usable = as_kept(self._without_corrupt(batch) if self._skip_corrupt else batch)
            decision = self.decide(usable)
            self.totals.add(usable, decision)
            self.totals.n_unknown_codes = self._scorer.n_unknown_codes
            yield usable, decision

    def _check_history(self, batch: EventBatch) -> None:
        if KEEP_PROBABILITY in batch.event and not self.key.earlier and self.key.stream is None:
            raise PolicyError(
                f"{batch.source or 'these events'}: a filter has kept them, and the file does not record by which "
                "draw. Drawn by the same numbers again, the sample would be biased: name this draw with --stream"
            )

    def _without_corrupt(self, batch: EventBatch) -> EventBatch:
        is_finite = batch.is_finite()
        for index in np.flatnonzero(~is_finite):
            self.totals.skipped.append(f"{batch.source}: event {batch.event_id(int(index))}: a number is not finite")
        self.totals.n_skipped += int((~is_finite).sum())
        return batch if is_finite.all() else batch.select(is_finite)
