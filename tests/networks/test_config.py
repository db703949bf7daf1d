"""Configurations of networks: what is stored comes back, and what cannot be is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.errors import ModelError
from smartbkg.events.columns import PROCESSES
from smartbkg.networks import parse_config
from smartbkg.networks.architectures import architectures
from smartbkg.networks.config import GATGAPConfig, TransformerConfig, positions_of, processes_of


@pytest.mark.parametrize("name", sorted(architectures()))
def test_every_architecture_survives_json(name: str) -> None:
    config = parse_config({"architecture": name, "n_skims": 3})
    assert parse_config(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert config.architecture == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"unit": 3}, "model configuration 'gatgap': unknown key 'unit': did you mean 'units'"),
        ({"units": 0}, "units = 0: Input should be greater than or equal to 1"),
        ({"n_layers": "many"}, "n_layers = 'many'"),
        ({"n_skims": 0}, "n_skims = 0"),
    ],
)
def test_wrong_keys_and_values_say_which(content: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        GATGAPConfig.parse({"architecture": "gatgap"} | content)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ModelError, match="width 10 is not a multiple of heads 4"):
        TransformerConfig.parse({"architecture": "transformer", "width": 10})


def test_a_configuration_without_architecture_says_what_it_got() -> None:
    with pytest.raises(ModelError, match=r"without 'architecture': got the keys \['units'\]"):
        parse_config({"units": 3})


def test_networks_that_tell_no_processes_apart_have_none() -> None:
    assert processes_of(parse_config({"architecture": "gatgap"})) == ()
    assert processes_of(parse_config({"architecture": "gat2"})) == PROCESSES


@given(st.lists(st.sampled_from(["mixed", "charged", "other", ""]), max_size=20))
def test_a_position_points_at_the_name_and_strangers_have_none(names: list[str]) -> None:
    processes = ("charged", "mixed")
    for name, position in zip(names, positions_of(np.array(names), processes), strict=True):
        assert position == (processes.index(name) if name in processes else -1)
