"""generators: EvtGen, which here takes real events."""

from __future__ import annotations

from basf2 import Path


def add_evtgen_generator(
    path: Path, finalstate: str = "", signaldecfile: str | None = None, eventType: str = ""
) -> None:
    if finalstate not in ("mixed", "charged"):
        raise ValueError(f"finalstate {finalstate} not supported")
    path.add_module("EvtGenInput", eventType=eventType)
