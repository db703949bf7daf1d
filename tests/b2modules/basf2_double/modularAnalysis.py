"""modularAnalysis: input, event-level quantities, cuts, n-tuples.

Each function names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import uproot
from basf2 import B2ERROR, B2FATAL, CppModule, Path, create_path
from data_store import STORE
from variables import variables as manager

__all__ = ["create_path"]

_EXTRA_INFO = re.compile(r"eventExtraInfo\(([^)]*)\)")


def getAnalysisGlobaltag(timeout: int = 180) -> str:
    """modularAnalysis.py:4497: the recommended tag that starts with analysis_tools."""
    return "analysis_tools_double"


def inputMdst(
    filename: str,
    path: Path,
    environmentType: str = "default",
    skipNEvents: int = 0,
    entrySequence: str | None = None,
    *,
    parentLevel: int = 0,
) -> None:
    """modularAnalysis.py:59."""
    inputMdstList([filename], path, environmentType, skipNEvents, parentLevel=parentLevel)


def inputMdstList(
    filelist: list[str],
    path: Path,
    environmentType: str = "default",
    skipNEvents: int = 0,
    entrySequences: list[str] | None = None,
    *,
    parentLevel: int = 0,
) -> None:
    """modularAnalysis.py:83: RootInput and ProgressBar."""
    path.add_module("RootInput", inputFileNames=filelist, skipNEvents=skipNEvents)
    path.add_module("ProgressBar")


class _Mark(CppModule):
    """Notes that event-level quantities can be asked for."""

    def initialize(self) -> None:
        STORE.register(self.name(), None, is_array=False)


def _mark(name: str, path: Path) -> None:
    module = _Mark()
    module.set_name(name)
    path.add_module(module)


def buildEventShape(path: Path | None = None) -> None:
    """modularAnalysis.py:3718."""
    _mark("EventShapeContainer", path)  # type: ignore[arg-type]


def buildEventKinematics(path: Path | None = None) -> None:
    """modularAnalysis.py:3607."""
    _mark("EventKinematics", path)  # type: ignore[arg-type]


def value_of(variable: str) -> float:
    """A variable of the event: extra info (analysis/variables/src/MetaVariables.cc:287), or a number in its place.

    NaN where there is no extra info of the name; aliases are resolved; an unknown alias is no variable.
    """
    variable = manager.resolveAlias(variable)
    extra = _EXTRA_INFO.fullmatch(variable)
    if extra is not None:
        info = STORE.object("EventExtraInfo")
        return info.getExtraInfo(extra[1]) if info is not None and info.hasExtraInfo(extra[1]) else float("nan")
    return stand_in(variable, STORE.object("MCParticles"))


def stand_in(variable: str, particles: list[Any]) -> float:
    """A number that is a function of the event and of the variable's name."""
    return float(np.float32(sum(particle._values["energy"] for particle in particles) % 1 + len(variable)))


def _is_known(variable: str) -> bool:
    """Whether the variable manager has it: names of skims' flags are aliases that `InitialiseSkimFlag` makes."""
    return not manager.resolveAlias(variable).startswith("passes_")


class VariableToReturnValue(CppModule):
    """analysis/modules/VariableToReturnValue/src/VariableToReturnValueModule.cc."""

    def initialize(self) -> None:
        """VariableToReturnValueModule.cc:30: B2ERROR for a variable that is not available."""
        text = self._params["variable"]
        cut = text.removeprefix("passesEventCut(")[:-1] if text.startswith("passesEventCut(") else text
        self._variable, _, wanted = (part.strip() for part in cut.partition("=="))
        self._wanted = float(wanted) if wanted else None
        if not _is_known(self._variable):
            B2ERROR(f"Variable '{text}' is not available in Variable::Manager!")

    def event(self) -> None:
        """VariableToReturnValueModule.cc:40."""
        value = value_of(self._variable)
        self.return_value(int(value == self._wanted if self._wanted is not None else value != 0))


def applyEventCuts(cut: str, path: Path, metavariables: list[str] | None = None) -> None:
    """modularAnalysis.py:1447: an event that fails ends on an empty path; the cut is that of the flag of a skim."""
    module = path.add_module("VariableToReturnValue", variable=f"passesEventCut({cut})")
    module.if_value("<1", create_path())


