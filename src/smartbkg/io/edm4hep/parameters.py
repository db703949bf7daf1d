"""Parameters of podio's frames: of a file (category ``metadata``), and of its events."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.events.columns import EXPERIMENT, PROCESS
from smartbkg.io.edm4hep.content import OURS, STATUS
from smartbkg.io.edm4hep.podio import METADATA
from smartbkg.io.root import root_errors

#: What an event without the parameter has.
_MISSING: dict[str, Any] = {EXPERIMENT: 0, PROCESS: ""}


def file_parameters(file: Any, source: str) -> dict[str, list[str]]:
    """The texts that a file states of itself, by name; empty where it has none in podio's layout of version 1."""
    found: dict[str, list[str]] = {}
    with root_errors(source, f"parameters in '{METADATA}'"):
        if METADATA not in file:
            return found
        tree = file[METADATA]
        names = {str(name).rsplit("/", 1)[-1] for name in tree.keys()}  # noqa: SIM118
        if not {"GPStringKeys", "GPStringValues"} <= names:
            return found
        for keys, values in zip(tree["GPStringKeys"].array(), tree["GPStringValues"].array(), strict=True):
            found |= {str(key): [str(one) for one in texts] for key, texts in zip(keys, values, strict=True)}
    return found


def own_parameters(columns: Any, start: int, stop: int) -> tuple[dict[str, NDArray[Any]], dict[int, list[int]]]:
    """What our writer keeps as parameters of the events ``start:stop``.

    Returns
    -------
    event columns, and the status bits of the particles of those events (by position from ``start``) that state them.
    """
    found: dict[str, dict[int, Any]] = {}
    with root_errors(columns.source, f"parameters of the entries {start} to {stop - 1}"):
        for label in ("Int", "Double", "String"):
            keys, values = (
                columns.tree[f"GP{label}{part}"].array(entry_start=start, entry_stop=stop).to_list()
                for part in ("Keys", "Values")
            )
            for index, (names, lists) in enumerate(zip(keys, values, strict=True)):
                for name, one in zip(names, lists, strict=True):
                    if name.startswith(OURS) and one:
                        found.setdefault(name, {})[index] = one
    status = found.pop(STATUS, {})
    names = {key.removeprefix(OURS): given for key, given in found.items()}
    return {
        name: np.array([given[k][0] if k in given else _MISSING.get(name, np.nan) for k in range(stop - start)])
        for name, given in names.items()
    }, status


__all__ = ["file_parameters", "own_parameters"]
