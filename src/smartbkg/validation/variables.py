"""Event-level variables as a reader of plots knows them: symbol and unit."""

from __future__ import annotations

from typing import Final

_TITLES: Final = {
    "Mbc": "M_bc of the best tag [GeV]",
    "deltaE": "ΔE of the best tag [GeV]",
    "R2": "R₂ (Fox–Wolfram)",
    "thrust": "thrust",
    "sphericity": "sphericity",
    "aplanarity": "aplanarity",
    "nTracks": "number of tracks",
    "nClusters": "number of clusters",
}


def variable_title(name: str) -> str:
    """Axis title of a variable: its symbol where known, its name otherwise.

    >>> variable_title("R2")
    'R₂ (Fox–Wolfram)'
    """
    return _TITLES.get(name, name)
