"""Payloads for basf2's own module: what it cannot read as meant is not written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from smartbkg.cli.export import command
from smartbkg.errors import ModelError, UsageError
from smartbkg.events.columns import PROCESSES
from smartbkg.graphs import SMART_BACKGROUND_RULE, GraphRule
from smartbkg.networks import ModelBundle, build_model, parse_config
from smartbkg.networks.bundle import save_bundle, state_of
from smartbkg.networks.onnx.basf2_payloads import check_readable, export_for_basf2
from smartbkg.networks.onnx.config import belle2_onnx_config, read_onnx_config
from smartbkg.networks.onnx.export import onnx_config_of
from smartbkg.sampling.policies import OptimalPolicy
from smartbkg.scores.calibration import Affine

pytest.importorskip("onnxruntime")

CODES = {"feiHadronic": 11180500, "mine": 19990100}


def bundle(rule: GraphRule = SMART_BACKGROUND_RULE, strength: float = 2.0) -> ModelBundle:
    torch.manual_seed(1)
    config = {"architecture": "gatgap", "n_skims": 2, "num_pdg": len(rule.tokens), "units": 8, "n_layers": 2}
    policy = {"kind": "by_skim", "policies": {name: OptimalPolicy(strength).to_dict() for name in CODES}}
    return ModelBundle(
        parse_config(config), state_of(build_model(config)), rule, tuple(CODES), PROCESSES,
        Affine((0.9, 1.1), (-1.0, -2.0)), policy,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> ModelBundle:
    return bundle()


def test_folder_has_model_configuration_and_script(model: ModelBundle, tmp_path: Path) -> None:
    export = export_for_basf2(model, tmp_path / "out", name="mine_v1", skim_codes=CODES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".sha256") == [
        "SmartBackgroundWeights_mine_v1.onnx", "config.json", "store_payloads.py",
    ]  # fmt: skip
    config = read_onnx_config(tmp_path / "out" / "config.json")
    assert config.codes == (11180500, 19990100)
    assert set(config.policies) == set(CODES)
    assert export.config_payload == "SmartBackgroundConfig_mine_v1"
    assert 'storeData("SmartBackgroundConfig_mine_v1"' in (tmp_path / "out" / "store_payloads.py").read_text()


def test_a_skim_without_code_is_named(model: ModelBundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give --skim-code mine=CODE"):
        export_for_basf2(model, tmp_path / "out")
    with pytest.raises(UsageError, match="no skim 'yours'"):
        export_for_basf2(model, tmp_path / "out", skim_codes={"yours": 1})
    assert not (tmp_path / "out").exists()


def test_what_the_module_does_not_feed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"relative to the first particle|have the token"):
        export_for_basf2(bundle(GraphRule()), tmp_path / "out", skim_codes=CODES)
    assert not list(tmp_path.glob("out/*.onnx"))


def test_policy_that_was_never_solved_is_asked_for(model: ModelBundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'feiHadronic' has no activation: solve the policy"):
        export_for_basf2(replace(model, policy=None), tmp_path / "out", skim_codes=CODES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unknown_token": 5}, "unknown PDG codes have the token 5"),
        ({"token_by_pdg": {"0": 0, "211": 0}}, "PDG code 211 has the token 0"),
        ({"token_by_pdg": {"0": 0, "9999999999": 1}}, "PDG code 9999999999 is no 32-bit integer"),
        ({"max_weight": 0.5}, "maximum weight is 0.5"),
        ({"event_type": {"mixed": 1}}, "event types must count from 0"),
    ],
)
def test_each_rule_of_the_module_is_checked(model: ModelBundle, change: dict[str, object], message: str) -> None:
    content = onnx_config_of(model, belle2_onnx_config().event_types)
    for skim in content["skims"]:
        skim["code"] = CODES[skim["name"]]
    assert check_readable(content) == []
    assert any(message in problem for problem in check_readable(content | change))


def test_two_skims_of_one_code_are_refused(model: ModelBundle) -> None:
    content = onnx_config_of(model, belle2_onnx_config().event_types)
    for skim in content["skims"]:
        skim["code"] = 1
    assert any("two skims have one code" in problem for problem in check_readable(content))


def test_an_output_that_belongs_to_no_skim_is_refused(model: ModelBundle) -> None:
    """The module makes its tensor as long as the map of skims: another number in it would be read beside it."""
    content = onnx_config_of(model, belle2_onnx_config().event_types)
    for index, skim in enumerate(content["skims"]):
        skim |= {"code": index + 1, "output_index": 2 * index}
    assert any("numbered [0, 2], expected each from 0 to 1 once" in problem for problem in check_readable(content))


def test_command_writes_the_folder_and_says_what_is_next(model: ModelBundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.safetensors", model)
    arguments = [str(tmp_path / "m.safetensors"), "--basf2", "-o", str(tmp_path / "out")]
    codes = [word for skim, code in CODES.items() for word in ("--skim-code", f"{skim}={code}")]
    result = CliRunner().invoke(command, [*arguments, *codes])
    assert result.exit_code == 0, result.output
    assert "SmartBackgroundWeights_custom" in result.output
    assert json.loads((tmp_path / "out" / "config.json").read_text())["skims"][1]["code"] == 19990100
    wrong = CliRunner().invoke(command, [*arguments, "--skim-code", "mine"])
    assert isinstance(wrong.exception, UsageError)
