"""One event of basf2's data store as an `EventBatch`, cheaply: few calls of PyROOT, one array per column.

Each call from Python into C++ costs about a microsecond, many times what it returns is worth. So a particle that a
status bit removes is asked for its status alone, positions and momenta are fetched as a whole, and the index of a
particle is counted instead of asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.columns import PARTICLE_DTYPES, ParticleStatus
from smartbkg.events.content import LEFT_OUT
from smartbkg.graphs import GraphRule

_VERTEX: Final = ("x", "y", "z")
_MOMENTUM: Final = ("px", "py", "pz", "energy")


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
        # what the digest of the content looks at is read in any case
        self._required = rule.required_status & ParticleStatus.PRIMARY if rule is not None and skips else 0
        self._excluded = rule.excluded_status & LEFT_OUT if rule is not None and skips else 0
        self._fills_buffers: bool | None = None

    def read(self, particles: Iterable[Any], meta: Any, process: str = "") -> EventBatch:
        """The event that is being processed.

        Parameters
        ----------
        particles : ``Belle2.PyStoreArray("MCParticles")``.
        meta : ``Belle2.PyStoreObj("EventMetaData")``.
        process : generated process, empty where unknown.
        """
        required, excluded = self._required, self._excluded
        chosen, index, status = [], [], []
        index_of: dict[int, int] = {}
        everything = []  # keeps the particles alive, so that their identities stay theirs
        for position, particle in enumerate(particles):
            everything.append(particle)
            index_of[id(particle)] = position
            bits = particle.getStatus()
            if bits & required == required and not bits & excluded:
                chosen.append(particle)
                index.append(position)
                status.append(bits)
        event = _event_columns(meta, process)
        if self._keeps_production:
            event["production"] = np.array([meta.getProduction()], dtype=np.int32)
        columns = self._columns(chosen, index_of)
        columns["arrayIndex"] = np.array(index, dtype=np.int32)
        columns["status"] = np.array(status, dtype=np.int32)
        return EventBatch(np.array([0, len(chosen)], dtype=np.int64), event, columns, source="basf2")

    def _columns(self, particles: list[Any], index_of: dict[int, int]) -> dict[str, NDArray[Any]]:
        """The columns of some particles except ``arrayIndex`` and ``status``; what is not read is 0."""
        n_particles = len(particles)
        mothers = [particle.getMother() for particle in particles]
        vertex, momentum = self._vectors(particles)
        integers = {
            "PDG": [particle.getPDG() for particle in particles],
            "motherIndex": _indices(mothers, index_of),
            "nDaughters": [0] * n_particles,
            "motherPDG": [0] * n_particles,
        }
        numbers = {
            "prodTime": [particle.getProductionTime() for particle in particles],
            "mass": [0.0] * n_particles,
            "charge": [0.0] * n_particles,
        }
        if self._reads_all:
            integers["nDaughters"] = [particle.getNDaughters() for particle in particles]
            integers["motherPDG"] = [mother.getPDG() if mother else 0 for mother in mothers]
            numbers["mass"] = [particle.getMass() for particle in particles]
            numbers["charge"] = [particle.getCharge() for particle in particles]
        columns: dict[str, NDArray[Any]] = {name: np.array(values, np.int32) for name, values in integers.items()}
        columns |= {name: np.array(values, np.float32) for name, values in numbers.items()}
        for names, rows in ((_VERTEX, vertex), (_MOMENTUM, momentum)):
            columns |= dict(zip(names, rows.T.astype(np.float32, order="C"), strict=True))
        return columns

    def _vectors(self, particles: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, 3) production vertices and (n, 4) momenta with energies, by two calls a vector where PyROOT can.

        Whether it can fill a buffer of numpy is tried on the first particle, and compared with its single numbers.
        """
        vertex, momentum = np.empty((len(particles), 3)), np.empty((len(particles), 4))
        if self._fills_buffers is None and particles:
            self._fills_buffers = _can_fill_buffers(particles[0])
        if self._fills_buffers:
            for row, particle in enumerate(particles):
                particle.getProductionVertex().GetCoordinates(vertex[row])
                particle.get4Vector().GetCoordinates(momentum[row])
            return vertex, momentum
        for row, particle in enumerate(particles):
            vertex[row] = _three(particle.getProductionVertex())
            momentum[row] = (*_three(particle.getMomentum()), particle.getEnergy())
        return vertex, momentum


def _used(rule: GraphRule) -> set[str]:
    text = " ".join(rule.cuts)
    return {name for name in PARTICLE_DTYPES if name in rule.features or name in text}


def _three(vector: Any) -> tuple[float, float, float]:
    return vector.X(), vector.Y(), vector.Z()


def _can_fill_buffers(particle: Any) -> bool:
    """Whether ``GetCoordinates`` of ROOT's vectors fills arrays of numpy here, with the numbers of the getters."""
    vertex, momentum = np.full(3, np.nan), np.full(4, np.nan)
    try:
        particle.getProductionVertex().GetCoordinates(vertex)
        particle.get4Vector().GetCoordinates(momentum)
    except (TypeError, AttributeError):
        return False
    single = (*_three(particle.getProductionVertex()), *_three(particle.getMomentum()), particle.getEnergy())
    return bool(np.array_equal(np.concatenate([vertex, momentum]), np.array(single), equal_nan=True))


def _indices(mothers: list[Any], index_of: dict[int, int]) -> list[int]:
    """Position of each mother, −1 for null pointers.

    PyROOT gives one Python object for one address as long as that object lives, so that most mothers are known
    already; where it does not, a mother is asked, once for all her daughters.
    """
    indices = []
    for mother in mothers:
        if not mother:
            indices.append(-1)
            continue
        index = index_of.get(id(mother))
        if index is None:
            index = index_of[id(mother)] = int(mother.getArrayIndex())
        indices.append(index)
    return indices


def _event_columns(meta: Any, process: str) -> dict[str, NDArray[Any]]:
    return {
        "experiment": np.array([meta.getExperiment()], dtype=np.int32),
        "run": np.array([meta.getRun()], dtype=np.int32),
        "evtNum": np.array([meta.getEvent()], dtype=np.int64),
        "process": np.array([process]),
        "weight": np.array([meta.getGeneratedWeight()], dtype=np.float64),
    }
