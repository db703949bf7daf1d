"""Figures in files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from smartbkg.errors import UsageError, nearest
from smartbkg.storage.atomic import atomic_path

SUFFIXES: Final = (".pdf", ".png", ".svg")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; its suffix chooses the format.

    Raises
    ------
    UsageError
        Not one of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: cannot draw as '{path.suffix}': {nearest(path.suffix, SUFFIXES)}")
    import matplotlib

    kind = path.suffix[1:]
    no_time = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    # the same figure gives the same file: no time in it, and names of its parts from their content
    with atomic_path(path) as partial, matplotlib.rc_context({"svg.hashsalt": "smartbkg"}):
        figure.savefig(partial, format=kind, dpi=150, metadata=no_time)
