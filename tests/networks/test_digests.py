"""A model is the one that was written, or it is refused; whatever format it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from networks.onnx.test_export import upstream_like
from networks.test_bundle import small_bundle
from onnx import helper

from smartbkg.errors import SmartBKGError
from smartbkg.networks import GATGAPConfig, ModelBundle, build_model, save_bundle
from smartbkg.networks.bundle import load_bundle, state_of
from smartbkg.networks.digests import SEALED_KEY, check_archive, check_seal, sealed
from smartbkg.networks.onnx.backend import OnnxBackend
from smartbkg.networks.upstream import load_state_dict_file, save_state_dict_file

N_MUTATIONS = 60


def mutations(content: bytes) -> Iterator[bytes]:
    """Copies with one flipped bit each, spread over the file, and its beginning more densely."""
    generator = np.random.default_rng(2)
    places = [*generator.integers(0, len(content), N_MUTATIONS), *generator.integers(0, min(2000, len(content)), 20)]
    for place in places:
        copy = bytearray(content)
        copy[place] ^= 1 << int(generator.integers(8))
        yield bytes(copy)


def check_all(path: Path, load: Callable[[Path], object]) -> int:
    """The number of mutations that are read without an error: all of them must be as the pristine file is."""
    content, pristine = path.read_bytes(), load(path)
    n_read = 0
    for copy in mutations(content):
        path.write_bytes(copy)
        try:
            found = load(path)
        except SmartBKGError:
            continue
        assert found == pristine, "other numbers without an error"
        n_read += 1
    return n_read


def test_a_bit_of_a_safetensors_model_cannot_change_without_an_error(tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.safetensors", small_bundle())

    def load(path: Path) -> object:
        bundle = load_bundle(path)
        return bundle.calibration, bundle.policy, bundle.metrics, {n: w.tobytes() for n, w in bundle.state.items()}

    check_all(tmp_path / "m.safetensors", load)


def test_a_bit_of_a_pth_model_cannot_change_without_an_error(tmp_path: Path) -> None:
    """PyTorch reads a zip archive without its checksums."""
    torch.manual_seed(1)
    config = GATGAPConfig(units=16, attention_heads=2, n_layers=2)
    save_state_dict_file(tmp_path / "m.pth", ModelBundle(config=config, state=state_of(build_model(config))))
    settings = {"units": 16, "attention_heads": 2, "n_layers": 2}

    def load(path: Path) -> object:
        bundle = load_state_dict_file(path, model_config=settings)
        return {name: weights.tobytes() for name, weights in bundle.state.items()}

    check_all(tmp_path / "m.pth", load)


def test_a_part_of_a_pth_model_that_is_marked_as_a_folder_is_refused(tmp_path: Path) -> None:
    """PyTorch would leave its tensor unfilled: a bit of the archive's directory, which no checksum covers."""
    path = tmp_path / "m.pth"
    torch.save({"w": torch.ones(8)}, path)
    check_archive(path)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"/data/0"))
    content[entry + 38] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(SmartBKGError, match=r"m\.pth: a damaged PyTorch file"):
        check_archive(path)


def test_a_bit_of_an_exported_onnx_model_cannot_change_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    upstream_like(path, 3)
    model = onnx.load(path)
    helper.set_model_props(model, {SEALED_KEY: "1"})
    path.write_bytes(sealed(model.SerializeToString()))
    onnx.checker.check_model(onnx.load(path))
    assert {prop.key for prop in onnx.load(path).metadata_props} == {SEALED_KEY, "smartbkg_sha256"}

    def load(changed: Path) -> object:
        OnnxBackend(changed.read_bytes(), str(changed))
        return changed.read_bytes() == pristine  # a sealed model is believed as it is alone

    pristine = path.read_bytes()
    check_all(path, load)


def test_a_model_without_a_seal_is_read_as_it_is() -> None:
    assert not check_seal(b"of another program", "m.onnx")
    assert check_seal(sealed(b"of ours"), "m.onnx")


def test_an_archive_that_says_it_spans_disks_is_damaged(tmp_path: Path) -> None:
    """Python's own look at an archive raises there."""
    config = GATGAPConfig(units=8, attention_heads=2, n_layers=2)
    path = tmp_path / "m.pth"
    save_state_dict_file(path, ModelBundle(config, state_of(build_model(config))))
    content = bytearray(path.read_bytes())
    locator = content.rfind(b"PK\x06\x07")
    if locator < 0:  # of an archive without the larger records: they are put before its end
        end = content.rfind(b"PK\x05\x06")
        content[end:end] = b"PK\x06\x07" + (1).to_bytes(4, "little") + bytes(8) + (2).to_bytes(4, "little")
    else:
        content[locator + 16] ^= 2
    path.write_bytes(content)
    with pytest.raises(SmartBKGError, match=r"m\.pth"):
        load_state_dict_file(path, model_config={"units": 8, "attention_heads": 2, "n_layers": 2})
