"""Events as ROOT n-tuples, to be analysed: one entry per event, particles as lists, in the manner of NanoAOD.

A TTree (``.root``) has branches such as ``weight`` and, with their common counter ``nparticle``, ``particle_PDG``; an
RNTuple (``.rntuple.root``) has the same fields. Units are those of the native columns. The provenance record, with the
totals of the sample, is the text object ``smartbkg`` of the file.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES
from smartbkg.io.reader import EventFormat, EventReader, EventWriter, ReadOptions
from smartbkg.io.records import no_events
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.provenance import METADATA_KEY

TREE: Final = "events"
PARTICLES: Final = "particle"
#: Suffixes by which programs know ROOT files of another layout.
_OTHERS: Final = {".hepmc3.tree.root": "HepMC3 in ROOT"}
NTUPLE_SUFFIX: Final = ".rntuple.root"


class RootWriter(EventWriter):
    """Writes a TTree, or an RNTuple where the name of the file says so; text columns only where they hold text."""

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        import uproot

        self.path = path
        self._provenance = dict(provenance)
        self._stack = contextlib.ExitStack()
        partial = self._stack.enter_context(atomic_path(path))
        with disk_errors(path):
            self._file = self._stack.enter_context(uproot.recreate(partial))
        self._is_made = False
        self._is_ntuple = path.name.endswith(NTUPLE_SUFFIX)

    def describe(self, **further: Any) -> None:
        self._provenance |= further

    def write(self, batch: EventBatch) -> None:
        if not len(batch) and self._is_made:
            return
        content = _columns(batch)
        with disk_errors(self.path):
            if not self._is_made:
                self._make(content)
            if len(batch):
                self._file[TREE].extend(_records(content) if self._is_ntuple else content)
        self.n_written += len(batch)

    def _make(self, content: Mapping[str, Any]) -> None:
        if self._is_ntuple:  # uproot 5.6.1, which a release of Belle II has, takes no dictionary of types for these
            self._file.mkrntuple(TREE, _records(content).layout.form)
        else:
            self._file.mktree(TREE, {name: column.type.content for name, column in content.items()})
        self._is_made = True

    def close(self) -> None:
        try:
            if not self._is_made:
                self.write(no_events())
            with disk_errors(self.path):
                self._file[METADATA_KEY] = json.dumps(self._provenance, sort_keys=True)
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        with disk_errors(self.path):
            self._stack.close()

    def abort(self) -> None:
        stop = SystemExit()
        with contextlib.suppress(SystemExit):
            self._stack.__exit__(SystemExit, stop, None)
            raise stop


def _columns(batch: EventBatch) -> dict[str, Any]:
    """Branches of a batch: event columns, and the particles as one group of lists."""
    import awkward as ak

    array = batch.to_awkward()
    content = {name: ak.to_packed(array[name]) for name in batch.event if batch.event[name].dtype.kind in "biuf"}
    if EVENT_DTYPES.get("process") is not None and "process" in batch.event:
        content["process"] = ak.Array([str(name) for name in batch.event["process"]] or ak.Array([""])[:0])
    particles = {name: array[name] for name in batch.particle}
    content[PARTICLES] = ak.to_packed(ak.zip(particles))
    return content


def _records(content: Mapping[str, Any]) -> Any:
    """The branches as one array of records."""
    import awkward as ak

    return ak.zip(dict(content), depth_limit=1)


def _open(path: Path, _options: ReadOptions) -> EventReader:
    raise FileFormatError(
        f"{path}: an n-tuple for analyses, which is written and not read: keep the Parquet or HepMC file"
    )


def _recognises(_head: bytes, _path: Path) -> bool:
    return False


def _create(path: Path, provenance: Mapping[str, Any]) -> EventWriter:
    for suffix, name in _OTHERS.items():
        if path.name.endswith(suffix):
            raise UsageError(f"{path}: {name} is not written; valid: .hepmc3, .parquet, or another name for an n-tuple")
    return RootWriter(path, provenance)


ROOT_NTUPLE = EventFormat(
    name="ntuple",
    description="ROOT n-tuple, TTree or RNTuple (written, not read)",
    suffixes=(NTUPLE_SUFFIX, ".root"),
    recognises=_recognises,
    open=_open,
    create=_create,
)

__all__ = ["ROOT_NTUPLE", "RootWriter"]
