"""The configuration beside an ONNX model: read in the layout of Belle II's module, refused where it cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartbkg.errors import ModelError, PolicyError
from smartbkg.networks.onnx.config import (
    BELLE2_MODELS,
    belle2_onnx_config,
    parse_onnx_config,
    read_onnx_config,
)
from smartbkg.scores.logistic import expit


def content(**changes: Any) -> dict[str, Any]:
    return {
        "token_by_pdg": {"211": 1, "-211": 2}, "unknown_token": 0, "event_type": {"mixed": 0, "charged": 1},
        "skims": [{"name": "b", "output_index": 1, "a": 0.5, "b": -1.0}, {"name": "a", "output_index": 0, "code": 7}],
    } | changes  # fmt: skip


def test_skims_stand_in_the_order_of_the_outputs() -> None:
    config = parse_onnx_config(content(), "here")
    assert config.skims == ("a", "b")
    assert config.codes == (7, 0)
    assert set(config.activations) == {"b"}
    assert not config.takes_unknown_process
    assert config.graph_rule.features[0] == "prodTime"
    tokens = config.graph_rule.tokens
    assert dict(zip(tokens.sorted_codes.tolist(), tokens.sorted_tokens.tolist(), strict=True)) == {-211: 2, 211: 1}
    assert tokens.unknown_token == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skims": [{"name": "a", "output_index": 1}]}, "output_index of the skims must count from 0 without gaps"),
        ({"skims": [{"name": "a"}]}, "damaged model configuration: KeyError"),
        ({"token_by_pdg": {"pion": 1}}, "damaged model configuration: ValueError"),
        ({"event_type": None}, "damaged model configuration"),
        ({"skims": [{"name": "a", "output_index": 0, "a": 0.0, "b": 0.0}]}, "a > 0|damaged"),
    ],
)
def test_damaged_configurations_say_where(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ModelError, PolicyError), match=message):
        parse_onnx_config(content(**changes), "here")


def test_a_missing_key_names_the_nearest() -> None:
    wrong = content()
    wrong["event_types"] = wrong.pop("event_type")
    with pytest.raises(ModelError, match="no 'event_type' in the model configuration: did you mean 'event_types'"):
        parse_onnx_config(wrong, "here")


def test_the_policy_of_the_calibrated_score_keeps_what_the_activation_of_the_logit_kept() -> None:
    calibration = {"kind": "affine", "scale": [0.8, 1.25], "offset": [-0.5, 0.75]}
    config = parse_onnx_config(content(calibration=calibration), "here")
    logit = np.linspace(-9, 3, 40)
    of_logit = config.activations["b"].of_score(expit(logit))
    score = config.calibration.apply(np.stack([logit, logit], axis=1))[:, 1]
    np.testing.assert_allclose(config.policies["b"].of_score(score), of_logit, rtol=1e-9)
    assert config.policy()["policies"].keys() == {"b"}  # type: ignore[index]


def test_without_activation_there_is_no_policy() -> None:
    assert parse_onnx_config(content(skims=[{"name": "a", "output_index": 0}]), "here").policy() is None


@pytest.mark.parametrize("model", BELLE2_MODELS)
def test_belle2s_models_have_an_activation_for_each_of_their_skims(model: str) -> None:
    config = read_onnx_config(model)
    assert len(config.skims) == len(set(config.codes)) == 51
    assert set(config.activations) == set(config.skims)
    assert sorted(config.event_types.values()) == list(range(7))
    assert not belle2_onnx_config().activations


def test_files_that_are_none_and_names_that_are_unknown_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model configuration: did you mean 'belle2-2025'"):
        read_onnx_config("belle2-2O25")
    with pytest.raises(ModelError, match="unknown activation table 'x'"):
        belle2_onnx_config("x")
    for text, message in (("{", "not a JSON file"), ("[]", "is a list, expected an object")):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(ModelError, match=message):
            read_onnx_config(tmp_path / "c.json")
    (tmp_path / "c.json").write_text(json.dumps(content()))
    assert read_onnx_config(tmp_path / "c.json").skims == ("a", "b")
