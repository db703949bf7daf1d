"""The filter keeps by chance, weights what it keeps, and nothing about the order of events matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.errors import EventError, FileFormatError, ModelError, UsageError
from smartbkg.events import EventBatch
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import filter_file, score_file
from smartbkg.filtering.policy_choice import choose_policy, stored_policy
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.tables import read_table
from smartbkg.sampling.policies import ExponentialPolicy, OptimalPolicy, Policy, ScorePolicy, ThresholdPolicy


class EnergyScorer:
    """A stand-in for a network: the score is a function of the event's energy, or constant nonsense."""

    def __init__(self, skims: tuple[str, ...] = ("tag",), constant: float | None = None) -> None:
        self.skims = skims
        self.constant = constant
        self.n_unknown_codes = 0

    def logits(self, batch: EventBatch) -> np.ndarray:
        energy = np.add.reduceat(batch.particle["energy"], batch.offsets[:-1]) if len(batch) else np.zeros(0)
        base = energy / 5 - 4 if self.constant is None else np.full(len(batch), self.constant)
        return np.stack([base - shift for shift in range(len(self.skims))], axis=1).astype(np.float32)

    def calibrate(self, logits: np.ndarray, process: object = None) -> np.ndarray:
        return 1 / (1 + np.exp(-logits.astype(float)))


policies = st.one_of(
    st.just(ScorePolicy(max_weight=50)),
    st.builds(OptimalPolicy, st.floats(0.01, 10), st.floats(1, 100)),
    st.builds(ExponentialPolicy, st.floats(0.1, 2), st.floats(-3, 3)),
)


def run(policy: Policy, batches: list[EventBatch], seed: int = 0, **kwargs: object) -> tuple[EventFilter, EventBatch]:
    event_filter = EventFilter(EnergyScorer(), policy, seed=seed, **kwargs)  # type: ignore[arg-type]
    kept = [event_filter.kept(batch, decision) for batch, decision in event_filter.stream(batches)]
    return event_filter, EventBatch.concatenate(kept)


@given(policies, st.integers(1, 60), st.integers(0, 5))
def test_decisions_do_not_depend_on_chunking_or_order(policy, size, seed):
    batch = random_events(50, seed=1)
    _, whole = run(policy, [batch], seed)
    _, chunked = run(policy, list(batch.chunks(size)), seed)
    _, reversed_order = run(policy, [batch.select(np.arange(50)[::-1])], seed)
    assert np.array_equal(whole.event["evtNum"], chunked.event["evtNum"])
    assert np.array_equal(whole.event["weight"], chunked.event["weight"])
    assert np.array_equal(whole.event["evtNum"], reversed_order.event["evtNum"][::-1])


@settings(max_examples=15)
@given(policies, st.one_of(st.none(), st.floats(-20, 20)))
def test_weighted_sums_are_unbiased_whatever_the_score_is_worth(policy, nonsense):
    """Over 400 seeds the mean weighted sum of anything is its full sum, within 5 standard errors."""
    batch = random_events(200, seed=2).with_event_columns(weight=np.linspace(-0.5, 2, 200))
    event_filter = EventFilter(EnergyScorer(constant=nonsense), policy, seed=0)
    decision = event_filter.decide(batch)
    q, w, value = decision.keep_probability, batch.event["weight"], np.sin(np.arange(200.0)) + 1
    assert (q > 0).all()
    sums = []
    for seed in range(400):
        drawn = EventFilter(EnergyScorer(constant=nonsense), policy, seed=seed).decide(batch)
        assert np.allclose(drawn.weight[drawn.is_kept] * q[drawn.is_kept], w[drawn.is_kept])
        sums.append((drawn.weight * value).sum())
    expected_variance = ((w * value) ** 2 * (1 / q - 1)).sum()
    assert abs(np.mean(sums) - (w * value).sum()) <= 5 * np.sqrt(expected_variance / 400) + 1e-9


