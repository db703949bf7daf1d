"""Seals of safetensors files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smartbkg.errors import SmartBKGError
from smartbkg.sampling.reweighting import Reweighter
from smartbkg.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


def _reweighter(path: Path) -> None:
    trees = {
        "left": np.array([1, -1, -1]), "right": np.array([2, -1, -1]), "feature": np.array([0, 0, 0]),
        "cut": np.array([0.5, 0, 0]), "leaf_value": np.array([0.0, 0.1, -0.1]), "start": np.array([0]),
    }  # fmt: skip
    Reweighter(("Mbc",), trees, 1.0, 0.5, 10.0).save(path, {})


def _checkpoint(path: Path) -> None:
    save_checkpoint(path, Checkpoint({"w": torch.arange(40.0)}, {"epoch": 1}, {"data": "x"}))


@pytest.mark.parametrize(("make", "read"), [(_reweighter, Reweighter.load), (_checkpoint, load_checkpoint)])
def test_no_damaged_bit_gives_other_numbers(tmp_path: Path, make, read) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "f.safetensors"
    make(path)
    read(path)
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        copy = bytearray(content)
        copy[place] ^= 1 << place % 8
        path.write_bytes(copy)
        with pytest.raises(SmartBKGError, match=r"f\.safetensors"):
            read(path)
