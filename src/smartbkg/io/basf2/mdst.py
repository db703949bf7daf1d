"""basf2 mDST and uDST: ROOT files with a tree ``tree`` that holds ``MCParticles`` and ``EventMetaData``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_NUMBER
from smartbkg.io.basf2.extra_info import extra_columns
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventFormat, EventReader, ReadOptions
from smartbkg.io.records import assemble
from smartbkg.io.root import check_entries, flat_branch, open_root, read_ranges, root_errors
from smartbkg.io.root_volume import Volume
from smartbkg.storage.signatures import ROOT_START

TREE: Final = "tree"
_PARTICLES: Final = "MCParticles"

#: particle column → member of basf2's class MCParticle
_MEMBERS: Final = {
    "PDG": "m_pdg",
    "status": "m_status",
    "mass": "m_mass",
    "energy": "m_energy",
    "px": "m_momentum_x",
    "py": "m_momentum_y",
    "pz": "m_momentum_z",
    "prodTime": "m_productionTime",
    "x": "m_productionVertex_x",
    "y": "m_productionVertex_y",
    "z": "m_productionVertex_z",
    "motherIndex": "m_mother",
}

#: event column → member of basf2's class EventMetaData
_EVENT_MEMBERS: Final = {
    "experiment": "m_experiment",
    "run": "m_run",
    "evtNum": "m_event",
    "production": "m_production",
    "weight": "m_generatedWeight",
}


def event_ids(tree: Any, start: int, stop: int, source: str) -> dict[str, NDArray[Any]]:
    """The columns of ``EventMetaData`` for the entries ``start:stop``: event id, production, generated weight."""
    columns = {}
    with root_errors(source, f"entries {start} to {stop - 1} of EventMetaData"):
        separator = "/" if "EventMetaData" in tree.keys(recursive=False) else "."
        for name, member in _EVENT_MEMBERS.items():
            branch = tree[f"EventMetaData{separator}{member}"]
            columns[name] = np.asarray(branch.array(library="np", entry_start=start, entry_stop=stop))
            check_entries(branch, int(tree.num_entries))
            if columns[name].shape != (stop - start,):
                raise FileFormatError(f"{source}: EventMetaData.{member} has {columns[name].shape[:1]} entries")
    return columns


class MdstReader(EventReader):
    """Streams the entries of the tree, some thousand at a time."""

    def __init__(self, path: Path, options: ReadOptions | None = None) -> None:
        super().__init__(str(path), options)
        self._file = open_root(path)
        with root_errors(self.source, f"tree '{TREE}'"):
            self._tree = self._file[TREE]
            self.n_events = int(self._tree.num_entries)
        self._branches = {}
        for name, member in _MEMBERS.items():
            branch = f"{_PARTICLES}.{member}"
            if branch not in self._tree.keys(full_paths=False):
                raise FileFormatError(f"{self.source}: {TREE} has no branch {branch}: not an mDST with MCParticles")
            self._branches[name] = self._tree[branch]
            with root_errors(self.source, f"branch {branch}"):
                check_entries(self._tree[branch], self.n_events)
        self.metadata = self._file_metadata()

    def _file_metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {"generator": "basf2"}
        with contextlib.suppress(KeyError, FileFormatError), root_errors(self.source, "FileMetaData"):
            branch = self._file["persistent"]["FileMetaData"]
            for name, member in (("release", "m_release"), ("global_tag", "m_databaseGlobalTag")):
                found[name] = str(branch[member].array(library="np")[0])
        return found

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        return read_ranges(
            self, self.n_events or 0, size, self._read, Volume(self._tree, list(self._branches.values()))
        )

    def _read(self, start: int, stop: int) -> EventBatch:
        event = event_ids(self._tree, start, stop, self.source)
        particle: dict[str, NDArray[Any]] = {}
        counts: NDArray[np.int64] | None = None
        for name, branch in self._branches.items():
            with root_errors(self.source, f"entries {start} to {stop - 1} of {branch.name}"):
                counts_here, particle[name] = flat_branch(branch, start, stop)
            if counts is not None and not np.array_equal(counts, counts_here):
                raise FileFormatError(f"{self.source}: {branch.name} and {_PARTICLES}.m_pdg differ in length")
            counts = counts_here
        if counts is None or len(counts) != stop - start:
            raise FileFormatError(f"{self.source}: entries {start} to {stop - 1} are incomplete")
        ends = np.cumsum(counts)
        particle["arrayIndex"] = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        particle["motherIndex"] = particle["motherIndex"].astype(np.int64) - 1  # MCParticles count from 1, 0 = none
        n_events = stop - start
        for name in ("experiment", "run"):
            given = getattr(self.options, name)
            if given is not None:
                event[name] = np.full(n_events, given)
        extra = extra_columns(self._tree, event["weight"].astype(np.float64), start, stop, self.source)
        event = {"process": np.full(n_events, ""), **event, **extra}
        numbers = self.place_numbers(start, stop)
        event |= {} if numbers is None else {EVENT_NUMBER: numbers}
        if self.options.process is not None:
            event["process"] = np.full(n_events, self.options.process)
        return assemble(self, counts, event, particle)

    def close(self) -> None:
        self._file.close()


def is_basf2(path: Path) -> bool:
    """Whether a ROOT file is basf2's: a tree beside the tree ``persistent``, or with ``EventMetaData``."""
    try:
        with open_root(path) as file, root_errors(str(path), f"tree '{TREE}'"):
            return TREE in file and ("persistent" in file or "EventMetaData.m_event" in _branches(file[TREE]))
    except FileFormatError:
        return False


def _branches(tree: Any) -> set[str]:
    """Names of the branches of members: ``EventMetaData.m_event``, whether they are nested or not."""
    names = set()
    for path in tree.keys():  # noqa: SIM118 - uproot's trees are no mappings
        parts = str(path).split("/")
        names.add(parts[-1] if "." in parts[-1] else ".".join(parts[-2:]))
    return names


def _recognises(head: bytes, path: Path) -> bool:
    return head[:4] == ROOT_START and is_basf2(path)


MDST = EventFormat(
    name="mdst",
    description="basf2 mDST or uDST with MCParticles",
    suffixes=(".root",),
    recognises=_recognises,
    open=MdstReader,
)

__all__ = ["MDST", "TREE", "MdstReader", "event_ids", "is_basf2"]
