"""The configuration of a training: what is written is valid, what is mistaken names the nearest key."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from smartbkg.cli import command_line
from smartbkg.errors import UsageError
from smartbkg.training.config import TrainingConfig


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(command_line, ["config", *map(str, words)])


def test_the_configuration_that_is_written_is_valid_and_holds_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    assert run("init", path).exit_code == 0
    assert run("validate", path).exit_code == 0
    assert TrainingConfig.model_validate(yaml.safe_load(path.read_text())) == TrainingConfig()


def test_a_key_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("optimizer: {epochs: 3}\n")
    result = run("validate", path)
    assert isinstance(result.exception, UsageError)
    assert "unknown key 'optimizer': did you mean 'optimiser'" in str(result.exception)


def test_a_file_that_exists_is_replaced_on_request_alone(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("mine")
    assert "--force replaces it" in str(run("init", path).exception)
    assert path.read_text() == "mine"
    assert run("init", path, "--force").exit_code == 0


def test_dump_shows_every_value_with_the_changes(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("run: {seed: 77}\n")
    assert yaml.safe_load(run("dump", path, "--set", "data.memory_megabytes=64").output)["run"]["seed"] == 77


def test_the_schema_is_json_that_describes_each_section() -> None:
    schema = json.loads(run("schema").output)
    assert set(TrainingConfig.model_fields) <= set(schema["properties"])
