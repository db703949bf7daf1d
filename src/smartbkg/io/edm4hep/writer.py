"""Writing EDM4hep: events as RNTuples that podio reads, with particles, their relations and the weights that count.

``EventHeader.weight`` is the weight by which sums count: of kept events the generator's divided by the keep
probability. ``EventHeader.weights`` holds it first, then its variations, all divided alike, then
``smartbkg_generator_weight`` and ``smartbkg``, the ratio; the parameter ``EventWeightNames`` of the file names them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
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
from smartbkg.io.edm4hep.podio import Collection
from smartbkg.io.hepmc.build import DecayTree, decay_tree, status_codes
from smartbkg.io.hepmc.weights import DEFAULT_NAME, filtered_weights, layout_names
from smartbkg.io.reader import EventWriter
from smartbkg.io.records import no_events
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.provenance import METADATA_KEY

PARTICLES: Final = Collection("MCParticles", "edm4hep::MCParticle")
HEADER: Final = Collection("EventHeader", "edm4hep::EventHeader")
#: Parameter of the file with the names of the weights (EDM4hep ``Constants.h``).
WEIGHT_NAMES: Final = "EventWeightNames"
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


class Edm4hepWriter(EventWriter):
    """Writes a file of RNTuples, whole or not at all."""

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        import uproot

        self.path = path
        self._provenance = dict(provenance)
        self._names: tuple[str, ...] | None = None
        self._stack = contextlib.ExitStack()
        partial = self._stack.enter_context(atomic_path(path))
        with disk_errors(path):
            self._file = self._stack.enter_context(uproot.recreate(partial))

    def describe(self, **further: Any) -> None:
        self._provenance |= further

    def write(self, batch: EventBatch) -> None:
        if not len(batch):
            return
        names, weights = _weights(batch)
        if self._names is not None and names != self._names:
            raise EventError(
                f"has the weights {', '.join(names)}, others {', '.join(self._names)}: EDM4hep names them once a file",
                source=batch.source, event=batch.event_id(0),
            )  # fmt: skip
        tree = decay_tree(batch)
        fields = _particles(tree, batch) | _headers(batch, weights)
        fields |= podio.parameters(_event_parameters(tree, batch))
        with disk_errors(self.path):
            self._append(podio.EVENTS, fields, is_first=self._names is None)
        self._names = names
        self.n_written += len(batch)

    def _append(self, name: str, fields: Mapping[str, Any], *, is_first: bool = True) -> None:
        import awkward as ak

        array = ak.zip(dict(fields), depth_limit=1)
        if is_first:
            with podio.named_classes():
                self._file.mkrntuple(name, array.layout.form)
        self._file[name].extend(array)

    def close(self) -> None:
        try:
            with disk_errors(self.path):
                self._finish()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        with disk_errors(self.path):
            self._stack.close()

    def _finish(self) -> None:
        if self._names is None:
            batch = no_events()
            fields = _particles(decay_tree(batch), batch) | _headers(batch, np.zeros((0, 1))) | podio.parameters([])
            import awkward as ak

            with podio.named_classes():
                self._file.mkrntuple(podio.EVENTS, ak.zip(fields, depth_limit=1).layout.form)
        record = json.dumps(self._provenance, sort_keys=True)
        of_file = {WEIGHT_NAMES: list(self._names or ()), METADATA_KEY: [record]}
        self._append(podio.METADATA, podio.parameters([of_file]))
        self._append(podio.FILE_METADATA, podio.file_metadata([HEADER, PARTICLES]))

    def abort(self) -> None:
        stop = SystemExit()
        with contextlib.suppress(SystemExit):
            self._stack.__exit__(SystemExit, stop, None)
            raise stop


def _weights(batch: EventBatch) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names of the weights of a batch, and (n_events, n_weights) their values, the one that counts first."""
    variations = [name for name in batch.event if name.startswith(VARIATION_PREFIX)]
    names = tuple(name.removeprefix(VARIATION_PREFIX) for name in variations) or (DEFAULT_NAME,)
    if KEEP_PROBABILITY in batch.event:
        written = layout_names(names, "nominal", names[0])
        return written, filtered_weights(batch, len(names), "nominal")
    columns = [batch.event[WEIGHT], *(batch.event[name] for name in variations[1:])]
    return names, np.stack(columns, axis=1).astype(np.float64)


def _headers(batch: EventBatch, weights: NDArray[np.float64]) -> dict[str, Any]:
    number, run = batch.event[EVENT_NUMBER], batch.event[RUN]
    if len(batch) and (number.min() < 0 or run.min() < 0):
        index = int(np.flatnonzero((number < 0) | (run < 0))[0])
        raise EventError("EDM4hep holds no negative numbers", source=batch.source, event=batch.event_id(index))
    ones, n_weights = np.ones(len(batch), dtype=np.int64), weights.shape[1]
    members = {
        "eventNumber": number.astype(np.uint64), "runNumber": run.astype(np.uint32),
        "timeStamp": np.zeros(len(batch), dtype=np.uint64), "weight": weights[:, 0].copy(),
        "weights_begin": np.zeros(len(batch), dtype=np.uint32),
        "weights_end": np.full(len(batch), n_weights, dtype=np.uint32),
    }  # fmt: skip
    import awkward as ak

    values = ak.contents.NumpyArray(np.ascontiguousarray(weights.ravel()))
    return {
        HEADER.name: podio.jagged(ones, podio.structure(f"{HEADER.kind}Data", members)),
        f"_{HEADER.name}_weights": podio.jagged(n_weights * ones, values),
    }


def _vector(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> Any:
    members = {
        axis: np.ascontiguousarray(values, dtype=np.float64) for axis, values in zip("xyz", (x, y, z), strict=True)
    }
    return podio.structure("edm4hep::Vector3d", members)


def _particles(tree: DecayTree, batch: EventBatch) -> dict[str, Any]:
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
    return {PARTICLES.name: podio.jagged(counts, podio.structure(f"{PARTICLES.kind}Data", members)), **relations}


def _event_parameters(tree: DecayTree, batch: EventBatch) -> list[dict[str, list[Any]]]:
    """Of each event, what EDM4hep has no member for."""
    frames: list[dict[str, list[Any]]] = [{} for _ in range(len(batch))]
    columns = {
        name: column for name, column in batch.event.items() if name == KEEP_PROBABILITY or name.startswith(SCORE)
    }
    columns |= {EXPERIMENT: batch.event[EXPERIMENT]} if batch.event[EXPERIMENT].any() else {}
    columns |= {PROCESS: batch.event[PROCESS]} if (batch.event[PROCESS] != "").any() else {}
    for name, column in columns.items():
        for frame, value in zip(frames, column.tolist(), strict=True):
            frame[OURS + name] = [value]
    _, is_special = status_codes(tree)
    bits = np.split(tree.columns["status"], batch.offsets[1:-1])
    for index in np.unique(tree.event[is_special]).tolist():
        frames[index][STATUS] = bits[index].tolist()
    return frames


def create(path: Path, provenance: Mapping[str, Any]) -> EventWriter:
    """A writer to a path."""
    return Edm4hepWriter(path, provenance)


__all__ = ["CREATED_IN_SIMULATION", "OURS", "STATUS", "WEIGHT_NAMES", "Edm4hepWriter", "create"]
