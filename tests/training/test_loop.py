"""The training loop by its parts: the share of each step, the size of a step, and the way through a divergence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.errors import ModelError
from smartbkg.graphs import GraphRule
from smartbkg.networks import build_model, parse_config
from smartbkg.training.checkpoint import Checkpoint, load_checkpoint
from smartbkg.training.config import parse_training_config
from smartbkg.training.distributed import Workers
from smartbkg.training.input.data import TrainingData, load_training_data
from smartbkg.training.loop import MOST_RECOVERIES, Trainer
from smartbkg.training.progress.reporting import Reporter

NETWORK = {"architecture": "deepset", "units": 8, "emb_size": 2}


class Notes(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("loop")
    events = toy_events(1200, 1)
    build_dataset(
        [write_events(folder / "F.parquet", events)], [write_flags(folder / "R.parquet", toy_flags(events))],
        folder / "T.parquet", DatasetOptions(("kaons",)),
    )  # fmt: skip
    return load_training_data([folder / "T.parquet"], GraphRule(), folder)


def trainer(data: TrainingData, folder: Path, **optimiser: Any) -> Trainer:
    settings = {"epochs": 2, "batch_size": 100, "learning_rate": 0.01} | optimiser
    content = {"network": NETWORK, "sampling": {"events_per_epoch": 250}, "optimiser": settings}
    config = parse_training_config(content)
    torch.manual_seed(0)
    network = parse_config(NETWORK)
    return Trainer(
        build_model(network), data, config, network=network, device=torch.device("cpu"), workers=Workers(),
        output=folder / "m.safetensors", checkpoint=folder / "m.checkpoint", identity={"data": "x"}, reporter=Notes(),
    )  # fmt: skip


def test_steps_of_an_epoch_are_whole_batches_and_a_rest(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path)
    places = loop._places(250)
    assert loop.steps_per_epoch == len(places) == 3
    np.testing.assert_array_equal(np.concatenate(places), np.arange(250))
    loop.position.step = 2
    (rest,) = loop._places(250)
    np.testing.assert_array_equal(rest, np.arange(200, 250))


def test_processes_share_each_step_without_gap_or_overlap(data: TrainingData, tmp_path: Path) -> None:
    loops = [trainer(data, tmp_path) for _ in range(3)]
    for rank, loop in enumerate(loops):
        loop.workers = Workers(rank, 3)
    for parts in zip(*(loop._places(250) for loop in loops), strict=True):
        together = np.sort(np.concatenate(parts))
        np.testing.assert_array_equal(together, np.arange(together[0], together[-1] + 1))
    assert sum(len(part) for loop in loops for part in loop._places(250)) == 250


def test_a_step_that_diverges_leaves_the_weights_and_halves_the_step(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path)
    good = loop._state()
    loop.model.fc_output.bias.data.fill_(torch.inf)
    batch = SimpleNamespace(graphs=None, events=np.arange(4))
    loop.model.forward = lambda graphs: loop.model.fc_output.bias.expand(4, 1)  # type: ignore[method-assign]
    with pytest.raises(Exception, match=r"loss (nan|inf) at step 1 of epoch 1") as caught:
        loop._step(batch)  # type: ignore[arg-type]
    loop._recover(good, caught.value)  # type: ignore[arg-type]
    assert torch.isfinite(loop.model.fc_output.bias).all()
    assert loop.position.damping == 0.5
    assert "back to the last good state, with 0.5 of the step" in loop.reporter.notes[-1]  # type: ignore[attr-defined]


def test_training_gives_up_after_a_few_divergences_and_says_what_to_try(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path)
    good = loop._state()
    for _ in range(MOST_RECOVERIES):
        loop._recover(good, RuntimeError("loss nan"))  # type: ignore[arg-type]
    assert loop.position.damping == 0.5**MOST_RECOVERIES
    with pytest.raises(ModelError, match=r"training diverges: loss nan.*smaller optimiser\.learning_rate, now 0\.01"):
        loop._recover(good, RuntimeError("loss nan"))  # type: ignore[arg-type]


def test_the_step_follows_schedule_reductions_and_damping(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path, schedule="constant")
    assert loop._set_rate(3) == pytest.approx(0.01)
    loop.position.damping = 0.25
    assert loop._set_rate(3) == pytest.approx(0.0025)
    assert {group["lr"] for group in loop.optimiser.param_groups} == {loop._set_rate(3)}
    rising = trainer(data, tmp_path, schedule="one_cycle", epochs=10)
    first = rising._set_rate(3)
    rising.position.epoch = 1
    assert rising._set_rate(3) > first
    rising.position.epoch, rising.position.step = 9, 2
    assert rising._set_rate(3) < first


def test_a_saved_state_restores_weights_moments_and_position(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path)
    loop._epoch()
    saved = load_checkpoint(loop.checkpoint)
    other = trainer(data, tmp_path)
    other.restore(saved)
    assert other.position.to_dict() == loop.position.to_dict()
    for name, tensor in loop.model.state_dict().items():
        assert torch.equal(other.model.state_dict()[name], tensor), name
    for mine, theirs in zip(loop.model.parameters(), other.model.parameters(), strict=True):
        for key, value in loop.optimiser.state[mine].items():
            assert torch.equal(other.optimiser.state[theirs][key], value), key
    loop._epoch()
    other._epoch()
    assert loop.position.history[-1].reproducible() == other.position.history[-1].reproducible()


def test_a_state_of_another_network_is_refused(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path)
    state = loop._state()
    wrong = {name: tensor for name, tensor in state.tensors.items() if name != "model/fc_output.bias"}
    with pytest.raises(ModelError, match="checkpoint of another network"):
        loop.restore(Checkpoint(wrong, state.progress, state.identity))


def test_a_refused_checkpoint_is_told_and_training_goes_on(data: TrainingData, tmp_path: Path) -> None:
    loop = trainer(data, tmp_path)
    loop.checkpoint = tmp_path / "absent" / "m.checkpoint"
    loop.output = tmp_path / "absent" / "m.safetensors"
    loop._epoch()
    notes = loop.reporter.notes  # type: ignore[attr-defined]
    assert any(note.startswith("checkpoint not written, training goes on") for note in notes)
    assert any(note.startswith("log not written, training goes on") for note in notes)
    assert loop.position.epoch == 1
