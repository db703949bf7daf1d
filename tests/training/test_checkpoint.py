"""A checkpoint comes back whole, or says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from smartbkg.errors import ModelError, SchemaError
from smartbkg.storage.provenance import record
from smartbkg.training import checkpoint as module
from smartbkg.training.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint


def state() -> Checkpoint:
    generator = torch.Generator().manual_seed(1)
    tensors = {"weight": torch.randn(3, 4, generator=generator), "transposed": torch.arange(6).reshape(2, 3).T}
    return Checkpoint(tensors, {"epoch": 2, "history": [[1, 0.5]]}, {"config": "abc", "data": "def"})


def test_a_checkpoint_comes_back_to_the_bit(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path / "m.safetensors")
    assert path.name == "m.safetensors.checkpoint"
    save_checkpoint(path, state())
    loaded, expected = load_checkpoint(path), state()
    assert loaded.progress == expected.progress
    assert loaded.identity == expected.identity
    assert all(torch.equal(loaded.tensors[name], expected.tensors[name]) for name in expected.tensors)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all"])
def test_a_damaged_checkpoint_says_how_to_begin_again(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.checkpoint"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a readable checkpoint.*remove it to begin again"):
        load_checkpoint(path)


def test_a_checkpoint_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.checkpoint"
    save_checkpoint(path, state())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.checkpoint"

    def newer(kind: str, version: int, *arguments: object, **further: object) -> dict[str, object]:
        return record(kind, version + 1, {}, **further)

    monkeypatch.setattr(module, "record", newer)
    save_checkpoint(path, state())
    with pytest.raises(SchemaError, match="upgrade smartbkg"):
        load_checkpoint(path)
