"""Alarms: silent on right campaigns at the stated rate, and each fires on a fault of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from smartbkg.campaign.chunk.observation import N_BINS, VARIABLES, ClosureSums, ScoreSums
from smartbkg.campaign.config import AlarmsSection
from smartbkg.campaign.record_table import RecordTable
from smartbkg.campaign.watch.alarms import Alarm, AlarmWatch, StoredScores, stored_scores
from smartbkg.campaign.watch.bounds import distance_limit, running_tail, tail
from smartbkg.scores.histogram import N_SCORE_BINS, score_bin

N_EVENTS = 400
Fault = Callable[[dict[str, np.ndarray], np.random.Generator], None]


def events_of_chunk(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Events with weights of both signs, calibrated scores, a draw by q, and a value of each variable."""
    score = random.beta(0.3, 4.0, N_EVENTS)
    q = np.clip(1.5 * np.sqrt(score), 0.04, 1.0)
    w = np.where(random.random(N_EVENTS) < 0.1, -1.0, 1.0)
    kept = random.random(N_EVENTS) < q
    return {
        "score": score, "q": q, "w": w, "kept": kept, "passed": random.random(N_EVENTS) < score,
        "weight": np.where(kept, w / q, 0.0), "bin": random.integers(0, N_BINS, (len(VARIABLES), N_EVENTS)),
        "unknown": np.zeros(N_EVENTS, dtype=int),
    }  # fmt: skip


def record_of(index: int, e: dict[str, np.ndarray]) -> dict[str, Any]:
    """The record that a chunk of these events has."""
    variance = e["w"] ** 2 * (1 - e["q"]) / e["q"]
    sums = [
        np.stack([np.bincount(row, values, minlength=N_BINS) for row in e["bin"]])
        for values in (e["w"], e["weight"] - e["w"], variance)
    ]
    place, k = score_bin(e["score"]), e["kept"]
    columns = (None, np.ones(k.sum()), e["score"][k], e["passed"][k], (e["score"] * (1 - e["score"]))[k])
    scores = [np.bincount(place if c is None else place[k], c, minlength=N_SCORE_BINS).astype(float) for c in columns]
    return {
        "chunk": index, "process": "mixed", "particles": 40 * N_EVENTS, "unknown_codes": int(e["unknown"].sum()),
        "attempt": "a", "files": {}, "wall": 1.0, "started": 0.0,
        "totals": {
            "n_events": N_EVENTS, "sum_kept_weight": e["weight"].sum(), "sum_weight": e["w"].sum(),
            "n_kept": int(k.sum()),
        },
        "draw": {
            "variance": variance.sum(), "sum_keep_probability": e["q"].sum(),
            "count_variance": (e["q"] * (1 - e["q"])).sum(), "largest": float(np.abs(e["w"] / e["q"]).max()),
        },
        "closure": ClosureSums(*sums).encoded(), "scores": {"skim": ScoreSums(*scores).encoded()},
    }  # fmt: skip


def alarms_of(
    seed: int, n_chunks: int, settings: AlarmsSection, fault: Fault = lambda *_: None, faulty: range | None = None
) -> list[Alarm]:
    """Alarms of a campaign that is looked at after every fifth chunk: all that were ever raised."""
    random = np.random.default_rng(seed)
    watch = AlarmWatch(settings, n_chunks)
    raised: dict[tuple[str, int | None], Alarm] = {}
    for index in range(n_chunks):
        events = events_of_chunk(random)
        if faulty is None or index in faulty:
            fault(events, random)
        watch.add(RecordTable.of([record_of(index, events)]))
        if index % 5 == 4:
            raised |= {(alarm.kind, alarm.chunk): alarm for alarm in watch.alarms()}
    return list(raised.values())


@pytest.mark.slow
def test_a_thousand_right_campaigns_raise_no_more_alarms_than_stated() -> None:
    settings = AlarmsSection(false_alarm_rate=0.05, pass_rate_tolerance=0.0, score_tolerance=0.0)
    raised = sum(bool(alarms_of(seed, 5, settings)) for seed in range(1000))
    assert raised <= 50 + 3 * np.sqrt(50 * 0.95)


def _forgotten(e: dict[str, np.ndarray], _: np.random.Generator) -> None:
    e["weight"] = np.where(e["kept"], e["w"], 0.0)


def _fourfold(e: dict[str, np.ndarray], _: np.random.Generator) -> None:
    e["weight"] = 4 * e["weight"]


