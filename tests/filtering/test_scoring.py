"""Scores of a batch: numbers that are none are refused, before the network and after it."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.filtering.scoring import score_events
from smartbkg.scores.logistic import expit


class Scorer:
    skims = ("a",)
    n_unknown_codes = 0

    def __init__(self, bad: int | None = None) -> None:
        self.bad = bad
        self.seen: list[object] = []

    def logits(self, batch: EventBatch) -> np.ndarray:
        values = np.arange(len(batch), dtype=np.float32)[:, None] - 3
        if self.bad is not None:
            values[self.bad] = np.nan
        return values

    def calibrate(self, logits: np.ndarray, process: object = None) -> np.ndarray:
        self.seen.append(process)
        return expit(logits.astype(float))


def test_scores_are_the_calibrated_logits_of_the_events_processes() -> None:
    scorer, batch = Scorer(), random_events(5)
    found = score_events(scorer, batch)
    np.testing.assert_allclose(found.score[:, 0], expit(np.arange(5) - 3.0))
    assert scorer.seen[0] is batch.event["process"]


def test_an_output_that_is_no_number_names_its_event() -> None:
    batch = random_events(5, first_event=70)
    with pytest.raises(
        EventError, match=r"synthetic: event \(7, \d, 73\): the network's output is not a finite number"
    ):
        score_events(Scorer(bad=3), batch)


def test_an_input_that_is_no_number_never_reaches_the_network() -> None:
    batch = random_events(5)
    batch.particle["energy"][0] = np.inf
    scorer = Scorer()
    with pytest.raises(EventError, match="energy of particle 0 is inf"):
        score_events(scorer, batch)
    assert scorer.seen == []
