"""The data store: objects that live for one event, and who may make them when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class FatalError(RuntimeError):
    """What B2FATAL and the framework's own checks do: processing stops."""


class XYZVector:
    """ROOT::Math::XYZVector."""

    __slots__ = ("_x", "_y", "_z")

    def __init__(self, x: float, y: float, z: float) -> None:
        self._x, self._y, self._z = x, y, z

    def X(self) -> float:
        return self._x

    def Y(self) -> float:
        return self._y

    def Z(self) -> float:
        return self._z

    x, y, z = X, Y, Z


class PxPyPzEVector:
    """ROOT::Math::PxPyPzEVector."""

    __slots__ = ("_e", "_px", "_py", "_pz")

    def __init__(self, px: float, py: float, pz: float, e: float) -> None:
        self._px, self._py, self._pz, self._e = px, py, pz, e

    def Px(self) -> float:
        return self._px

    def Py(self) -> float:
        return self._py

    def Pz(self) -> float:
        return self._pz

    def E(self) -> float:
        return self._e


class MCParticle:
    """Belle2::MCParticle; its getters cost little, as those of C++ do."""

    __slots__ = ("_array", "_energy", "_index", "_momentum", "_pdg", "_status", "_time", "_values", "_vertex")

    def __init__(self, array: list[MCParticle], index: int, values: dict[str, Any]) -> None:
        self._array, self._index, self._values = array, index, values
        self._pdg, self._status, self._time = values["pdg"], values["status"], values["time"]
        self._vertex = XYZVector(values["x"], values["y"], values["z"])
        self._momentum = XYZVector(values["px"], values["py"], values["pz"])
        self._energy = values["energy"]

    def getPDG(self) -> int:
        return self._pdg

    def setPDG(self, pdg: int) -> None:
        self._pdg = self._values["pdg"] = pdg

    def getStatus(self, bitmask: int = 0xFFFF) -> int:
        return self._status & bitmask

    def hasStatus(self, bitmask: int) -> bool:
        return self._status & bitmask == bitmask

    def isPrimaryParticle(self) -> bool:
        return self.hasStatus(1)

    def isInitial(self) -> bool:
        return self.hasStatus(32)

    def getMass(self) -> float:
        return self._values["mass"]

    def getCharge(self) -> float:
        return self._values["charge"]

    def getEnergy(self) -> float:
        return self._energy

    def getProductionTime(self) -> float:
        return self._time

    def getProductionVertex(self) -> XYZVector:
        return self._vertex

    getVertex = getProductionVertex

    def getMomentum(self) -> XYZVector:
        return self._momentum

    def get4Vector(self) -> PxPyPzEVector:
        return PxPyPzEVector(self._values["px"], self._values["py"], self._values["pz"], self._energy)

    def getArrayIndex(self) -> int:
        return self._index

    def getIndex(self) -> int:
        return self._index + 1

    def getMother(self) -> MCParticle | None:
        mother = self._values["mother"]
        return self._array[mother - 1] if mother > 0 else None

    def getNDaughters(self) -> int:
        first, last = self._values["first_daughter"], self._values["last_daughter"]
        return last - first + 1 if first > 0 else 0


class EventMetaData:
    """Belle2::EventMetaData."""

    def __init__(
        self, event: int = 0, run: int = 0, experiment: int = 0, weight: float = 1.0, production: int = 0
    ) -> None:
        self._event, self._run, self._experiment = event, run, experiment
        self._weight, self._production = weight, production

    def getEvent(self) -> int:
        return self._event

    def getRun(self) -> int:
        return self._run

    def getExperiment(self) -> int:
        return self._experiment

    def getProduction(self) -> int:
        return self._production

    def getGeneratedWeight(self) -> float:
        return self._weight


class EventExtraInfo:
    """Belle2::EventExtraInfo: a name may be added once; a value is a float."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._event_type = ""

    def addExtraInfo(self, name: str, value: float) -> None:
        if name in self._values:
            raise IndexError(f"Key with name {name} already exists in EventExtraInfo.")
        self.setExtraInfo(name, value)

    def setExtraInfo(self, name: str, value: float) -> None:
        if not isinstance(name, str) or not isinstance(value, (int, float)):
            raise TypeError(f"could not convert arguments of setExtraInfo: {name!r}, {value!r}")
        self._values[name] = float(value)

    def hasExtraInfo(self, name: str) -> bool:
        return name in self._values

    def getExtraInfo(self, name: str) -> float:
        if name not in self._values:
            raise RuntimeError(f"You try to access the EventExtraInfo '{name}', but it doesn't exist.")
        return self._values[name]

    def getNames(self) -> list[str]:
        return sorted(self._values)

    def setEventType(self, event_type: str) -> None:
        self._event_type = event_type

    def getEventType(self) -> str:
        return self._event_type


CLASSES = {"EventMetaData": EventMetaData, "EventExtraInfo": EventExtraInfo}


class DataStore:
    """What is registered, and what exists in the present event."""

    def __init__(self) -> None:
        self.is_initializing = False
        self.registered: set[str] = set()
        self.objects: dict[str, Any] = {}

    def register(self, name: str) -> bool:
        if not self.is_initializing:
            raise FatalError(f"Attempt to register {name} outside of initialization")
        self.registered.add(name)
        return True

    def create(self, name: str, value: Any = None, *, replace: bool = False) -> bool:
        if name not in self.registered:
            raise FatalError(f"No {name} found with durability Event: it was not registered")
        if name in self.objects and not replace:
            return False
        self.objects[name] = CLASSES[name]() if value is None else value
        return True

    def clear_event(self) -> None:
        self.objects.clear()

    def reset(self) -> None:
        self.__init__()


STORE = DataStore()


class PyStoreObj:
    """Belle2.PyStoreObj: calls go through to the object."""

    def __init__(self, name: str) -> None:
        self._name = name

    def registerInDataStore(self) -> bool:
        return STORE.register(self._name)

    def isRequired(self) -> bool:
        if self._name not in STORE.registered:
            raise FatalError(f"The object {self._name} is required but was not registered")
        return True

    def isOptional(self) -> bool:
        return self._name in STORE.registered

    def isValid(self) -> bool:
        return self._name in STORE.objects

    def __bool__(self) -> bool:
        return self.isValid()

    def create(self, replace: bool = False) -> bool:
        return STORE.create(self._name, replace=replace)

    def obj(self) -> Any:
        return STORE.objects.get(self._name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if self._name not in STORE.objects:
            raise ReferenceError(f"attempt to access a null-pointer: {self._name} does not exist")
        return getattr(STORE.objects[self._name], attribute)


class PyStoreArray:
    """Belle2.PyStoreArray."""

    def __init__(self, name: str) -> None:
        self._name = name

    def isRequired(self) -> bool:
        if self._name not in STORE.registered:
            raise FatalError(f"The array {self._name} is required but was not registered")
        return True

    def isOptional(self) -> bool:
        return self._name in STORE.registered

    def isValid(self) -> bool:
        return self._name in STORE.objects

    def getEntries(self) -> int:
        return len(STORE.objects.get(self._name, ()))

    __len__ = getEntries

    def __iter__(self) -> Iterator[Any]:
        return iter(STORE.objects.get(self._name, ()))

    def __getitem__(self, index: int) -> Any:
        return STORE.objects[self._name][index]
