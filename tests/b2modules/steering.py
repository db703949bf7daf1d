"""Short ways to build paths on the double of basf2."""

# ruff: noqa: N813 - steering files import it so

from __future__ import annotations

from pathlib import Path
from typing import Any


def extra_infos(path: Any, module: Any, source: Path, n_events: int = 0, *, sees_rejected: bool = True) -> list[Any]:
    """Run a module over a file; the extra info of each event that comes through it, as dictionaries.

    Parameters
    ----------
    path : an empty path; the module's condition, if it has one, stays.
    sees_rejected : look at the events right behind the module, whatever it returned.
    """
    import basf2
    import modularAnalysis as ma
    from data_store import STORE

    seen = []

    class Look(basf2.Module):
        """Copies the extra info."""

        def event(self) -> None:
            info, meta = STORE.object("EventExtraInfo"), STORE.object("EventMetaData")
            values = {name: info.getExtraInfo(name) for name in info.getNames()}
            seen.append(values | {"id": (meta.getExperiment(), meta.getRun(), meta.getEvent())})

    ma.inputMdst(filename=str(source), path=path)
    path.add_module(module)
    path.add_module(Look())
    basf2.process(path, max_event=n_events)
    return seen


def messages(level: str = "WARNING") -> list[str]:
    """What was logged at a level."""
    import basf2

    return [message for found, message in basf2.LOG if found.name == level]