class VariablesToNtuple(CppModule):
    """analysis/modules/VariablesToNtuple/src/VariablesToNtupleModule.cc."""

    def initialize(self) -> None:
        """VariablesToNtupleModule.cc:88: no tree of the name ``persistent``; known variables; lists that exist."""
        if self._params["treeName"] == "persistent":
            B2FATAL('Tree with the name "persistent" is reserved for FileMetaData.')
        if self._params["particleList"] and self._params["particleList"] not in STORE.entries:
            B2ERROR(f"The required '{self._params['particleList']}' does not exist.")
        for variable in self._params["variables"]:
            if not _is_known(variable):
                B2ERROR(f"Variable '{variable}' is not available in Variable::Manager!")
        # VariablesToNtupleModule.cc:186: repetitions are removed, the order stays
        self._variables = list(dict.fromkeys(self._params["variables"]))
        self._rows: dict[str, list[Any]] = {name: [] for name in self._branches()}

    def _branches(self) -> dict[str, Any]:
        """VariablesToNtupleModule.cc:149: candidate numbers with a particle list alone; __eventType__ is a string."""
        counters = ["__experiment__", "__run__", "__event__", "__production__"]
        if self._params["particleList"]:
            counters += ["__candidate__", "__ncandidates__"]
        kinds: dict[str, Any] = dict.fromkeys(counters, "int32")
        kinds["__event__"] = "uint32"
        if self._params.get("storeEventType", True):
            kinds["__eventType__"] = "string"
        kinds["__weight__"] = "float64"
        return kinds | {compatible(variable): "float64" for variable in self._variables}

    def event(self) -> None:
        """VariablesToNtupleModule.cc:283: __weight__ is the inverse sampling rate, 1, and not a generated weight."""
        meta, info = STORE.object("EventMetaData"), STORE.object("EventExtraInfo")
        chosen = self._params["particleList"]
        n_rows = STORE.object(chosen).getListSize() if chosen else 1
        for candidate in range(n_rows):
            row = {
                "__experiment__": meta.getExperiment(), "__run__": meta.getRun(), "__event__": meta.getEvent(),
                "__production__": meta.getProduction(), "__candidate__": candidate, "__ncandidates__": n_rows,
                "__eventType__": info.getEventType() if info is not None else "", "__weight__": 1.0,
            }  # fmt: skip
            row |= {compatible(variable): value_of(variable) for variable in self._variables}
            for name in self._rows:
                self._rows[name].append(row[name])

    def terminate(self) -> None:
        """VariablesToNtupleModule.cc:420 and 457: the tree ``persistent`` with FileMetaData comes first in the file."""
        kinds = self._branches()
        path = FilePath(self._params["fileName"])
        columns = {
            name: values if kinds[name] == "string" else np.array(values, dtype=kinds[name])
            for name, values in self._rows.items()
        }
        open_file = uproot.update if path.is_file() else uproot.recreate
        with open_file(path) as file:
            if "persistent" not in file:
                file.mktree("persistent", {"nEvents": "int32"}).extend({"nEvents": np.array([len(self._rows)])})
            tree = file.mktree(self._params["treeName"], kinds)
            if len(columns["__event__"]):
                tree.extend(columns)


_REPLACED = {
    " ": "__sp", ",": "__cm", ":": "__cl", "=": "__eq", "<": "__st", ">": "__gt", ".": "__pt", "+": "__pl", "-": "__mi",
    "(": "__bo", ")": "__bc", "/": "__sl", "*": "__mu",
}  # fmt: skip


def compatible(variable: str) -> str:
    """framework/utilities/src/MakeROOTCompatible.cc:60, for the characters that occur here."""
    for character, text in _REPLACED.items():
        variable = variable.replace(character, text)
    return re.sub("[^a-zA-Z0-9_]", "", variable)


def variablesToNtuple(
    decayString: str,
    variables: list[str],
    treename: str = "variables",
    filename: str = "ntuple.root",
    path: Path | None = None,
    basketsize: int = 1600,
    signalSideParticleList: str = "",
    filenameSuffix: str = "",
    useFloat: bool = False,
    storeEventType: bool = True,
) -> None:
    """modularAnalysis.py:2026."""
    output = path.add_module(  # type: ignore[union-attr]
        "VariablesToNtuple", particleList=decayString, variables=variables, fileName=filename, treeName=treename,
        storeEventType=storeEventType,
    )  # fmt: skip
    output.set_name(f"VariablesToNtuple_{decayString}")
