"""Generator weights behind a closure check: from the file that has them, else one for all, else a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import random_events

from smartbkg.closure.check import ClosureSettings
from smartbkg.closure.files import Validation, read_kept, validate_files
from smartbkg.closure.generator_weights import common_generator_weight, find_generator_weights
from smartbkg.errors import DatasetError
from smartbkg.events.columns import EVENT_ID
from smartbkg.events.totals import TOTALS_KEY, Totals
from smartbkg.io import create_events
from smartbkg.io.tables import Table, write_table
from smartbkg.storage.provenance import record

N = 3000
ONE_WEIGHT = {"0.01": 0.01, "1": 1.0, "100": 100.0, "-2": -2.0}
FAST = ClosureSettings(n_replicas=500, n_coverage_seeds=0, with_pairs=False)


class Sample:
    """Generated events of any weights, of which a right filter kept some, and flags that hold no weight."""

    def __init__(self, folder: Path, weight: NDArray[np.float64], first_event: int = 0) -> None:
        random = np.random.default_rng(5 + first_event)
        batch = random_events(N, seed=3, first_event=first_event).with_event_columns(weight=weight)
        q = random.uniform(0.1, 1.0, N)
        is_kept = random.random(N) < q
        kept = batch.select(np.flatnonzero(is_kept)).with_event_columns(
            weight=(weight / q)[is_kept], keep_probability=q[is_kept], generator_weight=weight[is_kept]
        )
        self.events, self.kept, self.scores, self.flags, self.own_flags = (
            folder / f"{name}{first_event}.parquet" for name in ("events", "kept", "scores", "flags", "own_flags")
        )
        totals = Totals.of(weight, kept.event["weight"]).to_dict()
        for path, events, about in ((self.events, batch, {}), (self.kept, kept, {TOTALS_KEY: totals})):
            with create_events(path, record("kept", 1, {})) as writer:
                writer.write(events)
                writer.describe(**about)
        ids = {name: batch.event[name] for name in EVENT_ID}
        flags = ids | {"passes_tag": random.random(N) < 0.5, "R2": random.random(N)}
        write_table(self.flags, flags, record("flags", 1, {}))
        write_table(self.own_flags, {name: column[is_kept] for name, column in flags.items()}, record("flags", 1, {}))
        write_table(
            self.scores,
            ids | {"keep_probability": q, "is_kept": is_kept, "score": q, "weight": weight / q},
            record("scores", 1, {}),
        )

    def validate(self, **options: Path) -> Validation:
        return validate_files(self.kept, self.flags, "tag", settings=FAST, **options)


def different(kind: str) -> NDArray[np.float64]:
    random = np.random.default_rng(8)
    return np.where(random.random(N) < 0.2, -1.0, 1.0) if kind == "negative" else random.lognormal(0.0, 0.5, N)


@pytest.mark.parametrize("weight", ONE_WEIGHT)
@pytest.mark.parametrize("with_scores", [False, True])
def test_one_weight_of_all_events_is_known_from_the_kept_ones(tmp_path: Path, weight: str, with_scores: bool) -> None:
    sample = Sample(tmp_path, np.full(N, ONE_WEIGHT[weight]))
    found = sample.validate(**({"scores": sample.scores} if with_scores else {}))
    assert found.is_compatible, found


@pytest.mark.parametrize("kind", ["negative", "lognormal"])
def test_weights_that_differ_come_from_the_events_or_are_asked_for(tmp_path: Path, kind: str) -> None:
    sample = Sample(tmp_path, different(kind))
    for more in ({}, {"scores": sample.scores}):
        with pytest.raises(DatasetError, match=r"kept0.parquet: generator weights are not all the same.*--events E"):
            sample.validate(**more)
        assert sample.validate(events=sample.events, **more).is_compatible
    with pytest.raises(DatasetError, match="--events E"):
        validate_files(sample.kept, None, scores=sample.scores, settings=FAST)


def test_a_reference_of_other_events_must_state_weights_that_differ(tmp_path: Path) -> None:
    for number, weight in enumerate((np.full(N, 100.0), different("negative"))):
        sample, other = (Sample(tmp_path, weight, first) for first in (10_000 * number, 100_000 + 10_000 * number))
        if number == 0:
            found = validate_files(sample.kept, sample.own_flags, "tag", reference=other.flags, settings=FAST)
            assert found.is_compatible, found
        else:
            with pytest.raises(DatasetError, match=r"flags110000.parquet: no column 'weight'"):
                validate_files(sample.kept, sample.own_flags, "tag", reference=other.flags, settings=FAST)


def test_one_other_weight_among_those_that_were_not_kept_is_seen_in_the_record(tmp_path: Path) -> None:
    weight = np.ones(N)
    sample = Sample(tmp_path, weight)
    kept = read_kept(sample.kept).table
    assert common_generator_weight(kept) == 1.0
    weight[0] = -1.0
    stated = {TOTALS_KEY: Totals.of(weight, kept["weight"]).to_dict()}
    assert common_generator_weight(Table(kept.columns, stated, "k")) is None


def test_a_factor_in_weights_that_nothing_states_is_not_taken_for_the_generators() -> None:
    q = np.array([0.5, 0.25])
    assert common_generator_weight(Table({"weight": 1 / q, "keep_probability": q}, {}, "k")) == 1.0
    assert common_generator_weight(Table({"weight": 2 / q, "keep_probability": q}, {}, "k")) is None
    stated = {"weight": 2 / q, "keep_probability": q, "generator_weight": np.full(2, 2.0)}
    assert common_generator_weight(Table(stated, {}, "k")) == 2.0
    assert common_generator_weight(Table({name: column[:0] for name, column in stated.items()}, {}, "k")) == 1.0


def test_the_first_table_that_holds_weights_is_taken() -> None:
    ids = {"experiment": np.zeros(2, int), "run": np.zeros(2, int), "evtNum": np.array([1, 2])}
    reverse = {name: column[::-1] for name, column in ids.items()}
    without, having = Table(ids, {}, "a"), Table(reverse | {"weight": np.array([4.0, 3.0])}, {}, "b")
    last = Table(ids | {"weight": np.ones(2)}, {}, "c")
    holders = ((None, "weight"), (without, "weight"), (having, "weight"), (last, "weight"))
    assert find_generator_weights(ids, holders, last).tolist() == [3.0, 4.0]
