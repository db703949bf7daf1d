"""A filter of kept events draws anew and multiplies weights: sums stay unbiased under one seed, however often."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.errors import PolicyError, UsageError
from smartbkg.events import EventBatch
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import filter_file
from smartbkg.io import create_events, open_events
from smartbkg.io.tables import read_table
from smartbkg.sampling.policies import ScorePolicy
from smartbkg.storage.provenance import record

N = 3000


class ConstantScorer:
    """Every event has one score, so that the policy keeps each with one known probability."""

    skims = ("tag",)
    n_unknown_codes = 0

    def __init__(self, score: float) -> None:
        self.score = score

    def logits(self, batch: EventBatch) -> np.ndarray:
        return np.full((len(batch), 1), np.log(self.score / (1 - self.score)), dtype=np.float32)

    def calibrate(self, logits: np.ndarray, process: object = None) -> np.ndarray:
        return np.full(logits.shape, self.score)


def filtered(source: Path, output: Path, q: float, seed: int = 0, **kwargs: Any) -> EventBatch:
    event_filter = EventFilter(ConstantScorer(q), ScorePolicy(max_weight=100), seed=seed, **kwargs)
    filter_file(
        source, output, event_filter, settings={"seed": seed, "skims": ["tag"]}, scores=output.with_suffix(".s.parquet")
    )
    with open_events(output) as reader:
        return EventBatch.concatenate(list(reader.batches()))


@pytest.fixture(scope="module")
def generated() -> EventBatch:
    batch = random_events(N, seed=11)
    weight = np.random.default_rng(0).lognormal(0, 0.3, N)
    return batch.with_event_columns(weight=weight)


def write(batch: EventBatch, path: Path, **about: Any) -> Path:
    with create_events(path, record("events", 1, {}, **about)) as writer:
        writer.write(batch)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".hepmc"])
def test_a_second_filter_under_one_seed_is_unbiased(generated: EventBatch, tmp_path: Path, suffix: str) -> None:
    source = write(generated, tmp_path / f"events{suffix}")
    first = filtered(source, tmp_path / f"first{suffix}", 0.5)
    second = filtered(tmp_path / f"first{suffix}", tmp_path / f"second{suffix}", 0.4)
    third = filtered(tmp_path / f"second{suffix}", tmp_path / f"third{suffix}", 0.5)
    truth = generated.event["weight"]
    for kept, q in ((first, 0.5), (second, 0.2), (third, 0.1)):
        error = np.sqrt((truth**2).sum() * (1 - q) / q)
        assert abs(kept.event["weight"].sum() - truth.sum()) < 4.5 * error
        assert abs(len(kept) - q * N) < 4.5 * np.sqrt(N * q * (1 - q))
        np.testing.assert_allclose(kept.event["keep_probability"], q, rtol=1e-6)
        np.testing.assert_allclose(
            kept.event["weight"] * kept.event["keep_probability"], kept.event["generator_weight"], rtol=1e-6
        )


def test_the_same_policy_twice_draws_twice(generated: EventBatch, tmp_path: Path) -> None:
    """Under one uniform number per id the second pass of the same policy would keep everything."""
    source = write(generated, tmp_path / "events.parquet")
    first = filtered(source, tmp_path / "first.parquet", 0.5)
    second = filtered(tmp_path / "first.parquet", tmp_path / "second.parquet", 0.5)
    assert abs(len(second) - 0.5 * len(first)) < 4.5 * np.sqrt(len(first) * 0.25)


def test_the_second_stage_decides_alike_on_chunks_and_other_formats(generated: EventBatch, tmp_path: Path) -> None:
    part = generated.slice(0, 300)
    write(part, tmp_path / "a.parquet")
    write(part, tmp_path / "a.hepmc")
    for suffix in (".parquet", ".hepmc"):
        filtered(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", 0.5)
    kept = {
        (first, second): filtered(tmp_path / f"b{first}", tmp_path / f"c{first[1:]}{second}", 0.5)
        .event["evtNum"]
        .tolist()
        for first in (".parquet", ".hepmc")
        for second in (".parquet", ".hepmc")
    }
    assert len({tuple(numbers) for numbers in kept.values()}) == 1


def test_kept_events_of_an_unknown_draw_are_refused_unless_a_stream_is_named(
    generated: EventBatch, tmp_path: Path
) -> None:
    kept = generated.with_event_columns(keep_probability=np.full(N, 0.5))
    source = write(kept, tmp_path / "stripped.parquet")
    with pytest.raises(PolicyError, match="does not record by which draw"):
        filtered(source, tmp_path / "out.parquet", 0.5)
    again = filtered(source, tmp_path / "out.parquet", 0.5, stream="second")
    np.testing.assert_allclose(again.event["keep_probability"], 0.25, rtol=1e-6)


def test_a_second_filter_under_the_rule_of_ids_is_refused(generated: EventBatch, tmp_path: Path) -> None:
    source = write(generated, tmp_path / "events.parquet")
    filtered(source, tmp_path / "first.parquet", 0.5, rule=1)
    with pytest.raises(UsageError, match="rule 1"):
        filtered(tmp_path / "first.parquet", tmp_path / "second.parquet", 0.5, rule=1)


def test_different_events_with_equal_ids_are_kept_independently(generated: EventBatch, tmp_path: Path) -> None:
    other = random_events(N, seed=12)
    other = replace(
        other, event={**other.event, **{name: generated.event[name] for name in ("experiment", "run", "evtNum")}}
    )
    fates = []
    for name, batch in (("a", generated), ("b", other)):
        source = write(batch, tmp_path / f"{name}.parquet")
        filtered(source, tmp_path / f"{name}_kept.parquet", 0.5)
        fates.append(read_table(tmp_path / f"{name}_kept.s.parquet")["is_kept"])
    assert abs((fates[0] & fates[1]).sum() - N / 4) < 4.5 * np.sqrt(N * 3 / 16)
