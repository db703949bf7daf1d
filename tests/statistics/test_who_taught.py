"""Who has taught does not evaluate: by events, through real trainings, whatever file the events come in later."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from toy_surrogate import ToySurrogate
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.combine import merge_datasets
from smartbkg.datasets.split import TRAINING, VALIDATION, assign_split
from smartbkg.evaluation.scored_dataset import score_dataset
from smartbkg.events.columns import EVENT_ID
from smartbkg.io import open_events
from smartbkg.networks.bundle import load_bundle
from smartbkg.networks.model_file import load_scorer
from smartbkg.training.config import TrainingConfig, parse_training_config
from smartbkg.training.run import train
from smartbkg.training.surrogate.asked_events import AskedEvents, ask_datasets

N = 1500


class Trainings(NamedTuple):
    """A model and one that started from it, each with the data set that taught it, and one that taught nobody."""

    first: Path
    second: Path
    of_first: Path
    of_second: Path
    fresh: Path


def config() -> TrainingConfig:
    return parse_training_config(
        {
            "network": {
                "architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2, "emb_size": 4,
            },
            "sampling": {"events_per_epoch": 256},
            "optimiser": {"epochs": 1, "batch_size": 128},
            "run": {"threads": 1, "device": "cpu"},
        }
    )  # fmt: skip


def dataset(folder: Path, run: int) -> Path:
    events = toy_events(N, run, run=run)
    write_events(folder / f"F{run}.parquet", events)
    write_flags(folder / f"R{run}.parquet", toy_flags(events, run))
    path = folder / f"T{run}.parquet"
    build_dataset([folder / f"F{run}.parquet"], [folder / f"R{run}.parquet"], path, DatasetOptions(skims=("kaons",)))
    return path


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    folder = tmp_path_factory.mktemp("trainings")
    paths = [dataset(folder, run) for run in (1, 2, 3)]
    train([paths[0]], folder / "first.safetensors", config())
    train([paths[1]], folder / "second.safetensors", config(), init_from=folder / "first.safetensors")
    return Trainings(folder / "first.safetensors", folder / "second.safetensors", *paths)


def judged_on(model: Path, data: Path) -> int:
    return len(score_dataset(data, load_scorer(model), training=load_bundle(model).training).events)


def test_a_training_from_a_model_records_what_taught_that_one(trainings: Trainings) -> None:
    first, second = (load_bundle(path).training for path in (trainings.first, trainings.second))
    assert "ancestors" not in first
    (ancestor,) = second["ancestors"]
    assert ancestor["membership"] == first["membership"]
    assert ancestor["split"] == first["split"]


def test_events_that_taught_a_model_or_its_start_do_not_judge_it(trainings: Trainings, tmp_path: Path) -> None:
    """Also after the file's bytes have changed: here by a merge with events that taught nobody."""
    merged = tmp_path / "merged.parquet"
    merge_datasets([trainings.of_first, trainings.fresh], merged)
    assert judged_on(trainings.first, trainings.fresh) == judged_on(trainings.second, trainings.fresh) == N
    assert judged_on(trainings.first, trainings.of_second) == N
    for model in (trainings.first, trainings.second):
        assert judged_on(model, trainings.of_first) < 0.3 * N
        assert judged_on(model, merged) < 0.3 * 2 * N
    assert judged_on(trainings.second, trainings.of_second) < 0.3 * N


def asked(model: Path, data: Path) -> AskedEvents:
    return ask_datasets(
        load_bundle(model), str(model), [data], ToySurrogate(), [2], seed=1, max_events=10**6, threads=1,
        progress=lambda _: None,
    )[0]  # fmt: skip


def test_a_surrogate_is_fitted_on_events_that_did_not_teach_the_network(trainings: Trainings, tmp_path: Path) -> None:
    """Whether the file is the one of the training or was written anew, and where the training started elsewhere."""
    rewritten = tmp_path / "rewritten.parquet"
    build_dataset([trainings.of_first], [], rewritten, DatasetOptions(skims=("kaons",)))
    assert rewritten.read_bytes() != trainings.of_first.read_bytes()
    with open_events(rewritten) as reader:
        ids = {name: np.concatenate([b.event[name] for b in reader.batches()]) for name in EVENT_ID}
    split = load_bundle(trainings.first).training["split"]
    parts = assign_split(ids, split["validation_fraction"], split["test_fraction"], split["split_seed"])
    assert len(asked(trainings.first, trainings.of_first)) == (parts == VALIDATION).sum()
    assert len(asked(trainings.first, rewritten)) == (parts == VALIDATION).sum()
    assert len(asked(trainings.second, rewritten)) == (parts != TRAINING).sum()
    assert len(asked(trainings.second, trainings.fresh)) == N
