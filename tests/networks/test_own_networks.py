"""A network of a user's own is trained, stored and run as others are; its code is never run unasked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training.toys import toy_events, toy_flags, write_events, write_flags

import smartbkg as sb
from smartbkg.errors import ModelError, UsageError
from smartbkg.networks import ModelConfig, build_model, parse_config, use_network
from smartbkg.networks.architectures import architecture_named

NETWORK = '''
import torch
from smartbkg.networks.layers import pool_with_mean


class {name}(torch.nn.Module):
    """The mean of the particles' embeddings, then one linear layer."""

    def __init__(self, config):
        super().__init__()
        self.embedding = torch.nn.Embedding(config.num_pdg + 1, 8)
        self.output = torch.nn.Linear(8, config.n_skims)

    def forward(self, batch):
        return self.output(pool_with_mean(self.embedding(batch.token), batch))
'''


class Constant(torch.nn.Module):
    class Config(ModelConfig):
        architecture: str = "constant-of-the-tests"
        start: float = 0.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.full((config.n_skims,), config.start))


Constant.forward = lambda self, batch: self.logits.expand(batch.n_graphs, -1)  # type: ignore[attr-defined]


def test_settings_of_a_class_are_those_of_its_config():
    name = use_network(Constant)
    assert name == "constant-of-the-tests"
    model = build_model({"architecture": name, "start": 2.5, "n_skims": 3})
    assert model.logits.tolist() == [2.5] * 3
    with pytest.raises(ModelError, match=r"unknown key 'strat'.*start"):
        parse_config({"architecture": name, "strat": 1.0})


def test_a_class_inside_a_function_will_do():
    class Inner(Constant):
        """Inherits a Config, which names another network: it gets one of its own."""

    assert use_network(Inner) == "Inner"
    assert architecture_named("Inner").load("network") is Inner


def test_what_is_no_network_or_takes_a_name_is_refused():
    with pytest.raises(ModelError, match="expected a class with a method forward"):
        use_network(int)

    class Taken(torch.nn.Module):
        class Config(ModelConfig):
            architecture: str = "gatgap"

    with pytest.raises(ModelError, match="'gatgap' exists already"):
        use_network(Taken)


@pytest.mark.slow
def test_a_class_of_a_file_is_trained_and_its_model_needs_the_file_by_name(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_network_of_a_test.py").write_text(NETWORK.format(name="OwnNetwork"))
    events = toy_events(900, 1)
    source = write_events(tmp_path / "F.parquet", events)
    flags = write_flags(tmp_path / "R.parquet", toy_flags(events))
    model = sb.train(
        source, flags, skim="kaons", output=tmp_path / "m.safetensors",
        network=f"{tmp_path}/own_network_of_a_test.py:OwnNetwork", settings={"optimiser.epochs": 1, "run.threads": 1},
    )  # fmt: skip
    kept = sb.filter(source, model, output=tmp_path / "kept.parquet")
    assert 0 < kept.counted["kept"] <= 900

    command = [
        sys.executable,
        "-m",
        "smartbkg",
        "score",
        str(source),
        "--model",
        str(model.path),
        "-o",
        "scores.parquet",
    ]
    alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.returncode == 1
    assert "unknown architecture 'OwnNetwork'" in alone.stderr
    assert "SMARTBKG_PLUG_INS" in alone.stderr
    monkeypatch.setenv("SMARTBKG_PLUG_INS", "own_network_of_a_test.py:OwnNetwork")
    named = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert named.returncode == 0, named.stderr


def test_a_file_that_is_not_there_is_one_line():
    with pytest.raises(UsageError, match=r"no file nowhere\.py"):
        use_network("nowhere.py:Net")
