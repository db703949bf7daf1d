"""What EDM4hep holds of a batch: the fields of its header and of its particles, and the parameters of its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    EVENT_NUMBER,
    EXPERIMENT,
    KEEP_PROBABILITY,
    PROCESS,
    RUN,
    SCORE,
    VARIATION_PREFIX,
    WEIGHT,
    ParticleStatus,
)
from smartbkg.io.edm4hep import podio
from smartbkg.io.hepmc.build import DecayTree, status_codes
from smartbkg.io.hepmc.weights import DEFAULT_NAME, filtered_weights, layout_names

PARTICLES: Final = podio.own_collection("MCParticles", "edm4hep::MCParticle")
HEADER: Final = podio.own_collection("EventHeader", "edm4hep::EventHeader")
HEADER_CLASS: Final = "edm4hep::EventHeaderData"
_PARTICLE_CLASS: Final = "edm4hep::MCParticleData"
#: Parameters of an event by which what EDM4hep has no place for comes back.
OURS: Final = "smartbkg_"
#: ... and the status bits of its particles, where they do not follow from EDM4hep's.
STATUS: Final = f"{OURS}status"
_MM: Final = 10.0  # a cm
_UNSET_HELICITY: Final = 9
#: Bits of ``simulatorStatus``: made by the simulation, left the detector, stopped in it.
CREATED_IN_SIMULATION: Final = 1 << 30
_LEFT: Final = 1 << 25
_STOPPED: Final = 1 << 24


def weights_of(batch: EventBatch) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names of the weights of a batch, and (n_events, n_weights) their values, the one that counts first."""
    variations = [name for name in batch.event if name.startswith(VARIATION_PREFIX)]
    names = tuple(name.removeprefix(VARIATION_PREFIX) for name in variations) or (DEFAULT_NAME,)
    if KEEP_PROBABILITY in batch.event:
        written = layout_names(names, "nominal", names[0])
        return written, filtered_weights(batch, len(names), "nominal")
    columns = [batch.event[WEIGHT], *(batch.event[name] for name in variations[1:])]
    return names, np.stack(columns, axis=1).astype(np.float64)


def header_fields(
    batch: EventBatch, weights: NDArray[np.float64], name: str = HEADER.name, time: NDArray[np.uint64] | None = None
) -> dict[str, Any]:
    """The collection of the headers.

    Parameters
    ----------
    weights : (n_events, n_weights), the one that counts first.
    name : of the collection.
    time : (n_events,) time stamps; None = 0.

    Raises
    ------
    EventError
        A number of an event or a run is negative.
    """
    number, run = batch.event[EVENT_NUMBER], batch.event[RUN]
    if len(batch) and (number.min() < 0 or run.min() < 0):
        index = int(np.flatnonzero((number < 0) | (run < 0))[0])
        raise EventError("EDM4hep holds no negative numbers", source=batch.source, event=batch.event_id(index))
    ones, n_weights = np.ones(len(batch), dtype=np.int64), weights.shape[1]
    members = {
        "eventNumber": number.astype(np.uint64), "runNumber": run.astype(np.uint32),
        "timeStamp": np.zeros(len(batch), dtype=np.uint64) if time is None else time, "weight": weights[:, 0].copy(),
        "weights_begin": np.zeros(len(batch), dtype=np.uint32),
        "weights_end": np.full(len(batch), n_weights, dtype=np.uint32),
    }  # fmt: skip
    import awkward as ak

    values = ak.contents.NumpyArray(np.ascontiguousarray(weights.ravel()))
    return {
        name: podio.jagged(ones, podio.structure(HEADER_CLASS, members)),
        f"_{name}_weights": podio.jagged(n_weights * ones, values),
    }


