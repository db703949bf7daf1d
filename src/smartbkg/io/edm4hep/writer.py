"""Writing EDM4hep: events as RNTuples that podio reads, with particles, their relations and the weights that count.

``EventHeader.weight`` is the weight by which sums count: of kept events the generator's divided by the keep
probability. ``EventHeader.weights`` holds it first, then its variations, all divided alike, then
``smartbkg_generator_weight`` and ``smartbkg``, the ratio; the parameter ``EventWeightNames`` of the file names them.
Events that come with their frames (`smartbkg.io.edm4hep.frames`) are written with all collections of these, unchanged
but for the header.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_NUMBER, KEEP_PROBABILITY, RUN
from smartbkg.io.edm4hep import podio
from smartbkg.io.edm4hep.content import (
    HEADER,
    HEADER_CLASS,
    OURS,
    PARTICLES,
    STATUS,
    add_status,
    header_fields,
    own_parameters_of,
    particle_fields,
    weights_of,
)
from smartbkg.io.edm4hep.frames import Frames, Original, pieces
from smartbkg.io.edm4hep.podio import Collection
from smartbkg.io.hepmc.build import decay_tree
from smartbkg.io.reader import EventWriter
from smartbkg.io.records import no_events
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.provenance import METADATA_KEY

#: Parameter of the file with the names of the weights (EDM4hep ``Constants.h``).
WEIGHT_NAMES: Final = "EventWeightNames"

LOGGER = logging.getLogger(__name__)


class _Content(NamedTuple):
    """Events as they are written."""

    names: tuple[str, ...] | None
    """Of the weights; None where they are those of the file that the events come from."""
    fields: Mapping[str, Any]
    collections: tuple[Collection, ...]
    versions: Mapping[str, int]
    """Of classes that are copied."""


class Edm4hepWriter(EventWriter):
    """Writes a file of RNTuples, whole or not at all."""

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        import uproot

        self.path = path
        self._provenance = dict(provenance)
        self._names: tuple[str, ...] | None = None
        self._layout: tuple[str, tuple[Collection, ...]] | None = None
        self._copied = _Copied()
        self._stack = contextlib.ExitStack()
        partial = self._stack.enter_context(atomic_path(path))
        with disk_errors(path):
            self._file = self._stack.enter_context(uproot.recreate(partial))

    def describe(self, **further: Any) -> None:
        self._provenance |= further

    def write(self, batch: EventBatch) -> None:
        if not len(batch):
            return
        originals = [one for one in batch.originals or () if isinstance(one, Original)]
        if len(originals) != len(batch):
            self._write(batch, _from_columns)
            return
        for piece in pieces(originals):
            self._copied.add(originals[piece.start].frames)
            self._write(batch.slice(piece.start, piece.stop), partial(_from_frames, originals=originals[piece]))

    def _write(self, batch: EventBatch, content_of: Callable[[EventBatch], _Content]) -> None:
        content = content_of(batch)
        if self._layout is not None and content.names != self._names:
            before, now = (", ".join(names or ["those of its file"]) for names in (self._names, content.names))
            raise EventError(
                f"has the weights {now}, others {before}: EDM4hep names them once a file",
                source=batch.source, event=batch.event_id(0),
            )  # fmt: skip
        array = _as_entries(content.fields)
        layout = str(array.type.content), content.collections
        if self._layout is not None and layout != self._layout:
            here, there = ({one.name for one in found[1]} for found in (layout, self._layout))
            different = ", ".join(sorted(here ^ there)) or "their members"
            raise EventError(
                f"has other collections than the events before it ({different}): a file of podio has one layout",
                source=batch.source, event=batch.event_id(0),
            )  # fmt: skip
        with disk_errors(self.path):
            self._append(podio.EVENTS, array, content.versions, is_first=self._layout is None)
        self._names, self._layout = content.names, layout
        self.n_written += len(batch)

    def _append(
        self, name: str, array: Any, versions: Mapping[str, int] | None = None, *, is_first: bool = True
    ) -> None:
        if is_first:
            with podio.named_classes(versions):
                self._file.mkrntuple(name, array.layout.form)
        if len(array):
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
        if self._layout is None:
            content = _from_columns(no_events())
            self._append(podio.EVENTS, _as_entries(content.fields))
            self._layout = "", content.collections
        record = json.dumps(self._provenance, sort_keys=True)
        named = {} if self._names is None and self._copied.is_any else {WEIGHT_NAMES: list(self._names or ())}
        of_file = self._copied.parameters | named | {METADATA_KEY: [record]}
        self._append(podio.METADATA, _as_entries(podio.parameters([of_file])))
        categories: dict[str, Sequence[Collection]] = {podio.EVENTS: self._layout[1], podio.METADATA: ()}
        for name, (collections, array, versions) in self._copied.others.items():
            self._append(name, array, versions)
            categories[name] = collections
        definitions = self._copied.definitions
        self._append(podio.FILE_METADATA, _as_entries(podio.file_metadata(categories, definitions)))

    def abort(self) -> None:
        stop = SystemExit()
        with contextlib.suppress(SystemExit):
            self._stack.__exit__(SystemExit, stop, None)
            raise stop


class _Copied:
    """What files say beside their events, and goes into the one that is written."""

    def __init__(self) -> None:
        self.is_any = False
        self.definitions = podio.OWN_DEFINITIONS
        self.parameters: dict[str, Any] = {}
        self.others: dict[str, tuple[tuple[Collection, ...], Any, Mapping[str, int]]] = {}
        self._last: Frames | None = None

    def add(self, frames: Frames) -> None:
        """Take over what a file says, once: parameters that another file had before stay as they were."""
        import awkward as ak

        if frames is self._last:
            return
        if not self.is_any:
            self.definitions = frames.definitions
        self.is_any, self._last = True, frames
        for name, category in frames.others.items():
            found = category.parameters(0, category.n_entries)
            if name == podio.METADATA:
                for frame in found:
                    self.parameters = frame | self.parameters
                continue
            fields = category.read(0, category.n_entries) | podio.parameters(found)
            array = _as_entries(fields)
            if name in self.others:
                before = self.others[name]
                if (before[0], str(before[1].type.content)) != (category.collections, str(array.type.content)):
                    LOGGER.warning("%s: its '%s' are not copied: other files hold others", frames.source, name)
                    continue
                array = ak.concatenate([before[1], array])
            self.others[name] = category.collections, array, category.versions


def _as_entries(fields: Mapping[str, Any]) -> Any:
    """One array of entries, in the order of the names of the fields."""
    import awkward as ak

    return ak.zip({name: ak.to_packed(fields[name]) for name in fields}, depth_limit=1)


def _from_columns(batch: EventBatch) -> _Content:
    """Events of other formats: particles and a header."""
    names, weights = weights_of(batch) if len(batch) else ((), np.zeros((0, 1)))
    tree = decay_tree(batch)
    frames = own_parameters_of(batch)
    add_status(frames, tree, batch)
    fields = particle_fields(tree, batch) | header_fields(batch, weights) | podio.parameters(frames)
    return _Content(names, fields, (HEADER, PARTICLES), {})


def _from_frames(batch: EventBatch, originals: Sequence[Original]) -> _Content:
    """Events of EDM4hep: all that they hold; a header with other weights where a filter has kept them."""
    frames = originals[0].frames
    entries = np.array([one.entry for one in originals])
    first, stop = int(entries.min()), int(entries.max()) + 1
    fields = {key: array[entries - first] for key, array in frames.events.read(first, stop).items()}
    collections, versions = list(frames.events.collections), dict(frames.events.versions)
    name = frames.header or HEADER.name
    names = None
    if KEEP_PROBABILITY not in batch.event and frames.header is not None:
        fields[name] = _renumbered(fields[name], batch)
    else:
        names, weights = weights_of(batch)
        fields |= header_fields(batch, weights, name, _time_stamps(fields.get(name), len(batch)))
        identity = next((one.identity for one in collections if one.name == name), HEADER.identity)
        collections = [one for one in collections if one.name != name]
        collections.append(HEADER._replace(name=name, identity=identity))
        versions.pop(HEADER_CLASS, None)
    parameters = frames.events.parameters(first, stop)
    kept = [
        {key: values for key, values in parameters[entry - first].items() if key == STATUS or not key.startswith(OURS)}
        for entry in entries.tolist()
    ]
    own = own_parameters_of(batch)
    fields |= podio.parameters([before | added for before, added in zip(kept, own, strict=True)])
    listed = tuple(sorted(collections, key=lambda one: one.name))
    return _Content(names, {key: fields[key] for key in sorted(fields)}, listed, versions)


def _renumbered(headers: Any, batch: EventBatch) -> Any:
    """Headers with the numbers of a batch, where there is one per event."""
    import awkward as ak

    if np.any(ak.to_numpy(ak.num(headers, axis=1)) != 1):
        return headers
    record = ak.to_layout(ak.to_packed(ak.flatten(headers, axis=1)))
    members = {key: record.content(key) for key in record.fields}
    for key, column in (("eventNumber", EVENT_NUMBER), ("runNumber", RUN)):
        if key in members:
            members[key] = batch.event[column].astype(ak.to_numpy(members[key]).dtype)
    return podio.jagged(np.ones(len(batch), dtype=np.int64), podio.structure(record.parameter("__record__"), members))


def _time_stamps(headers: Any, n_events: int) -> NDArray[np.uint64]:
    """When the events were made, 0 where they do not say."""
    import awkward as ak

    if headers is None or "timeStamp" not in headers.fields:
        return np.zeros(n_events, dtype=np.uint64)
    return np.asarray(ak.to_numpy(ak.fill_none(ak.firsts(headers["timeStamp"]), 0)), dtype=np.uint64)


def create(path: Path, provenance: Mapping[str, Any]) -> EventWriter:
    """A writer to a path."""
    return Edm4hepWriter(path, provenance)


__all__ = ["WEIGHT_NAMES", "Edm4hepWriter", "create"]
