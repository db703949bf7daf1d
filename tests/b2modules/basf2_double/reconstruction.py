"""reconstruction: does nothing."""

from __future__ import annotations

from basf2 import Path


def add_reconstruction(path: Path) -> None:
    path.add_module("Reconstruction")
