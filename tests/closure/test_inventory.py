"""What a file of kept events holds, looked at without statistics: each fault is found, named, and told where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from smartbkg.closure.inventory import Finding, KeptEvents, take_inventory
from smartbkg.io.tables import Table

N = 6


def kept(chance: np.ndarray | None = None, metadata: dict[str, Any] | None = None, **columns: Any) -> KeptEvents:
    q = np.array([1.0, 0.5, 0.25, 0.5, 0.1, 1.0])
    generated = np.array([1.0, -1.0, 2.0, 1.0, 1.0, 0.5])
    table = {
        "experiment": np.zeros(N, dtype=np.int64), "run": np.ones(N, dtype=np.int64), "evtNum": np.arange(10, 10 + N),
        "weight": generated / q, "keep_probability": q, "generator_weight": generated,
    }  # fmt: skip
    return KeptEvents(Table(table | columns, metadata or {}, "kept.parquet"), chance)


def finding(about: str, events: KeptEvents, flags: Table | None = None, scores: Table | None = None) -> Finding:
    return next(found for found in take_inventory(events, flags, scores) if about in found.name)


def scores_of(events: KeptEvents, **columns: Any) -> Table:
    """A table of scores: the kept events in another order, between two that were rejected."""
    order = np.array([3, 0, 5, 2, 1, 4])
    table = {name: np.concatenate([events.table[name][order], [7, 7]]) for name in ("experiment", "run")}
    table["evtNum"] = np.concatenate([events.table["evtNum"][order], [1, 2]])
    table["is_kept"] = np.array([True] * N + [False] * 2)
    for name in ("keep_probability", "weight"):
        table[name] = np.concatenate([events.table[name][order], [0.5, 0.5]])
    return Table(table | columns, {}, "scores.parquet")


def test_right_events_give_no_wrong_finding() -> None:
    events = kept(metadata={"totals": {"n_kept": N, "sum_kept_weight": 1 - 2 + 8 + 2 + 10 + 0.5}})
    found = take_inventory(events, None, scores_of(events))
    assert [one.name for one in found if one.state == "wrong"] == []
    assert sum(one.state == "ok" for one in found) == 4


def test_an_event_that_is_there_twice_is_named() -> None:
    found = finding("once", kept(evtNum=np.array([10, 11, 12, 11, 14, 15])))
    assert found.state == "wrong"
    assert "1 events come twice" in found.detail
    assert "0/1/11" in found.detail


@pytest.mark.parametrize(
    ("columns", "detail"),
    [
        ({"weight": np.array([1.0, -2, 8, 2, 10, 1.0])}, "1 of 6 rows, the first is event 0/1/15; median ratio 2"),
        ({"weight": np.array([1.0, 2, 8, 2, 10, 0.5])}, "the first is event 0/1/11; median ratio -1"),
        ({"keep_probability": np.array([1.0, 0, 0.25, 0.5, 0.1, 1])}, "1 of 6 rows"),
        ({"weight": np.array([1.0, np.nan, 8, 2, 10, 0.5])}, "1 of 6 rows"),
    ],
)
def test_weights_that_do_not_follow_from_the_keep_probability_are_wrong(columns: Any, detail: str) -> None:
    found = finding("weight · keep", kept(**columns))
    assert found.state == "wrong"
    assert detail in found.detail


def test_rounding_to_single_precision_is_no_fault() -> None:
    assert finding("weight · keep", kept(weight=kept().table["weight"].astype(np.float32))).state == "ok"


@pytest.mark.parametrize(
    ("totals", "state", "detail"),
    [
        ({}, "not checked", "records no totals"),
        ({"n_kept": N + 1}, "wrong", "6 events, the file's record says 7"),
        ({"n_kept": N, "sum_kept_weight": 19.6}, "wrong", "Σw = 19.5"),
        ({"n_kept": N}, "ok", "6 events"),
    ],
)
def test_totals_of_the_record_are_those_of_the_rows(totals: dict[str, Any], state: str, detail: str) -> None:
    found = finding("as recorded", kept(metadata={"totals": totals}))
    assert found.state == state
    assert detail in found.detail


def test_an_event_that_the_recorded_draw_would_reject_is_wrong() -> None:
    draws = {"kind": "kept", "draws": [{"rule": 1, "seed": 3, "method": "independent"}]}
    chance = np.array([0.9, 0.4, 0.2, 0.49, 0.05, 0.99])
    assert finding("recorded draw", kept(chance, draws)).state == "ok"
    chance[3] = 0.6
    found = finding("recorded draw", kept(chance, draws))
    assert found.state == "wrong"
    assert "1 of 6 events it would reject, the first is event 0/1/13" in found.detail
    assert finding("recorded draw", kept(None, draws)).state == "not checked"


def test_events_missing_or_added_against_the_scores_are_counted() -> None:
    events = kept()
    missing = scores_of(events, is_kept=np.array([True] * N + [True, False]))
    assert "1 of 7 are missing, 0 are there" in finding("table of scores says", events, None, missing).detail
    extra = scores_of(events, is_kept=np.array([True] * (N - 1) + [False] * 3))
    assert "0 of 5 are missing, 1 are there" in finding("table of scores says", events, None, extra).detail


def test_a_weight_that_differs_from_that_of_the_scores_is_found_whatever_the_order() -> None:
    events = kept()
    table = scores_of(events)
    table.columns["weight"][1] *= 1.01  # of event 10
    found = finding("table of scores says", events, None, table)
    assert found.state == "wrong"
    assert "'weight' differs in 1 rows, the first is event 0/1/10" in found.detail


def test_another_policy_or_seed_than_that_of_the_scores_is_named() -> None:
    settings = {"settings": {"policy": {"kind": "optimal"}, "seed": 1}, "inputs": [{"sha256": "a"}]}
    events = kept(metadata=settings)
    other = settings | {"settings": {"policy": {"kind": "optimal"}, "seed": 2}}
    scores = scores_of(events)
    same = Table(scores.columns, settings, "s")
    assert finding("as recorded with the scores", events, None, same).detail == "inputs, policy, seed"
    found = finding("as recorded with the scores", events, None, Table(scores.columns, other, "s"))
    assert found.state == "wrong"
    assert found.detail.startswith("seed differ")


def test_generator_weights_are_compared_with_those_of_the_flags_event_by_event() -> None:
    events = kept()
    order = np.array([5, 4, 3, 2, 1, 0])
    columns = {name: events.table[name][order] for name in ("experiment", "run", "evtNum")}
    flags = Table(columns | {"weight": events.table["generator_weight"][order]}, {}, "flags")
    assert finding("table of flags", events, flags).detail == "6 events"
    flags.columns["weight"][5] = 3.0  # of event 10
    assert "1 of 6 differ, the first is event 0/1/10" in finding("table of flags", events, flags).detail
    strangers = Table(flags.columns | {"run": np.full(N, 9)}, {}, "flags")
    assert finding("table of flags", events, strangers).state == "not checked"
    assert finding("table of flags", events, None).state == "not checked"