def test_kept_events_carry_what_analysis_needs():
    batch = random_events(200, seed=3).with_event_columns(weight=np.full(200, 2.0))
    event_filter, kept = run(OptimalPolicy(2.0, 10), [batch])
    assert np.allclose(kept.event["weight"], 2 / kept.event["keep_probability"])
    assert (kept.event["generator_weight"] == 2).all()
    assert {"logit", "score"} <= set(kept.event)
    assert event_filter.totals.n_events == 200
    assert event_filter.totals.n_kept == len(kept)
    assert event_filter.totals.sum_weight == pytest.approx(kept.event["weight"].sum())
    assert event_filter.totals.largest_weight == pytest.approx(kept.event["weight"].max())


def test_several_skims_share_one_draw_and_one_weight():
    batch = random_events(300, seed=4)
    skims = ("first", "second")
    policy = OptimalPolicy(1.0, 20, (1.0, 1.0), (0.1, 0.05))
    event_filter = EventFilter(EnergyScorer(skims), policy, seed=0)
    kept = event_filter.kept(batch, event_filter.decide(batch))
    assert {"score_first", "score_second", "logit_first"} <= set(kept.event)
    assert np.allclose(kept.event["weight"], 1 / kept.event["keep_probability"])
    only = EventFilter(EnergyScorer(skims), ScorePolicy(), seed=0, skims=("second",))
    assert only.decide(batch).score.shape == (300, 1)
    with pytest.raises(ModelError, match="did you mean 'second'"):
        EventFilter(EnergyScorer(skims), ScorePolicy(), seed=0, skims=("secnd",))


def test_threshold_zero_is_a_threshold_and_keeps_all():
    batch = random_events(50)
    _, kept = run(ThresholdPolicy(0.0), [batch])
    assert len(kept) == 50
    policy = choose_policy("threshold=0.0", None, ("tag",), "model")
    assert isinstance(policy, ThresholdPolicy)
    assert policy.threshold == 0.0


def with_nan(batch: EventBatch, event: int) -> EventBatch:
    momentum = batch.particle["px"].copy()
    momentum[batch.offsets[event]] = np.nan
    return EventBatch.from_columns(batch.counts, batch.event, {**batch.particle, "px": momentum}, source="bad.parquet")


def test_not_a_number_stops_the_job_or_is_counted():
    bad = with_nan(random_events(20, seed=5), 7)
    with pytest.raises(EventError, match=r"bad\.parquet: event \(7, \d, 7\): px"):
        run(ScorePolicy(), [bad])
    event_filter, _ = run(ScorePolicy(), [bad], skip_corrupt=True)
    assert (event_filter.totals.n_events, event_filter.totals.n_skipped) == (19, 1)
    assert "bad.parquet: event (7," in event_filter.totals.skipped[0]


def write(path: Path, batch: EventBatch) -> Path:
    with create_events(path, {"kind": "events", "schema_version": 1}) as writer:
        writer.write(batch)
    return path


def test_file_to_file_keeps_what_memory_keeps(tmp_path):
    batch = random_events(100, seed=6)
    source = write(tmp_path / "in.parquet", batch)
    event_filter = EventFilter(EnergyScorer(), OptimalPolicy(1.0), seed=3)
    totals = filter_file(
        source, tmp_path / "out.parquet", event_filter, settings={}, scores=tmp_path / "scores.parquet", batch_size=7
    )
    with open_events(tmp_path / "out.parquet") as reader:
        read = EventBatch.concatenate(list(reader.batches(1000)))
        assert reader.metadata["totals"]["n_events"] == 100
    _, expected = run(OptimalPolicy(1.0), [batch], 3)
    assert np.array_equal(read.event["evtNum"], expected.event["evtNum"])
    assert np.array_equal(read.particle["px"], expected.particle["px"])
    table = read_table(tmp_path / "scores.parquet", "scores")
    assert len(table) == totals.n_events == 100
    assert table["is_kept"].sum() == totals.n_kept
    scored = score_file(source, tmp_path / "s.parquet", EnergyScorer(), settings={})
    assert scored == (100, 0, ())
    assert np.array_equal(read_table(tmp_path / "s.parquet", "scores")["score"], table["score"])


