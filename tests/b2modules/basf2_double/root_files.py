"""RootInput and RootOutput: events from and to mDST files, read with uproot alone.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from b2modules.mdst_columns import (
    EVENT_MEMBERS,
    PARTICLE_MEMBERS,
    read_columns,
    read_extra_info,
)
from basf2 import B2FATAL, CppModule
from data_objects import EventExtraInfo, EventMetaData, MCParticle
from data_store import STORE


class Events:
    """All events of a file in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns, self.meta = read_columns(path, path.stat().st_mtime_ns)
        self.extra = read_extra_info(path, path.stat().st_mtime_ns)

    def __len__(self) -> int:
        return len(self.meta["event"])

    def particles(self, entry: int, *, generated_only: bool = False) -> list[MCParticle]:
        """The particles of an event; those of the generator alone get new indices and links."""
        names = tuple(self.columns)
        rows = [
            dict(zip(names, values, strict=True))
            for values in zip(*(column[entry] for column in self.columns.values()), strict=True)
        ]
        if generated_only:
            rows = _generated(rows)
        array: list[MCParticle] = []
        array.extend(MCParticle(array, index, row) for index, row in enumerate(rows))
        return array

    def meta_data(self, entry: int) -> EventMetaData:
        return EventMetaData(**{name: values[entry] for name, values in self.meta.items()})

    def extra_info(self, entry: int) -> EventExtraInfo | None:
        """What the file has of it: None where the branch is absent."""
        if self.extra is None:
            return None
        info = EventExtraInfo()
        numbers, texts = self.extra[entry]
        for name, value in numbers.items():
            info.addExtraInfo(name, value)
        for name, text in texts.items():
            info.addExtraStringInfo(name, text)
        return info


def _generated(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The primary particles with indices, mothers and numbers of daughters among themselves."""
    kept = [index for index, row in enumerate(rows) if row["status"] & 1]
    new_index = {old: new for new, old in enumerate(kept)}
    chosen = [dict(rows[index]) for index in kept]
    for row in chosen:
        row["mother"] = new_index.get(row["mother"] - 1, -1) + 1
    for index, row in enumerate(chosen):
        n_daughters = sum(other["mother"] == index + 1 for other in chosen)
        row["first_daughter"], row["last_daughter"] = (1, n_daughters) if n_daughters else (0, 0)
    return chosen


class RootInput(CppModule):
    """framework/modules/rootio/src/RootInputModule.cc."""

    def initialize(self) -> None:
        """RootInputModule.cc:101: B2FATAL for files that cannot be opened; registers what the first file has."""
        names = self._params.get("inputFileNames") or [self._params["inputFileName"]]
        for name in names:
            if not Path(name).is_file():
                B2FATAL(f'Could not open input file "{name}"')
        self._files = [Events(Path(name)) for name in names]
        entries = [(file, entry) for file in self._files for entry in range(len(file))]
        self._entries = iter(entries[int(self._params.get("skipNEvents", 0)) :])
        STORE.register("MCParticles", None, is_array=True)
        STORE.register("EventMetaData", EventMetaData, is_array=False)
        if self._files[0].extra is not None:
            STORE.register("EventExtraInfo", EventExtraInfo, is_array=False)

    def event(self) -> None:
        """RootInputModule.cc:345: no EventMetaData at the end of the data."""
        found = next(self._entries, None)
        if found is None:
            return
        file, entry = found
        STORE.create("EventMetaData", file.meta_data(entry), replace=True)
        STORE.create("MCParticles", file.particles(entry), replace=True)
        info = file.extra_info(entry)
        if info is not None:
            STORE.create("EventExtraInfo", info, replace=True)


class RootOutput(CppModule):
    """framework/modules/rootio/src/RootOutputModule.cc: trees ``tree`` and ``persistent``, written at terminate.

    A file that was passed on whole and without additions is copied, so that it stays a real mDST.
    """

    def initialize(self) -> None:
        """RootOutputModule.cc:136: only branches that are registered."""
        self._meta: dict[str, list[Any]] = {name: [] for name in EVENT_MEMBERS}
        self._particles: dict[str, list[Any]] = {name: [] for name in PARTICLE_MEMBERS}
        self._extra: list[EventExtraInfo] = []

    def event(self) -> None:
        """RootOutputModule.cc:301."""
        meta, particles = STORE.object("EventMetaData"), STORE.object("MCParticles")
        for name in EVENT_MEMBERS:
            self._meta[name].append(getattr(meta, f"_{name}"))
        for name in PARTICLE_MEMBERS:
            self._particles[name].append([particle._values[name] for particle in particles])
        self._extra.append(STORE.object("EventExtraInfo") or EventExtraInfo())

    def terminate(self) -> None:
        """RootOutputModule.cc:433: what is not written here is lost."""
        path = Path(self._params["outputFileName"])
        has_extra = "EventExtraInfo" in self._params.get("branchNames", [])
        source = self._params.get("copyOf")
        if source is not None and not has_extra and len(Events(Path(source))) == len(self._meta["event"]):
            shutil.copyfile(source, path)
            return
        import awkward as ak

        branches = {f"EventMetaData.{EVENT_MEMBERS[name]}": np.array(values) for name, values in self._meta.items()}
        branches |= {
            f"MCParticles.{PARTICLE_MEMBERS[name]}": ak.Array(values or ak.Array([[0.0]])[:0])
            for name, values in self._particles.items()
        }
        with uproot.recreate(path) as file:
            tree = file.mktree(
                "tree",
                {
                    name: column.type.content if isinstance(column, ak.Array) else column.dtype
                    for name, column in branches.items()
                },
            )
            if self._meta["event"]:
                tree.extend(branches)
            if has_extra:
                _write_extra_info(file, self._extra)


def _write_extra_info(file: Any, infos: list[EventExtraInfo]) -> None:
    """Extra information as a tree of names and values: uproot writes no maps of C++."""
    rows = [(index, name, value) for index, info in enumerate(infos) for name, value in info._values.items()]
    rows += [(index, name, text) for index, info in enumerate(infos) for name, text in info._texts.items()]
    if not rows:
        return
    file.mktree("extra_info_of_the_double", {"entry": "int32", "name": "string", "value": "string"}).extend(
        {
            "entry": np.array([row[0] for row in rows], dtype=np.int32),
            "name": [row[1] for row in rows],
            "value": [row[2] if isinstance(row[2], str) else f"#{row[2]!r}" for row in rows],
        }
    )
