"""Event-level variables of generated events: what a closure check can look at without any simulation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, WEIGHT, ParticleStatus
from smartbkg.io import open_events
from smartbkg.io.tables import Table
from smartbkg.sampling.weights import generator_weights

_FINAL = ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR


def generated_variables(batch: EventBatch) -> dict[str, NDArray[np.float64]]:
    """Variables of the final state of each event.

    Returns
    -------
    ``nFinal`` and ``nCharged`` stable particles, ``sumMomentum`` and ``largestMomentum`` of |p| over them, and
    ``sumTransverse`` of the momentum across the z axis, in GeV; (n_events,) each. Where no particle is marked as
    stable, all are taken.
    """
    status = batch.particle["status"]
    is_final = status & _FINAL == _FINAL
    if not is_final.any():
        is_final = np.ones(len(status), dtype=bool)
    px, py, pz = (batch.particle[name].astype(np.float64) for name in ("px", "py", "pz"))
    transverse = np.where(is_final, np.hypot(px, py), 0.0)
    momentum = np.where(is_final, np.sqrt(px**2 + py**2 + pz**2), 0.0)
    is_charged = is_final & (batch.particle["charge"] != 0)
    event, n = batch.event_index, len(batch)
    largest = np.zeros(n)
    np.maximum.at(largest, event, momentum)

    def summed(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(event, weights=values.astype(np.float64), minlength=n))

    return {
        "nFinal": summed(is_final),
        "nCharged": summed(is_charged),
        "sumMomentum": summed(momentum),
        "largestMomentum": largest,
        "sumTransverse": summed(transverse),
    }


def read_generated(path: Path) -> tuple[Table, dict[str, NDArray[np.float64]]]:
    """Ids and generator weights of a file of generated events, and their variables.

    Raises
    ------
    FileFormatError
        It holds no event.
    """
    columns: list[Mapping[str, NDArray[Any]]] = []
    variables: list[dict[str, NDArray[np.float64]]] = []
    with open_events(path) as reader:
        for batch in reader.batches():
            columns.append({**{name: batch.event[name] for name in EVENT_ID}, WEIGHT: generator_weights(batch.event)})
            variables.append(generated_variables(batch))
        metadata = dict(reader.metadata)
    if not columns:
        raise FileFormatError(f"{path}: holds no event")
    together = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    return (
        Table(together, metadata, str(path)),
        {name: np.concatenate([part[name] for part in variables]) for name in variables[0]},
    )


__all__ = ["generated_variables", "read_generated"]
