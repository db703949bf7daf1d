"""Scores of a batch of events, and which skims they are for."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch


class EventScorer(Protocol):
    """A model that scores raw events: what `smartbkg.networks.model_file.load_scorer` returns."""

    @property
    def skims(self) -> tuple[str, ...]:
        """Names of the skims, one per column of the scores."""

    @property
    def n_unknown_codes(self) -> int:
        """Particles so far whose PDG code is not in the model's token table."""

    def logits(self, batch: EventBatch) -> NDArray[np.float32]:
        """(n_events, n_skims) raw output of the network."""

    def calibrate(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:
        """(n_events, n_skims) probabilities to pass, from logits."""


class ScoredEvents(NamedTuple):
    """Scores of a batch."""

    logit: NDArray[np.float32]
    """(n_events, n_skims)"""
    score: NDArray[np.float64]
    """(n_events, n_skims) calibrated P(pass | event)."""


def score_events(scorer: EventScorer, batch: EventBatch) -> ScoredEvents:
    """Scores of a batch.

    Raises
    ------
    EventError
        A number of an event is not finite, or the network's output is not.
    """
    batch.check_finite()
    logits = scorer.logits(batch)
    if not np.isfinite(logits).all():
        event = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise EventError(
            "the network's output is not a finite number", source=batch.source, event=batch.event_id(event)
        )
    return ScoredEvents(logits, scorer.calibrate(logits, batch.event["process"]))