def test_scoring_counts_and_names_what_it_leaves_out(tmp_path):
    source = write(tmp_path / "in.parquet", with_nan(random_events(20, seed=5), 7))
    with pytest.raises(EventError, match=r"in\.parquet: event \(7, \d, 7\): px"):
        score_file(source, tmp_path / "s.parquet", EnergyScorer(), settings={})
    assert not (tmp_path / "s.parquet").exists()
    options = ReadOptions(skip_corrupt=True)
    scored = score_file(source, tmp_path / "s.parquet", EnergyScorer(), settings={}, options=options)
    assert (scored.n_events, scored.n_skipped) == (19, 1)
    assert "in.parquet: event (7," in scored.skipped[0]


def test_an_event_that_comes_twice_is_scored_only_if_that_is_wanted(tmp_path):
    batch = random_events(20, seed=5)
    source = write(tmp_path / "in.parquet", EventBatch.concatenate([batch, batch.slice(3, 4)]))
    with pytest.raises(EventError, match="occurs twice"):
        score_file(source, tmp_path / "s.parquet", EnergyScorer(), settings={})
    scored = score_file(source, tmp_path / "s.parquet", EnergyScorer(), settings={}, allow_duplicates=True)
    assert scored.n_events == 21


def test_a_file_without_usable_events_says_what_was_wrong_with_the_first(tmp_path):
    source = write(tmp_path / "in.parquet", with_nan(random_events(1, seed=5), 0))
    with pytest.raises(FileFormatError, match=r"no event that can be used \(1 left out, the first: .*px of particle"):
        score_file(source, tmp_path / "s.parquet", EnergyScorer(), settings={}, options=ReadOptions(skip_corrupt=True))


def test_nothing_kept_is_an_empty_file_with_all_columns(tmp_path):
    source = write(tmp_path / "in.parquet", random_events(10))
    event_filter = EventFilter(EnergyScorer(), ThresholdPolicy(1.0), seed=0)
    filter_file(source, tmp_path / "out.parquet", event_filter, settings={})
    with open_events(tmp_path / "out.parquet") as reader:
        assert reader.n_events == 0
    assert read_table(tmp_path / "out.parquet", columns=["keep_probability", "score"])["score"].shape == (0,)


@pytest.mark.parametrize(("source", "output"), [("in.parquet", "in.parquet"), ("in.parquet", "scores.parquet")])
def test_outputs_never_overwrite_inputs_or_one_another(tmp_path, source, output):
    path = write(tmp_path / source, random_events(10))
    before = path.read_bytes()
    event_filter = EventFilter(EnergyScorer(), ScorePolicy(), seed=0)
    with pytest.raises(UsageError, match="same file"):
        filter_file(path, tmp_path / output, event_filter, settings={}, scores=tmp_path / "scores.parquet")
    assert path.read_bytes() == before


def test_empty_and_broken_inputs_leave_nothing_behind(tmp_path):
    empty = write(tmp_path / "empty.parquet", random_events(5).select([]))
    whole = write(tmp_path / "whole.parquet", random_events(3000))
    truncated = tmp_path / "truncated.parquet"
    truncated.write_bytes(whole.read_bytes()[:-5000])
    bad = write(tmp_path / "bad.parquet", with_nan(random_events(20), 7))
    for source in (empty, truncated, bad, tmp_path / "missing.parquet"):
        event_filter = EventFilter(EnergyScorer(), ScorePolicy(), seed=0)
        with pytest.raises((FileFormatError, EventError), match=source.name):
            filter_file(source, tmp_path / "out.parquet", event_filter, settings={})
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "bad.parquet", "empty.parquet", "truncated.parquet", "whole.parquet",
        ]  # fmt: skip


def test_event_ids_that_come_twice_are_refused_unless_allowed(tmp_path):
    batch = random_events(10)
    twice = write(tmp_path / "twice.parquet", batch.select(np.array([0, 1, 2, 1])))
    event_filter = EventFilter(EnergyScorer(), ScorePolicy(), seed=0)
    with pytest.raises(EventError, match="occurs twice"):
        filter_file(twice, tmp_path / "out.parquet", event_filter, settings={})
    totals = filter_file(
        twice, tmp_path / "out.parquet", EventFilter(EnergyScorer(), ScorePolicy(), seed=0), settings={},
        allow_duplicates=True,
    )  # fmt: skip
    assert totals.n_events == 4


