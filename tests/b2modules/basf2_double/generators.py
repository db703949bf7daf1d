"""generators: EvtGen, which here takes real events."""

from __future__ import annotations

from basf2 import B2FATAL, Path


def add_evtgen_generator(
    path: Path,
    finalstate: str = "",
    signaldecfile: str | None = None,
    coherentMixing: bool = True,
    parentParticle: str = "Upsilon(4S)",
    eventType: str = "",
) -> None:
    """generators/scripts/generators.py:276: the order of the arguments."""
    if finalstate not in ("mixed", "charged"):
        B2FATAL(f"add_evtgen_generator final state not supported: {finalstate}")
    path.add_module("EvtGenInput", eventType=eventType)
