"""simulation: counts the events that reach it."""

from __future__ import annotations

from basf2 import Path


def add_simulation(path: Path, bkgfiles: list[str] | None = None) -> None:
    path.add_module("FullSim")