def _vector(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> Any:
    members = {
        axis: np.ascontiguousarray(values, dtype=np.float64) for axis, values in zip("xyz", (x, y, z), strict=True)
    }
    return podio.structure("edm4hep::Vector3d", members)


def particle_fields(tree: DecayTree, batch: EventBatch) -> dict[str, Any]:
    """The collection of particles with the relations to their parents and daughters."""
    columns, n = tree.columns, len(tree.local)
    counts = np.asarray(batch.counts, dtype=np.int64)
    start = np.arange(n) - tree.local
    status, _ = status_codes(tree)
    bits = columns["status"].astype(np.int64)
    simulated = np.where(bits & ParticleStatus.PRIMARY == 0, CREATED_IN_SIMULATION, 0)
    for ours, theirs in ((ParticleStatus.LEFT_DETECTOR, _LEFT), (ParticleStatus.STOPPED_IN_DETECTOR, _STOPPED)):
        simulated |= np.where(bits & ours != 0, theirs, 0)
    place = [columns[axis].astype(np.float64) * _MM for axis in "xyz"]
    has_mother = tree.mother >= 0
    children = np.flatnonzero(has_mother)
    parent = (start + tree.mother)[children]
    n_parents = has_mother.astype(np.int64)
    n_daughters = np.bincount(parent, minlength=n)
    first_of_event = np.repeat(np.cumsum(counts) - counts, counts)
    ranges: dict[str, NDArray[np.uint32]] = {}
    for label, lengths in (("parents", n_parents), ("daughters", n_daughters)):
        before = np.concatenate([[0], np.cumsum(lengths)])
        begin = before[:-1] - before[first_of_event] if n else before[:-1]
        ranges |= {f"{label}_begin": begin.astype(np.uint32), f"{label}_end": (begin + lengths).astype(np.uint32)}
    order = np.argsort(parent, kind="stable")
    first_daughter = np.full(n, -1)
    first_daughter[parent[order][::-1]] = children[order][::-1]
    end = [np.where(first_daughter >= 0, values[first_daughter], 0.0) for values in place] if n else place
    momentum = _vector(*(columns[f"p{axis}"] for axis in "xyz"))
    members = {
        "PDG": columns["PDG"].astype(np.int32), "generatorStatus": np.where(status == 201, 0, status).astype(np.int32),
        "simulatorStatus": simulated.astype(np.int32), "charge": columns["charge"].astype(np.float32),
        "time": columns["prodTime"].astype(np.float32), "mass": columns["mass"].astype(np.float64),
        "vertex": _vector(*place), "endpoint": _vector(*end), "momentum": momentum,
        "momentumAtEndpoint": _vector(*(np.zeros(n) for _ in "xyz")),
        "helicity": np.full(n, _UNSET_HELICITY, dtype=np.int32), **ranges,
    }  # fmt: skip
    event = tree.event
    related = {
        "parents": (np.bincount(event[children], minlength=len(counts)), tree.mother[children]),
        "daughters": (np.bincount(event[parent], minlength=len(counts)), tree.local[children[order]]),
    }
    relations = {
        f"_{PARTICLES.name}_{label}": podio.references(lengths, index, PARTICLES)
        for label, (lengths, index) in related.items()
    }
    return {PARTICLES.name: podio.jagged(counts, podio.structure(_PARTICLE_CLASS, members)), **relations}


def own_parameters_of(batch: EventBatch) -> list[dict[str, list[Any]]]:
    """Of each event, what EDM4hep has no member for: keep probability, scores, experiment, process."""
    frames: list[dict[str, list[Any]]] = [{} for _ in range(len(batch))]
    columns = {
        name: column for name, column in batch.event.items() if name == KEEP_PROBABILITY or name.startswith(SCORE)
    }
    columns |= {EXPERIMENT: batch.event[EXPERIMENT]} if batch.event[EXPERIMENT].any() else {}
    columns |= {PROCESS: batch.event[PROCESS]} if (batch.event[PROCESS] != "").any() else {}
    for name, column in columns.items():
        for frame, value in zip(frames, column.tolist(), strict=True):
            frame[OURS + name] = [value]
    return frames


def add_status(frames: Sequence[dict[str, list[Any]]], tree: DecayTree, batch: EventBatch) -> None:
    """Add the status bits of the particles of those events where EDM4hep has no place for them."""
    _, is_special = status_codes(tree)
    bits = np.split(tree.columns["status"], batch.offsets[1:-1])
    for index in np.unique(tree.event[is_special]).tolist():
        frames[index][STATUS] = bits[index].tolist()


__all__ = [
    "CREATED_IN_SIMULATION",
    "HEADER",
    "HEADER_CLASS",
    "OURS",
    "PARTICLES",
    "STATUS",
    "add_status",
    "header_fields",
    "own_parameters_of",
    "particle_fields",
    "weights_of",
]
