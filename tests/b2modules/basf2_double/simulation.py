"""simulation: counts the events that reach it."""

from __future__ import annotations

from typing import Any

from basf2 import Path


def add_simulation(path: Path, components: Any = None, bkgfiles: Any = None, bkgOverlay: bool = True) -> None:
    """simulation/scripts/simulation.py:123: the order of the first arguments."""
    path.add_module("FullSim")