def test_model_without_policy_says_how_to_get_one():
    with pytest.raises(ModelError, match="smartbkg plan"):
        choose_policy(None, None, ("tag",), "model.safetensors")
    with pytest.raises(ModelError, match="not an optimal one"):
        choose_policy("optimal", ScorePolicy().to_dict(), ("tag",), "model.safetensors")
    stored = {"kind": "by_skim", "policies": {"a": OptimalPolicy(2.0).to_dict()}}
    assert choose_policy(None, stored, ("a",), "m") == OptimalPolicy(2.0)
    with pytest.raises(ModelError, match="no policy for a, b"):
        choose_policy(None, stored, ("a", "b"), "m")


@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_systematic_draw_keeps_the_expected_number_whatever_the_chunks(size: int) -> None:
    batch = random_events(400, seed=1)
    whole, kept = run(OptimalPolicy(1.0), [batch], draw="systematic")
    _, chunked = run(OptimalPolicy(1.0), list(batch.chunks(size)), draw="systematic")
    np.testing.assert_array_equal(kept.event["evtNum"], chunked.event["evtNum"])
    assert abs(whole.totals.n_kept - whole.totals.sum_keep_probability) < 1


def test_systematic_draws_of_the_filter_are_unbiased() -> None:
    batch = random_events(60, seed=2)
    n_seeds = 2000
    kept = np.zeros(60)
    for seed in range(n_seeds):
        decision = EventFilter(EnergyScorer(), OptimalPolicy(1.0), seed=seed, draw="systematic").decide(batch)
        kept += decision.is_kept
    q = decision.keep_probability
    # 60 events, each off by five standard deviations once in two million
    assert (np.abs(kept / n_seeds - q) <= 5 * np.sqrt(q * (1 - q) / n_seeds) + 1e-12).all()


def test_another_file_starts_its_systematic_draw_elsewhere() -> None:
    batch = random_events(300, seed=1)
    first = EventFilter(EnergyScorer(), OptimalPolicy(0.5), seed=0, draw="systematic").decide(batch)
    moved = batch.with_event_columns(run=batch.event["run"] + 1)
    second = EventFilter(EnergyScorer(), OptimalPolicy(0.5), seed=0, draw="systematic").decide(moved)
    assert (first.is_kept != second.is_kept).any()


def test_an_unknown_draw_is_refused() -> None:
    with pytest.raises(UsageError, match="systematic"):
        run(ScorePolicy(), [], draw="sistematic")


def test_a_policy_planned_with_simulation_seconds_takes_them_from_the_events() -> None:
    batch = random_events(100, seed=1)
    policy = OptimalPolicy(1.0, has_simulation_cost=True)
    seconds = np.linspace(1, 9, 100)
    decision = EventFilter(EnergyScorer(), policy, seed=0).decide(batch.with_event_columns(simulation_cost=seconds))
    np.testing.assert_allclose(
        decision.keep_probability, policy.keep_probability(decision.score[:, 0], simulation_cost=seconds)
    )
    with pytest.raises(EventError, match="simulation_cost"):
        EventFilter(EnergyScorer(), policy, seed=0).decide(batch)


def test_a_joint_policy_is_not_one_for_a_single_skim():
    joint = OptimalPolicy(2.0, importance=(1.0, 1.0), mean_score=(0.1, 0.2))
    assert stored_policy(joint.to_dict(), ("a", "b"), "m") == joint
    with pytest.raises(ModelError, match="no policy for a: solve it with `smartbkg plan`"):
        stored_policy(joint.to_dict(), ("a",), "m")
    with pytest.raises(ModelError, match="no policy for a, b"):
        stored_policy(OptimalPolicy(2.0).to_dict(), ("a", "b"), "m")
