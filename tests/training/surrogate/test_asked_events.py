"""Labelled events that a surrogate was asked about: parts, folds, and that none taught the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.datasets.split import TRAINING, VALIDATION, assign_split
from smartbkg.errors import DatasetError
from smartbkg.events.columns import EVENT_ID
from smartbkg.training.surrogate.asked_events import N_FOLDS, AskedEvents, _labels, _usable


def asked(n: int = 40, seed: int = 0) -> AskedEvents:
    random = np.random.default_rng(seed)
    label = (random.random((n, 2)) < 0.4).astype(float)
    label[0, 1] = np.nan
    return AskedEvents(
        random.normal(size=(n, 2)), random.integers(0, 9, (n, 3, 2)).astype(np.int32), label, np.full(n, 2.0),
        np.ones(n), np.arange(n) % N_FOLDS, np.full(n, "mixed"),
    )  # fmt: skip


def test_a_part_holds_the_chosen_events_in_every_column() -> None:
    events = asked()
    chosen = np.arange(40) % 3 == 0
    part = events.part(chosen)
    assert len(part) == chosen.sum()
    np.testing.assert_array_equal(part.passed, events.passed[chosen])
    np.testing.assert_array_equal(part.fold, events.fold[chosen])


def test_an_event_without_a_label_does_not_count_as_passing() -> None:
    events = asked()
    assert events.n_passing == tuple(int(np.nansum(events.label[:, skim])) for skim in range(2))


def test_scored_events_keep_weights_and_labels() -> None:
    events = asked()
    scored = events.scored(np.full((40, 2), 0.3), np.nan_to_num(events.label))
    assert scored.skims == ("skim 1", "skim 2")
    np.testing.assert_array_equal(scored.multiplicity, events.multiplicity)


def test_only_events_that_did_not_teach_are_asked_and_a_share_is_chosen_by_id() -> None:
    batch = random_events(2000, max_particles=2)
    split = {"validation_fraction": 0.3, "test_fraction": 0.2, "split_seed": 5}
    part = assign_split({name: batch.event[name] for name in EVENT_ID}, 0.3, 0.2, 5)
    own, start = split | {"is_own": True}, split | {"is_own": False}
    np.testing.assert_array_equal(_usable(batch, [own], 1.0), part == VALIDATION)
    np.testing.assert_array_equal(_usable(batch, [start], 1.0), part != TRAINING, "what taught the network's start")
    other = start | {"split_seed": 6}
    np.testing.assert_array_equal(
        _usable(batch, [own, other], 1.0), (part == VALIDATION) & _usable(batch, [other], 1.0)
    )
    some = _usable(batch, [], 0.25)
    assert 0.2 < some.mean() < 0.3
    np.testing.assert_array_equal(some[500:900], _usable(batch.slice(500, 900), [], 0.25))


def test_a_skim_without_labels_names_the_nearest_one() -> None:
    batch = random_events(3)
    batch.event["label_feiHadronicB0"] = np.array([1.0, 0.0, np.nan])
    np.testing.assert_array_equal(_labels(batch, ["feiHadronicB0"], Path("d"))[:, 0], [1.0, 0.0, np.nan])
    with pytest.raises(DatasetError, match="feiHadronicB0"):
        _labels(batch, ["feiHadronic"], Path("d"))
