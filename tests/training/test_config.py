"""A configuration says at once what cannot work, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smartbkg.errors import UsageError
from smartbkg.sampling import Costs
from smartbkg.training.config import TrainingConfig, as_yaml, parse_training_config, read_config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"optimizer": {}}, "optimiser"),
        ({"optimiser": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"optimiser": {"epochs": 0}}, "epochs"),
        ({"data": {"validation_fraction": 0.6, "test_fraction": 0.4}}, "leave no events to train on"),
        ({"data": {"skims": ["a", "a"]}}, "'a' is named twice"),
        ({"data": {"cross_sections": {"mixed": -1.0}}}, "cross-section of 'mixed' is -1.0"),
        ({"network": {"architecture": "gatgapp"}}, "did you mean 'gatgap'"),
        ({"network": {"unit": 3}}, "did you mean 'units'"),
        ({"graph": {"cuts": ["abs(q) < 1"]}}, "q"),
        ({"run": {"precision": "float16"}}, "precision"),
    ],
    ids=str,
)
def test_mistakes_name_the_key_and_the_nearest(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_training_config(content)


def test_a_written_configuration_reads_back_the_same(tmp_path: Path) -> None:
    config = parse_training_config({"optimiser": {"epochs": 3}, "loss": {"importance": {"a": 2.0}}})
    path = tmp_path / "c.yaml"
    path.write_text(as_yaml(config))
    assert read_config(path) == config


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("optimiser:\n  epochs: 3\n  batch_size: 64\n")
    config = read_config(path, {"optimiser.epochs": 7})
    assert (config.optimiser.epochs, config.optimiser.batch_size) == (7, 64)


@pytest.mark.parametrize(("text", "message"), [("epochs: [", "YAML"), ("- 1\n", "expected")])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_config(path)


def test_the_learning_rate_is_given_or_that_of_the_architecture() -> None:
    config = TrainingConfig()
    assert config.learning_rate_of("gatgap") == 5e-3
    assert config.learning_rate_of("transformer") == 1e-3
    given = parse_training_config({"optimiser": {"learning_rate": 0.5}})
    assert given.learning_rate_of("transformer") == 0.5


def test_costs_of_the_policy_are_belle_ii_s_unless_given() -> None:
    assert TrainingConfig().policy.costs == Costs()
    assert parse_training_config({"policy": {"simulation": 10.0}}).policy.costs == Costs(simulation=10.0)
