"""reconstruction: does nothing."""

from __future__ import annotations

from typing import Any

from basf2 import Path


def add_reconstruction(path: Path, components: Any = None, pruneTracks: bool = True) -> None:
    """reconstruction/scripts/reconstruction.py:75: the order of the first arguments."""
    path.add_module("Reconstruction")
