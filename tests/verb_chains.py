"""Samples that go through one verb after the other, and what the truth says of the generated events behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from synthetic import random_events

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.header import read_header
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import filter_file
from smartbkg.io import create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.io.tables import write_table
from smartbkg.sampling.policies import OptimalPolicy
from smartbkg.sampling.weights import generator_weights, sampling_weights
from smartbkg.storage.provenance import record

N = 2000
WEIGHTS = {
    "0.01": lambda random: np.full(N, 0.01),
    "1": lambda random: np.ones(N),
    "100": lambda random: np.full(N, 100.0),
    "lognormal": lambda random: random.lognormal(0.0, 0.5, N),
    "20 % negative": lambda random: np.where(random.random(N) < 0.2, -1.0, 1.0),
}


class MomentumScorer:
    """The score is a function of an event's largest momentum: known, and the same wherever the event comes from."""

    skims = ("tag",)
    n_unknown_codes = 0

    def logits(self, batch: EventBatch) -> NDArray[np.float32]:
        largest = np.zeros(len(batch))
        np.maximum.at(largest, batch.event_index, np.abs(batch.particle["px"].astype(np.float64)))
        return (2 * largest - 4)[:, None].astype(np.float32)

    def calibrate(self, logits: NDArray[np.float32], process: object = None) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-logits.astype(np.float64)))


@dataclass
class Sample:
    """A file, and what the truth says of the generated events behind it."""

    path: Path
    flags: Path
    sum_weight: float
    retention: float


def generated(folder: Path, weights: str, name: str = "events", seed: int = 1) -> Sample:
    random = np.random.default_rng(seed)
    batch = random_events(N, seed=seed, first_event=seed * 1_000_000)
    batch = batch.with_event_columns(weight=WEIGHTS[weights](random))
    scorer = MomentumScorer()
    passes = random.random(N) < scorer.calibrate(scorer.logits(batch))[:, 0]
    path, flags = folder / f"{name}.parquet", folder / f"{name}_flags.parquet"
    with create_events(path, record("events", 1, {})) as writer:
        writer.write(batch)
    columns = {n: batch.event[n] for n in EVENT_ID} | {"passes_tag": passes, "hardness": scorer.logits(batch)[:, 0]}
    write_table(flags, columns, record("flags", 1, {}))
    return Sample(path, flags, float(batch.event["weight"].sum()), float(passes.mean()))


def after_filter(sample: Sample, output: Path) -> Sample:
    event_filter = EventFilter(MomentumScorer(), OptimalPolicy(1.5, 10.0), seed=0)
    filter_file(sample.path, output, event_filter, settings={"seed": 0, "skims": ["tag"]})
    return replace(sample, path=output)


def after_convert(sample: Sample, output: Path) -> Sample:
    convert_events([sample.path], output)
    return replace(sample, path=output)


def after_dataset(sample: Sample, output: Path) -> Sample:
    build_dataset([sample.path], [sample.flags], output, DatasetOptions(missing="drop", failing_per_passing=1.5))
    return replace(sample, path=output)


VERBS = {"filter": after_filter, "convert": after_convert, "dataset": after_dataset}


def check(sample: Sample) -> None:
    """Σw, the number of generated events and the retention, each within five standard deviations of the truth."""
    with open_events(sample.path) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    stands_for, w = sampling_weights(batch.event), generator_weights(batch.event)
    for values, truth in ((stands_for * w, sample.sum_weight), (stands_for, float(N))):
        error = np.sqrt((values**2 * (1 - 1 / stands_for)).sum())
        assert abs(values.sum() - truth) < 5 * error + 1e-6 * abs(truth), (values.sum(), truth, error)
    if "keep_probability" in batch.event:
        np.testing.assert_allclose(batch.event["weight"] * batch.event["keep_probability"], w, rtol=1e-6)
    if "label" in batch.event:
        passing = stands_for * batch.event["label"]
        error = np.sqrt((passing**2 * (1 - 1 / stands_for)).sum()) / N + 5e-3
        assert abs(passing.sum() / stands_for.sum() - sample.retention) < 5 * error
        if sample.path.name.startswith("dataset"):
            total = read_header(sample.path).summary.total
            assert abs(total.retention("tag") - sample.retention) < 5 * error
