"""One event of basf2's data store as an `EventBatch`, cheaply: lists of plain numbers first, then an array a column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.fields import PARTICLE_DTYPES
from smartbkg.graphs import GraphRule

#: Particle columns that the method of a particle gives, in the order in which `EventReader` reads them.
_INTEGERS: Final = ("arrayIndex", "PDG", "motherIndex", "status", "nDaughters", "motherPDG")
_NUMBERS: Final = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz", "mass", "charge")


class EventReader:
    """Reads events from the data store.

    Parameters
    ----------
    rule : read only what this rule needs; None = everything, as the reader of mDST files does.
    """

    def __init__(self, rule: GraphRule | None = None) -> None:
        self._reads_all = rule is None or not {"mass", "charge", "nDaughters", "motherPDG"}.isdisjoint(_used(rule))
        self._keeps_production = rule is None
        # a particle that is bridged is no node, but leads from its daughters to its mother
        skips = rule is not None and not rule.bridged_codes
        self._required = rule.required_status if rule is not None and skips else 0
        self._excluded = rule.excluded_status if rule is not None and skips else 0

    def read(self, particles: Iterable[Any], meta: Any, process: str = "") -> EventBatch:
        """The event that is being processed.

        Parameters
        ----------
        particles : ``Belle2.PyStoreArray("MCParticles")``.
        meta : ``Belle2.PyStoreObj("EventMetaData")``.
        process : generated process, empty where unknown.
        """
        integers: list[int] = []
        numbers: list[float] = []
        n_particles = 0
        required, excluded, reads_all = self._required, self._excluded, self._reads_all
        for particle in particles:
            status = particle.getStatus()
            if status & required != required or status & excluded:
                continue
            n_particles += 1
            mother = particle.getMother()
            vertex = particle.getProductionVertex()
            momentum = particle.getMomentum()
            numbers += (
                particle.getProductionTime(), particle.getEnergy(), vertex.X(), vertex.Y(), vertex.Z(),
                momentum.X(), momentum.Y(), momentum.Z(),
            )  # fmt: skip
            if reads_all:
                numbers += (particle.getMass(), particle.getCharge())
                daughters, mother_code = particle.getNDaughters(), mother.getPDG() if mother else 0
            else:
                numbers += (0.0, 0.0)
                daughters = mother_code = 0
            integers += (
                particle.getArrayIndex(), particle.getPDG(), mother.getArrayIndex() if mother else -1, status,
                daughters, mother_code,
            )  # fmt: skip
        event = _event_columns(meta, process)
        if self._keeps_production:
            event["production"] = np.array([meta.getProduction()], dtype=np.int32)
        return EventBatch(
            np.array([0, n_particles], dtype=np.int64),
            event,
            _columns(integers, _INTEGERS, np.int32) | _columns(numbers, _NUMBERS, np.float32),
            source="basf2",
        )


def _used(rule: GraphRule) -> set[str]:
    text = " ".join(rule.cuts)
    return {name for name in PARTICLE_DTYPES if name in rule.features or name in text}


def _columns(values: list[Any], names: tuple[str, ...], dtype: type[np.generic]) -> dict[str, NDArray[Any]]:
    """Columns of a flat list with one value a name for each particle."""
    rows = np.ascontiguousarray(np.array(values, dtype=dtype).reshape(-1, len(names)).T)
    return {name: rows[position] for position, name in enumerate(names)}


def _event_columns(meta: Any, process: str) -> dict[str, NDArray[Any]]:
    return {
        "experiment": np.array([meta.getExperiment()], dtype=np.int32),
        "run": np.array([meta.getRun()], dtype=np.int32),
        "evtNum": np.array([meta.getEvent()], dtype=np.int64),
        "process": np.array([process]),
        "weight": np.array([meta.getGeneratedWeight()], dtype=np.float64),
    }
