"""Digests beside files are compared wherever a file is taken over."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from filtered_sample import make_model
from small_campaign import small_settings, write_config

from smartbkg.campaign.campaign import open_campaign
from smartbkg.conditions import ALWAYS, ConditionsStore
from smartbkg.errors import SmartBKGError
from smartbkg.networks.bundle import load_bundle
from smartbkg.networks.model_file import load_scorer
from smartbkg.networks.upstream import convert_model
from smartbkg.storage.sidecar import check_sidecar


def test_a_digest_beside_a_model_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"model")
    check_sidecar(path)
    sidecar = tmp_path / "m.onnx.sha256"
    sidecar.write_text(f"{hashlib.sha256(b'model').hexdigest()}  m.onnx\n")
    check_sidecar(path)
    path.write_bytes(b"mobel")
    with pytest.raises(SmartBKGError, match=r"m\.onnx: SHA-256 .* m\.onnx\.sha256 says"):
        check_sidecar(path)
    sidecar.write_text("")
    with pytest.raises(SmartBKGError, match="expected a SHA-256"):
        check_sidecar(path)


def state(path: Path, of: bytes) -> Path:
    path.with_name(f"{path.name}.sha256").write_text(f"{hashlib.sha256(of).hexdigest()}  {path.name}\n")
    return path


def test_a_name_that_leaves_no_room_for_a_digest_has_none(tmp_path: Path) -> None:
    (tmp_path / ("n" * 253)).write_bytes(b"x")
    check_sidecar(tmp_path / ("n" * 253))


@pytest.mark.parametrize("way", ["scored", "read", "converted", "put into a store", "taken into a campaign"])
def test_a_file_that_is_not_what_its_digest_says_enters_nowhere(tmp_path: Path, way: str) -> None:
    write_config(tmp_path / "campaign", small_settings(tmp_path / "campaign", 1))
    model = tmp_path / "campaign-in" / "model.safetensors"
    make_model(model)
    enter = {
        "scored": lambda: load_scorer(model),
        "read": lambda: load_bundle(model),
        "converted": lambda: convert_model(model, tmp_path / "m.pth"),
        "put into a store": lambda: ConditionsStore(tmp_path / "s").put("Main", "m", model, ALWAYS, is_new=True),
        "taken into a campaign": lambda: open_campaign(tmp_path / "campaign"),
    }[way]
    state(model, b"another")
    with pytest.raises(SmartBKGError, match="the file is damaged or another one"):
        enter()
    assert not list((tmp_path / "campaign").glob("model/*"))
    state(model, model.read_bytes())
    if way != "converted":  # of two skims, which the other format does not know
        enter()
