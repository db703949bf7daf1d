"""A model file of any kind, by its suffix or its first bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks.graphs_for_tests import one_skim_gatgap as small_bundle

from smartbkg.errors import ModelError, UsageError
from smartbkg.networks import save_bundle
from smartbkg.networks.model_file import load_scorer, model_suffix
from smartbkg.networks.upstream import save_state_dict_file


@pytest.mark.parametrize(
    ("name", "content", "suffix"),
    [
        ("m.safetensors", b"", ".safetensors"),
        ("m.pt", b"", ".pth"),
        ("m.onnx", b"PK", ".onnx"),
        ("GATGAPgen.pth_r1.root", b"PK\x03\x04", ".pth"),
        ("GATGAPgen.pth_r1.root", b"\x80\x02\x8a\n", ".pth"),
        ("payload_r2.root", b"\x08\x08\x12\x07pytorch", ".onnx"),
        ("payload_r2.root", b"\x10\x00\x00\x00\x00\x00\x00\x00{", ".safetensors"),
        ("payload_r2.root", b"\x08\x00\x00\x00\x00\x00\x00\x00{", ".safetensors"),  # eight bytes of header, as ONNX
        ("payload_r2.root", b"root", ".safetensors"),
    ],
)
def test_the_kind_is_known_by_suffix_or_first_bytes(tmp_path: Path, name: str, content: bytes, suffix: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert model_suffix(tmp_path / name) == suffix


def test_a_file_that_is_not_there_is_left_to_its_reader(tmp_path: Path) -> None:
    assert model_suffix(tmp_path / "absent_r1.root") == ".safetensors"
    with pytest.raises(ModelError, match=r"absent\.safetensors"):
        load_scorer(tmp_path / "absent.safetensors")


def test_both_formats_of_one_model_score_alike_under_any_name(tmp_path: Path) -> None:
    from synthetic import random_events

    bundle = small_bundle()
    save_bundle(tmp_path / "m.safetensors", bundle)
    save_state_dict_file(tmp_path / "m.pth", bundle)
    payload = tmp_path / "GATGAPgen.pth_r1.root"
    payload.write_bytes((tmp_path / "m.pth").read_bytes())
    size = {
        name: getattr(bundle.config, name) for name in ("units", "attention_heads", "n_layers", "use_gap", "emb_size")
    }
    events = random_events(20, seed=2)
    expected = load_scorer(tmp_path / "m.safetensors").logits(events)
    for path in (tmp_path / "m.pth", payload):
        assert (load_scorer(path, model_config=size).logits(events) == expected).all()


def test_a_configuration_beside_a_file_that_has_its_own_is_refused(tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.safetensors", small_bundle())
    with pytest.raises(UsageError, match="carries its own configuration; leave model_config out"):
        load_scorer(tmp_path / "m.safetensors", model_config={"units": 3})


def test_errors_name_the_file_once(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "m.pth")
    with pytest.raises(ModelError) as caught:
        load_scorer(tmp_path / "m.pth")
    assert str(caught.value).count(str(tmp_path / "m.pth")) == 1
