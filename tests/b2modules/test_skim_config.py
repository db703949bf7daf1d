"""The configuration of an ONNX model: by name, from a file, or basf2's object; mistakes are one line."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from smartbkg.errors import ConditionsError, ModelError
from smartbkg.networks.onnx.config import BELLE2_MODELS


def pairs(values: dict[Any, Any]) -> list[SimpleNamespace]:
    return [SimpleNamespace(first=key, second=value) for key, value in values.items()]


@pytest.mark.usefixtures("basf2")
def test_a_model_of_belle2_is_its_own_configuration_and_asks_nobody() -> None:
    from smartbkg.b2modules.skim_config import ConfigSource

    name = next(iter(BELLE2_MODELS))
    source = ConfigSource(name, None)
    source.prepare()
    assert source.find(0, 0) == name


@pytest.mark.usefixtures("basf2")
def test_a_file_is_read_and_one_that_is_no_object_is_refused(tmp_path: Path) -> None:
    from smartbkg.b2modules.skim_config import ConfigSource

    path = tmp_path / "config.json"
    path.write_text(json.dumps({"skims": []}))
    assert ConfigSource(str(path), None).find(0, 0) == {"skims": []}
    for text, said in (("[1]", "is a list, expected an object"), ("{", "not a JSON file")):
        path.write_text(text)
        with pytest.raises(ModelError, match=said):
            ConfigSource(str(path), None).find(0, 0)


@pytest.mark.usefixtures("basf2")
def test_only_the_default_may_be_missing(tmp_path: Path) -> None:
    from smartbkg.b2modules.skim_config import DEFAULT_CONFIG, ConfigSource

    assert ConfigSource(DEFAULT_CONFIG, str(tmp_path)).find(0, 0) is None
    with pytest.raises(ConditionsError):
        ConfigSource("mine", str(tmp_path)).find(0, 0)


def test_basf2s_object_becomes_the_json_of_a_model(basf2: ModuleType) -> None:
    from smartbkg.b2modules.skim_config import content_of_object

    stored = SimpleNamespace(
        getParameterMapping=lambda: pairs({11180100: [0.4, 1.5]}),
        getSkimnamesMapping=lambda: pairs({11180100: "feiHadronicB0"}),
        getSkimcodesMapping=lambda: pairs({11180100: 3}),
        getPdgMapping=lambda: pairs({211: 5}),
        getEventtypeMapping=lambda: pairs({"mixed": 1}),
        getMaxWeight=lambda: 20,
    )
    content = content_of_object(stored)
    assert content["skims"] == [{"name": "feiHadronicB0", "code": 11180100, "output_index": 3, "a": 0.4, "b": 1.5}]
    assert (content["token_by_pdg"], content["max_weight"], content["event_type"]) == ({"211": 5}, 20.0, {"mixed": 1})
    assert basf2 is not None
