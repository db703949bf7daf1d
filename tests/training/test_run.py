from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training.toys import toy_events, toy_flags, toy_probability, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.errors import DatasetError, ModelError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.graphs import build_graphs
from smartbkg.graphs.collate import collate
from smartbkg.networks import load_bundle
from smartbkg.sampling import policy_from_dict
from smartbkg.scores.metrics import area_under_curve
from smartbkg.storage.atomic import sole_writer
from smartbkg.training import loop
from smartbkg.training.checkpoint import checkpoint_path
from smartbkg.training.config import TrainingConfig, parse_training_config
from smartbkg.training.input import data as data_module
from smartbkg.training.progress.reporting import EpochMetrics, Reporter, log_paths
from smartbkg.training.run import TrainingOutcome, train

SMALL = {"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2, "emb_size": 4}


def settings(**overrides: Any) -> TrainingConfig:
    content: dict[str, Any] = {
        "network": dict(SMALL),
        "sampling": {"events_per_epoch": 1024},
        "optimiser": {"epochs": 3, "batch_size": 128, "learning_rate": 5e-3},
        "run": {"threads": 1, "seed": 3, "device": "cpu"},
    }
    for dotted, value in overrides.items():
        section, _, key = dotted.partition("__")
        content.setdefault(section, {})[key] = value
    return parse_training_config(content)


def make_sample(folder: Path, n_events: int, seed: int, run: int = 1, **options: Any) -> tuple[EventBatch, Path]:
    events = toy_events(n_events, seed, run=run)
    write_events(folder / f"F{run}.parquet", events)
    write_flags(folder / f"R{run}.parquet", toy_flags(events, seed))
    path = folder / f"T{run}.parquet"
    build_dataset([folder / f"F{run}.parquet"], [folder / f"R{run}.parquet"], path, DatasetOptions(**options))
    return events, path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample(tmp_path_factory.mktemp("data"), 3000, 1, skims=("kaons",))[1]


def weights_of(path: Path) -> dict[str, np.ndarray]:
    return dict(load_bundle(path).state)


def assert_same_weights(first: Path, second: Path) -> None:
    one, other = weights_of(first), weights_of(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


class Interrupting(Reporter):
    """Does something at a given step."""

    def __init__(self, at: int, action: Any) -> None:
        self.at, self.action, self.n_steps, self.notes = at, action, 0, []  # type: ignore[var-annotated]

    def step(self, epoch: int, fraction: float, loss: float) -> None:
        self.n_steps += 1
        if self.n_steps == self.at:
            self.action()

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingOutcome]:
    output = tmp_path_factory.mktemp("undisturbed") / "M.safetensors"
    return output, train([data], output, settings())


def test_network_learns_and_its_scores_are_probabilities_at_the_true_retention(tmp_path: Path) -> None:
    _, path = make_sample(tmp_path, 6000, 1, skims=("kaons",))
    outcome = train([path], tmp_path / "M.safetensors", settings(optimiser__epochs=10, sampling__events_per_epoch=3000))
    fresh = toy_events(4000, 99, run=9)
    bundle = load_bundle(tmp_path / "M.safetensors")
    with torch.no_grad():
        logits = bundle.build()(collate(build_graphs(fresh, bundle.graph_rule))).numpy()
    score = bundle.calibration.apply(logits)[:, 0]
    truth = toy_probability(fresh)
    label = np.random.default_rng(0).random(len(truth)) < truth
    best = area_under_curve(label, truth)
    assert area_under_curve(label, score) > 0.5 + 0.75 * (best - 0.5)
    assert score.mean() == pytest.approx(truth.mean(), rel=0.15)
    high = score > np.quantile(score, 0.8)
    assert score[high].mean() == pytest.approx(truth[high].mean(), rel=0.2)
    assert outcome.metrics[0].auc == pytest.approx(area_under_curve(label, score), abs=0.05)
    keep = policy_from_dict(bundle.policy or {}).keep_probability(score)
    assert (keep > 0).all()


def test_same_seed_gives_the_same_weights_and_another_seed_others(
    data: Path, undisturbed: tuple[Path, TrainingOutcome], tmp_path: Path
) -> None:
    train([data], tmp_path / "again.safetensors", settings())
    assert (tmp_path / "again.safetensors").read_bytes() == undisturbed[0].read_bytes()
    train([data], tmp_path / "other.safetensors", settings(run__seed=4, optimiser__epochs=1))
    first, other = weights_of(undisturbed[0]), weights_of(tmp_path / "other.safetensors")
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_training_goes_on_to_the_same_weights(
    data: Path, undisturbed: tuple[Path, TrainingOutcome], tmp_path: Path, number: int
) -> None:
    output = tmp_path / "M.safetensors"
    reporter = Interrupting(13, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        train([data], output, settings(), reporter=reporter)
    assert not output.exists()
    assert checkpoint_path(output).exists()
    resumed = Interrupting(0, None)
    train([data], output, settings(), reporter=resumed)
    assert any("going on after epoch 1, step 5" in note for note in resumed.notes)
    assert_same_weights(output, undisturbed[0])
    assert not checkpoint_path(output).exists()


@pytest.mark.slow
def test_training_killed_at_once_goes_on_to_the_same_weights(
    data: Path, undisturbed: tuple[Path, TrainingOutcome], tmp_path: Path
) -> None:
    output = tmp_path / "M.safetensors"
    (tmp_path / "C.yaml").write_text(json.dumps(settings(run__checkpoint_minutes=1e-4).model_dump(mode="json")))
    command = [str(Path(sys.executable).with_name("smartbkg")), "train", str(data), "-o", str(output), "-c", "C.yaml"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert checkpoint_path(output).exists()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert_same_weights(output, undisturbed[0])


def test_checkpoint_of_other_settings_is_not_continued(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "M.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train([data], output, settings(), reporter=Interrupting(3, lambda: os.kill(os.getpid(), signal.SIGINT)))
    reporter = Interrupting(0, None)
    train([data], output, settings(optimiser__epochs=1, optimiser__batch_size=64), reporter=reporter)
    assert any("another configuration: beginning anew" in note for note in reporter.notes)


def test_full_disk_leaves_the_old_checkpoint_and_training_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "M.safetensors"
    real, calls = loop.save_checkpoint, []

    def fails_after_first(path: Path, state: Any) -> None:
        calls.append(path.read_bytes() if path.exists() else b"")
        if len(calls) > 1:
            raise SmartBKGError(f"{path}: no space left on the disk; nothing was written")
        real(path, state)

    def fails(output: Path, history: Any) -> None:
        raise SmartBKGError(f"{output}.log.csv: no space left on the disk; nothing was written")

    monkeypatch.setattr(loop, "save_checkpoint", fails_after_first)
    monkeypatch.setattr(loop, "write_logs", fails)
    reporter = Interrupting(0, None)
    train([data], output, settings(), reporter=reporter)
    assert len(calls) == 3
    assert calls[1] == calls[2] != b""
    refusals = [note for note in reporter.notes if "training goes on: " in note and "no space left" in note]
    assert sum(note.startswith("checkpoint") for note in refusals) == 2
    assert sum(note.startswith("log") for note in refusals) == 3
    assert output.exists()


def test_interruption_on_a_full_disk_does_not_promise_a_state(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, state: Any) -> None:
        raise SmartBKGError(f"{path}: no space left on the disk; nothing was written")

    monkeypatch.setattr(loop, "save_checkpoint", fails)
    reporter = Interrupting(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train([data], tmp_path / "M.safetensors", settings(), reporter=reporter)
    assert any("checkpoint not written" in note for note in reporter.notes)
    assert not any("goes on from here" in note for note in reporter.notes)


def test_second_training_into_the_same_file_is_refused(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "M.safetensors"
    with sole_writer(output), pytest.raises(UsageError, match="another process is making it"):
        train([data], output, settings())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sampling": {"symmetries": "mirror"}}, "expected a list"),
        ({"network": {"architecture": "gatgp"}}, "did you mean 'gatgap'"),
        ({"network": {"architecture": "gatgap", "unit": 3}}, "did you mean 'units'"),
        ({"graph": {"cut": []}}, "C.yaml: graph rule: unknown key 'cut'"),
        ({"data": {"skims": ["a", "b", "a"]}}, "'a' is named twice"),
        ({"data": {"cross_sections": {"mixed": 0.5, "charged": -1}}}, "cross-section of 'charged' is -1.0"),
        ({"loss": {"importance": {"a": float("nan")}}}, "loss.importance.a"),
        ({"optimiser": {"learning_rate": float("inf")}}, "finite"),
    ],
)
def test_configuration_that_cannot_work_is_refused_before_training(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        parse_training_config(content, "C.yaml")


def test_diverging_loss_goes_back_with_a_smaller_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.Trainer._step, []

    def poisoned(self: loop.Trainer, batch: Any) -> float:
        calls.append(self.optimiser.param_groups[0]["lr"])
        if len(calls) in (12, 14):
            raise loop._DivergedError("loss nan")
        return real(self, batch)

    monkeypatch.setattr(loop.Trainer, "_step", poisoned)
    reporter = Interrupting(0, None)
    train([data], tmp_path / "M.safetensors", settings(optimiser__schedule="constant"), reporter=reporter)
    assert sum("back to the last good state" in note for note in reporter.notes) == 2
    assert calls[0] == 5e-3
    assert calls[-1] == pytest.approx(5e-3 / 4)
    assert len(calls) == 3 * 8 + 4 + 2  # the epoch was begun again from its start, twice


def test_loss_that_stays_nan_stops_with_one_clear_line(data: Path, tmp_path: Path) -> None:
    config = settings(optimiser__learning_rate=1e30, optimiser__gradient_norm=1e30, optimiser__schedule="constant")
    with pytest.raises(ModelError, match=r"training diverges: .* try a smaller optimiser\.learning_rate") as caught:
        train([data], tmp_path / "M.safetensors", config)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "M.safetensors").exists()


def test_early_stopping_keeps_the_best_epoch(data: Path, tmp_path: Path) -> None:
    config = settings(
        optimiser__epochs=30, optimiser__learning_rate=5e-2, optimiser__stop_patience=2, optimiser__schedule="plateau"
    )
    outcome = train([data], tmp_path / "M.safetensors", config)
    assert len(outcome.history) < 30
    best = min(outcome.history, key=lambda row: row.validation_loss)
    assert outcome.history[-1].epoch == best.epoch + 2


def test_logs_hold_each_epoch_once(data: Path, undisturbed: tuple[Path, TrainingOutcome]) -> None:
    table, lines = log_paths(undisturbed[0])
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert set(rows[0]) == set(EpochMetrics._fields)
    assert [json.loads(line)["epoch"] for line in lines.read_text().splitlines()] == [1, 2, 3]


def test_model_file_tells_how_it_was_made(undisturbed: tuple[Path, TrainingOutcome]) -> None:
    bundle = load_bundle(undisturbed[0])
    assert bundle.skims == ("kaons",)
    assert bundle.training["inputs"][0]["name"] == "T1.parquet"
    assert bundle.training["split"]["validation_fraction"] == 0.15
    assert len(bundle.training["history"]) == 3
    figures = bundle.metrics["validation"]["kaons"]
    assert figures["speed_up_error"] > 0
    assert figures["auc"] == undisturbed[1].metrics[0].auc


def test_graphs_on_disk_give_the_weights_of_graphs_in_memory(
    undisturbed: tuple[Path, TrainingOutcome], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_module, "MEGABYTE", 40)  # 512 of them, the default, are 20 kB
    train([data], tmp_path / "M.safetensors", settings())
    assert_same_weights(tmp_path / "M.safetensors", undisturbed[0])


def test_several_skims_several_files_and_masks_of_skims_not_run(tmp_path: Path) -> None:
    _, both = make_sample(tmp_path, 2500, 1, run=1)
    _, one = make_sample(tmp_path, 2500, 2, run=2, skims=("muons",))
    config = settings(loss__importance={"muons": 2.0}, optimiser__epochs=2)
    outcome = train([both, one], tmp_path / "M.safetensors", config)
    assert [figures.skim for figures in outcome.metrics] == ["kaons", "muons"]
    assert outcome.metrics[1].n_passing > 0
    assert load_bundle(tmp_path / "M.safetensors").policy["importance"] == [1.0, 2.0]  # type: ignore[index]


@pytest.mark.parametrize("name", ["speed_up", "optimal_speed_up"])
def test_speed_up_losses_train(data: Path, tmp_path: Path, name: str) -> None:
    outcome = train([data], tmp_path / "M.safetensors", settings(loss__name=name, optimiser__epochs=5))
    assert outcome.history[-1].validation_loss < outcome.history[0].validation_loss
    assert outcome.metrics[0].auc > 0.55


def test_transformer_with_processes_mixed_precision_and_decorrelation_trains(tmp_path: Path) -> None:
    _, path = make_sample(tmp_path, 2500, 1, skims=("kaons",))
    content = settings(optimiser__epochs=1, run__precision="bfloat16", loss__decorrelate=["nTracks"]).model_dump()
    content["network"] = {"architecture": "transformer", "width": 16, "n_layers": 1}
    outcome = train([path], tmp_path / "M.safetensors", parse_training_config(content))
    assert "mixed" in outcome.bundle.processes


def test_decorrelated_scores_know_less_of_the_variable(tmp_path: Path) -> None:
    events, path = make_sample(tmp_path, 4000, 1, skims=("kaons",))
    correlation = []
    for strength in (0.0, 20.0):
        config = settings(
            optimiser__epochs=6, loss__decorrelate=["nTracks"], loss__decorrelation_strength=strength,
            sampling__events_per_epoch=2048,
        )  # fmt: skip
        train([path], tmp_path / f"M{strength}.safetensors", config)
        bundle = load_bundle(tmp_path / f"M{strength}.safetensors")
        with torch.no_grad():
            logits = bundle.build()(collate(build_graphs(events, bundle.graph_rule))).numpy()[:, 0]
        correlation.append(abs(np.corrcoef(logits, events.counts)[0, 1]))
    assert correlation[1] < 0.5 * correlation[0]


def test_fine_tuning_starts_from_the_other_model(data: Path, tmp_path: Path) -> None:
    train([data], tmp_path / "A.safetensors", settings(optimiser__epochs=6))
    start = load_bundle(tmp_path / "A.safetensors")
    _, both = make_sample(tmp_path, 2500, 7, run=5)
    config = settings(optimiser__epochs=1, optimiser__learning_rate=1e-7)
    content = config.model_dump() | {"network": {"architecture": "gatgap"}}
    train([both], tmp_path / "B.safetensors", parse_training_config(content), init_from=tmp_path / "A.safetensors")
    tuned = load_bundle(tmp_path / "B.safetensors")
    assert tuned.skims == ("kaons", "muons")
    for name, value in start.state.items():
        ours = tuned.state[name][:1] if name.startswith("fc_output") else tuned.state[name]
        np.testing.assert_allclose(ours, value, atol=1e-5)
    with pytest.raises(ModelError, match="is a 'gatgap', the configuration asks for a 'transformer'"):
        train(
            [both], tmp_path / "C.safetensors",
            parse_training_config({"network": {"architecture": "transformer"}}),
            init_from=tmp_path / "A.safetensors",
        )  # fmt: skip
    other_rule = parse_training_config(content | {"graph": {"cuts": ["abs(x) < 5"]}})
    with pytest.raises(ModelError, match=r"another graph rule \(cuts\)"):
        train([both], tmp_path / "C.safetensors", other_rule, init_from=tmp_path / "A.safetensors")


def test_too_few_passing_events_are_refused(tmp_path: Path) -> None:
    _, path = make_sample(tmp_path, 150, 1, skims=("kaons",))
    with pytest.raises(DatasetError, match=r"passing and .* failing events of 'kaons' for validation, at least 10"):
        train([path], tmp_path / "M.safetensors", settings())


def test_shared_events_unknown_skims_devices_and_folders_are_refused(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "M.safetensors"
    with pytest.raises(DatasetError, match="3000 events occur more than once"):
        train([data, data], output, settings())
    with pytest.raises(DatasetError, match="no labels of the skim 'kaon': did you mean 'kaons'"):
        train([data], output, settings(data__skims=["kaon"]))
    with pytest.raises(UsageError, match="device 'gpu7'"):
        train([data], output, settings(run__device="gpu7"))
    with pytest.raises(UsageError, match="its folder does not exist"):
        train([data], tmp_path / "none" / "M.safetensors", settings())
    with pytest.raises(UsageError, match="unknown skim 'kaon'"):
        train([data], output, settings(loss__importance={"kaon": 1.0}))
    with pytest.raises(DatasetError, match="no event-level variable 'ntracks': did you mean 'nTracks'"):
        train([data], output, settings(loss__decorrelate=["ntracks"]))


def test_time_limit_ends_after_an_epoch(data: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = train([data], tmp_path / "M.safetensors", settings(optimiser__epochs=500, run__max_minutes=1e-4))
    assert len(outcome.history) == 1
    assert time.monotonic() - began < 60


def test_widths_without_kernels_train_and_are_evaluated_by_torch(data: Path, tmp_path: Path) -> None:
    content = settings(optimiser__epochs=1).model_dump()
    content["network"] = {"architecture": "transformer", "width": 24, "heads": 4, "n_layers": 1, "emb_size": 4}
    outcome = train([data], tmp_path / "m.safetensors", parse_training_config(content))
    assert np.isfinite(outcome.history[0].auc)