def _exchanged(e: dict[str, np.ndarray], random: np.random.Generator) -> None:
    e["weight"][e["kept"]] = random.permutation(e["weight"][e["kept"]])
    e["bin"][0] = np.minimum((np.sqrt(e["score"]) * N_BINS).astype(int), N_BINS - 1)


def _miscalibrated(e: dict[str, np.ndarray], random: np.random.Generator) -> None:
    e["passed"] = random.random(N_EVENTS) < e["score"] / 2


def _other_codes(e: dict[str, np.ndarray], _: np.random.Generator) -> None:
    e["unknown"][:20] = 1


def _other_events(e: dict[str, np.ndarray], random: np.random.Generator) -> None:
    other = random.beta(2.0, 4.0, N_EVENTS)
    e["score"][:] = other


@pytest.mark.parametrize(
    ("fault", "faulty", "kind", "chunk"),
    [
        (_forgotten, None, "weights", None),
        (_fourfold, range(7, 8), "weights", 7),
        (_exchanged, None, "closure", None),
        (_miscalibrated, None, "pass rates", None),
        (_other_codes, None, "unknown codes", None),
        (_other_events, range(13, 14), "scores", 13),
    ],
)
def test_a_fault_raises_the_alarm_of_its_kind(fault: Fault, faulty: range | None, kind: str, chunk: int | None) -> None:
    raised = alarms_of(3, 60, AlarmsSection(), fault, faulty)
    assert (kind, chunk) in {(alarm.kind, alarm.chunk) for alarm in raised}
    alarm = next(one for one in raised if (one.kind, one.chunk) == (kind, chunk))
    assert alarm.probability < 0.01
    assert "\n" not in str(alarm)


def test_scores_unlike_those_stored_with_the_model_raise_an_alarm_and_like_ones_do_not() -> None:
    random = np.random.default_rng(5)
    own = np.bincount(score_bin(random.beta(0.3, 4.0, 50_000)), minlength=N_SCORE_BINS).astype(float)
    other = np.bincount(score_bin(random.beta(1.0, 4.0, 50_000)), minlength=N_SCORE_BINS).astype(float)
    for stored, n_alarms in ((own, 0), (other, 1)):
        watch = AlarmWatch(AlarmsSection(), 20, StoredScores({"skim": stored}, {}))
        for index in range(20):
            watch.add(RecordTable.of([record_of(index, events_of_chunk(random))]))
        assert [alarm.kind for alarm in watch.alarms()] == ["scores"] * n_alarms


def test_each_process_is_compared_with_its_own_scores_where_the_model_has_them() -> None:
    random = np.random.default_rng(6)
    own, other = (
        np.bincount(score_bin(random.beta(a, 4.0, 50_000)), minlength=N_SCORE_BINS).tolist() for a in (0.3, 1.0)
    )
    for process, n_alarms in (("mixed", 0), ("charged", 1), ("uubar", 1)):
        metrics = {
            "score_histogram": {"skim": (np.array(own) + other).tolist()},
            "score_histogram_by_process": {"mixed": {"skim": own}, "charged": {"skim": other}},
        }
        watch = AlarmWatch(AlarmsSection(), 20, stored_scores(metrics), 2)
        for index in range(20):
            record = record_of(index, events_of_chunk(random)) | {"process": process}
            watch.add(RecordTable.of([record]))
        assert [alarm.kind for alarm in watch.alarms()] == ["scores"] * n_alarms
        assert watch.stored["skim"].sum() == pytest.approx(20 * N_EVENTS)


def test_the_bound_on_a_running_sum_holds_whenever_one_looks() -> None:
    random = np.random.default_rng(2)
    q = 0.05
    terms = np.where(random.random((2000, 3000)) < q, 1 / q - 1, -1.0)
    steps = np.arange(100, 3001, 100)
    sums = np.cumsum(terms, axis=1)[:, steps - 1]
    ever = (running_tail(sums, steps * (1 - q) / q, 1 / q) < 0.05).any(axis=1).mean()
    once = (tail(sums[:, -1], 3000 * (1 - q) / q, 1 / q) < 0.05).mean()
    assert ever <= 0.05
    assert once <= 0.05


def test_the_bound_on_distributions_holds() -> None:
    random = np.random.default_rng(4)
    sample = np.sort(random.random((2000, 200)), axis=1)
    steps = np.arange(1, 201) / 200
    distance = np.maximum(np.abs(steps - sample), np.abs(sample - steps + 1 / 200)).max(axis=1)
    assert (distance > distance_limit(200, 0.05)).mean() <= 0.06
