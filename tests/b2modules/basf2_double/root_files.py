"""RootInput and RootOutput: events from and to mDST files, read with uproot alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from b2modules.mdst_columns import EVENT_MEMBERS, PARTICLE_MEMBERS, read_columns
from basf2 import Module, SourceModule
from data_store import STORE, EventMetaData, FatalError, MCParticle


class Events:
    """All events of a file in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns, self.meta = read_columns(path, path.stat().st_mtime_ns)

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


class RootInput(SourceModule):
    """Reads events from files."""

    def initialize(self) -> None:
        names = self._params.get("inputFileNames") or [self._params["inputFileName"]]
        for name in names:
            if not Path(name).is_file():
                raise FatalError(f"Couldn't open input file {name}")
        self._files = [Events(Path(name)) for name in names]
        self._entries = iter([(file, entry) for file in self._files for entry in range(len(file))][self._skipped() :])
        self.current: tuple[Events, int] | None = None
        for name in ("MCParticles", "EventMetaData"):
            STORE.register(name)

    def _skipped(self) -> int:
        return int(self._params.get("skipNEvents", 0))

    def next_event(self) -> bool:
        self.current = next(self._entries, None)
        if self.current is None:
            return False
        file, entry = self.current
        STORE.create("EventMetaData", file.meta_data(entry), replace=True)
        STORE.create("MCParticles", file.particles(entry), replace=True)
        return True


class RootOutput(Module):
    """Writes the events that reach it; a file that was passed on whole is copied, so that it stays a real mDST."""

    def initialize(self) -> None:
        self._meta: dict[str, list[Any]] = {name: [] for name in EVENT_MEMBERS}
        self._particles: dict[str, list[Any]] = {name: [] for name in PARTICLE_MEMBERS}

    def event(self) -> None:
        meta, particles = STORE.objects["EventMetaData"], STORE.objects["MCParticles"]
        for name in EVENT_MEMBERS:
            self._meta[name].append(getattr(meta, f"_{name}"))
        for name in PARTICLE_MEMBERS:
            self._particles[name].append([particle._values[name] for particle in particles])

    def terminate(self) -> None:
        path = Path(self._params["outputFileName"])
        source = self._params.get("copyOf")
        if source is not None and len(Events(Path(source))) == len(self._meta["event"]):
            shutil.copyfile(source, path)
            return
        import awkward as ak

        branches = {f"EventMetaData_{EVENT_MEMBERS[name]}": np.array(values) for name, values in self._meta.items()}
        branches |= {
            f"MCParticles_{PARTICLE_MEMBERS[name]}": ak.Array(values) for name, values in self._particles.items()
        }
        with uproot.recreate(path) as file:
            file.mktree(
                "tree",
                {
                    name: column.type.content if isinstance(column, ak.Array) else column.dtype
                    for name, column in branches.items()
                },
            ).extend(branches)
