"""modularAnalysis: input, event-level quantities, cuts, n-tuples."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import uproot
from basf2 import Module, Path, create_path
from data_store import STORE, FatalError

__all__ = ["create_path"]

_EXTRA_INFO = re.compile(r"eventExtraInfo\(([^)]*)\)")


def getAnalysisGlobaltag() -> str:
    return "analysis_tools_double"


def inputMdst(
    filename: str, path: Path, environmentType: str = "default", skipNEvents: int = 0, entrySequence: str | None = None
) -> None:
    path.add_module("RootInput", inputFileName=filename, skipNEvents=skipNEvents)


def inputMdstList(filelist: list[str], path: Path, environmentType: str = "default", skipNEvents: int = 0) -> None:
    path.add_module("RootInput", inputFileNames=filelist, skipNEvents=skipNEvents)


class _Marker(Module):
    """Notes that event-level quantities can be asked for."""

    def initialize(self) -> None:
        STORE.registered.add(self.name())


def _mark(name: str, path: Path) -> None:
    module = _Marker()
    module.set_name(name)
    path.add_module(module)


def buildEventShape(path: Path) -> None:
    _mark("EventShape", path)


def buildEventKinematics(path: Path) -> None:
    _mark("EventKinematics", path)


def value_of(variable: str) -> float:
    """A variable of the event: extra info, an id, or a number that stands for a reconstructed quantity."""
    extra = _EXTRA_INFO.fullmatch(variable)
    if extra is not None:
        info = STORE.objects.get("EventExtraInfo")
        return info.getExtraInfo(extra[1]) if info is not None and info.hasExtraInfo(extra[1]) else float("nan")
    if "EventShape" not in STORE.registered:
        raise FatalError(f"variable {variable} needs buildEventShape")
    return stand_in(variable, STORE.objects["MCParticles"])


def stand_in(variable: str, particles: list[Any]) -> float:
    """A number that is a function of the event and of the variable's name."""
    return float(np.float32(sum(particle.getEnergy() for particle in particles) % 1 + len(variable)))


class _Cut(Module):
    """Goes on where an extra info is true."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._extra = name

    def event(self) -> None:
        value = value_of(f"eventExtraInfo({self._extra})")
        self.return_value(int(bool(value) and not np.isnan(value)))


def applyEventCuts(cut: str, path: Path) -> None:
    module = _Cut(_EXTRA_INFO.fullmatch(cut)[1])  # type: ignore[index]
    module.if_false(create_path())
    path.add_module(module)


class _Ntuple(Module):
    """Writes variables, with the ids of event and candidate."""

    def __init__(self, variables: list[str], treename: str, filename: str, candidates: str) -> None:
        super().__init__()
        self.set_name(f"VariablesToNtuple_{treename}")
        self._variables, self._tree, self._file, self._list = variables, treename, filename, candidates

    def initialize(self) -> None:
        self._rows: dict[str, list[float]] = {}

    def _fill(self, row: dict[str, float]) -> None:
        for name, value in row.items():
            self._rows.setdefault(name, []).append(value)

    def event(self) -> None:
        meta = STORE.objects["EventMetaData"]
        n_candidates = STORE.objects.get(f"list {self._list}", 0) if self._list else 1
        for candidate in range(n_candidates):
            row = {"__experiment__": meta.getExperiment(), "__run__": meta.getRun(), "__event__": meta.getEvent(),
                   "__production__": meta.getProduction(), "__candidate__": candidate, "__ncandidates__": n_candidates,
                   "__weight__": meta.getGeneratedWeight()}  # fmt: skip
            self._fill(row | {_compatible(variable): value_of(variable) for variable in self._variables})

    def terminate(self) -> None:
        names = ["__experiment__", "__run__", "__event__", *map(_compatible, self._variables)]
        rows = {name: np.array(values) for name, values in self._rows.items()}
        with uproot.recreate(self._file) as file:
            columns = rows or {name: np.empty(0) for name in names}
            file.mktree(self._tree, {name: column.dtype for name, column in columns.items()}).extend(columns)


def _compatible(variable: str) -> str:
    """As makeROOTCompatible does for the characters that occur here."""
    return variable.replace("(", "__bo").replace(")", "__bc").replace(",", "__cm").replace(" ", "__sp")


def variablesToNtuple(
    decayString: str, variables: list[str], treename: str = "variables", filename: str = "ntuple.root", *, path: Path
) -> None:
    path.add_module(_Ntuple(variables, treename, filename, decayString))
