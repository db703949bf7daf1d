"""`smartbkg model`: information and conversion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from smartbkg.cli.model import command
from smartbkg.errors import ModelError
from smartbkg.networks import build_model


@pytest.fixture
def pth(tmp_path: Path) -> Path:
    torch.save(build_model({"architecture": "gatgap"}).state_dict(), tmp_path / "GATGAPgen.pth")
    return tmp_path / "GATGAPgen.pth"


def test_convert_then_info_says_what_the_model_is(pth: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    result = CliRunner().invoke(command, ["convert", str(pth), str(output), "--skim", "feiHadronic"])
    assert result.exit_code == 0, result.output
    text = CliRunner().invoke(command, ["info", str(output)]).output
    assert "gatgap-2023" in text
    content = json.loads(CliRunner().invoke(command, ["info", str(output), "--json"]).output)
    assert content["architecture"] == "gatgap"
    assert content["parameters"] == 121_295
    assert content["skims"] == ["feiHadronic"]
    assert content["policy"] is None
    assert len(content["token table digest"]) == 64


def test_info_of_another_file_is_refused(pth: Path) -> None:
    result = CliRunner().invoke(command, ["info", str(pth)])
    assert isinstance(result.exception, ModelError)
