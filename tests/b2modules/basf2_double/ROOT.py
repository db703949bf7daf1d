"""ROOT.Belle2: data store and conditions access."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import basf2
import data_store


class DBStoreEntry:
    """Belle2.DBStoreEntry."""

    c_RawFile = 0
    c_Object = 1


class DBAccessorBase:
    """Belle2.DBAccessorBase: a payload of the global tags or the local text databases."""

    def __init__(self, kind: int, name: str, isRequired: bool = True) -> None:
        self._name, self._required = name, isRequired

    def _find(self) -> Any:
        for tag in basf2.conditions.globaltags:
            if tag not in basf2.conditions.central:
                raise data_store.FatalError(f"Cannot find global tag {tag}")
        found = _local_payload(self._name)
        for tag in basf2.conditions.globaltags if found is None else []:
            found = basf2.conditions.central[tag].get(self._name, found) if found is None else found
        if found is None and self._required:
            raise data_store.FatalError(f"Cannot find payload {self._name} in any of the configured global tags")
        return found

    def isValid(self) -> bool:
        return self._find() is not None

    def getFilename(self) -> str:
        return str(self._find() or "")

    def __bool__(self) -> bool:
        return self.isValid()


def _local_payload(name: str) -> Path | None:
    for database in basf2.conditions.testing_payloads:
        for line in reversed(Path(database).read_text().splitlines()):
            words = line.split("#")[0].split()
            if words and words[0] == f"dbstore/{name}":
                return Path(database).parent / f"dbstore_{name}_rev_{words[1]}.root"
    return None


class PyDBObj(DBAccessorBase):
    """Belle2.PyDBObj: an object payload; calls go through to it."""

    def __init__(self, name: str) -> None:
        super().__init__(DBStoreEntry.c_Object, name, False)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._find(), attribute)


class SmartBackgroundConfig:
    """Belle2.SmartBackgroundConfig: its maps are lists of pairs, as std::unordered_map is in Python."""

    def __init__(
        self, pdg: dict[int, int], skims: dict[int, int], params: dict[int, list[float]], types: dict[str, int],
        max_weight: float,
    ) -> None:  # fmt: skip
        self._maps = {"pdg": pdg, "skims": skims, "params": params, "types": types}
        self._max_weight = max_weight

    def _pairs(self, name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(first=key, second=value) for key, value in self._maps[name].items()]

    def getPdgMapping(self) -> list[SimpleNamespace]:
        return self._pairs("pdg")

    def getSkimcodesMapping(self) -> list[SimpleNamespace]:
        return self._pairs("skims")

    def getParameterMapping(self) -> list[SimpleNamespace]:
        return self._pairs("params")

    def getEventtypeMapping(self) -> list[SimpleNamespace]:
        return self._pairs("types")

    def getMaxWeight(self) -> float:
        return self._max_weight


Belle2 = SimpleNamespace(
    DBAccessorBase=DBAccessorBase,
    DBStoreEntry=DBStoreEntry,
    PyDBObj=PyDBObj,
    PyStoreArray=data_store.PyStoreArray,
    PyStoreObj=data_store.PyStoreObj,
    SmartBackgroundConfig=SmartBackgroundConfig,
)
