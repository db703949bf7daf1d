"""The objects of the data store: event number, extra information, generated particles.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

from typing import Any

#: Calls of the Python binding since the last reset: name of the method → number. Benchmarks and tests read it.
CALLS: dict[str, int] = {}


def counted(function: Any) -> Any:
    """A method whose calls are counted: each one crosses from Python to C++ in basf2."""

    def call(self: Any, *arguments: Any) -> Any:
        name = function.__name__
        CALLS[name] = CALLS.get(name, 0) + 1
        return function(self, *arguments)

    call.__name__ = function.__name__
    call.__doc__ = function.__doc__
    return call


class _Coordinates:
    """GetCoordinates(Scalar dest[]) of ROOT's vectors (math/genvector/inc/Math/GenVector/*3D.h, LorentzVector.h)."""

    __slots__ = ("_values",)

    def __init__(self, *values: float) -> None:
        self._values = tuple(float(value) for value in values)

    @counted
    def GetCoordinates(self, destination: Any) -> None:
        """Fill a buffer of C doubles, which is not checked: another type is a TypeError of the binding."""
        if getattr(destination, "dtype", None) != "float64":
            raise TypeError("GetCoordinates: could not convert argument 1 (expected double*)")
        destination[: len(self._values)] = self._values


class XYZVector(_Coordinates):
    """ROOT::Math::XYZVector."""

    __slots__ = ()

    @counted
    def X(self) -> float:
        return self._values[0]

    @counted
    def Y(self) -> float:
        return self._values[1]

    @counted
    def Z(self) -> float:
        return self._values[2]

    x, y, z = X, Y, Z


class PxPyPzEVector(_Coordinates):
    """ROOT::Math::PxPyPzEVector: coordinates px, py, pz, E."""

    __slots__ = ()

    @counted
    def Px(self) -> float:
        return self._values[0]

    @counted
    def Py(self) -> float:
        return self._values[1]

    @counted
    def Pz(self) -> float:
        return self._values[2]

    @counted
    def E(self) -> float:
        return self._values[3]


class MCParticle:
    """Belle2::MCParticle: mdst/dataobjects/include/MCParticle.h, numbers are floats of single precision."""

    __slots__ = ("_array", "_index", "_values")

    def __init__(self, array: list[MCParticle], index: int, values: dict[str, Any]) -> None:
        self._array, self._index, self._values = array, index, values

    @counted
    def getPDG(self) -> int:
        """MCParticle.h:97."""
        return self._values["pdg"]

    def setPDG(self, pdg: int) -> None:
        """MCParticle.h:320."""
        self._values["pdg"] = pdg

    @counted
    def getStatus(self, bitmask: int = 0xFFFF) -> int:
        """MCParticle.h:107: the bits of the mask, all by default."""
        return self._values["status"] & bitmask

    @counted
    def hasStatus(self, bitmask: int) -> bool:
        """MCParticle.h:114: all bits of the mask are set."""
        return self._values["status"] & bitmask == bitmask

    @counted
    def isPrimaryParticle(self) -> bool:
        """MCParticle.h:581."""
        return bool(self._values["status"] & 1)

    @counted
    def isInitial(self) -> bool:
        """MCParticle.h:576."""
        return bool(self._values["status"] & 32)

    @counted
    def isVirtual(self) -> bool:
        """MCParticle.h:561: the bit, or off its mass shell by more than 1e-6 (MCParticle.cc:25) of E squared."""
        value = self._values
        squared = value["energy"] ** 2
        momentum = value["px"] ** 2 + value["py"] ** 2 + value["pz"] ** 2
        return bool(value["status"] & 16) or abs(squared - momentum - value["mass"] ** 2) > 10e-7 * squared

    @counted
    def getMass(self) -> float:
        """MCParticle.h:120."""
        return self._values["mass"]

    @counted
    def getCharge(self) -> float:
        """MCParticle.cc:36: TDatabasePDG's charge / 3, 0 and an error message for codes that it does not know."""
        return self._values["charge"]

    @counted
    def getEnergy(self) -> float:
        """MCParticle.h:132."""
        return self._values["energy"]

    @counted
    def getProductionTime(self) -> float:
        """MCParticle.h:144, in ns."""
        return self._values["time"]

    @counted
    def getProductionVertex(self) -> XYZVector:
        """MCParticle.h:174: a new vector, in cm."""
        return XYZVector(self._values["x"], self._values["y"], self._values["z"])

    @counted
    def getVertex(self) -> XYZVector:
        """MCParticle.h:168: the production vertex."""
        return XYZVector(self._values["x"], self._values["y"], self._values["z"])

    @counted
    def getMomentum(self) -> XYZVector:
        """MCParticle.h:183: a new vector, in GeV."""
        return XYZVector(self._values["px"], self._values["py"], self._values["pz"])

    @counted
    def get4Vector(self) -> PxPyPzEVector:
        """MCParticle.h:192: a new vector of momentum and energy."""
        return PxPyPzEVector(self._values["px"], self._values["py"], self._values["pz"], self._values["energy"])

    @counted
    def getArrayIndex(self) -> int:
        """MCParticle.h:229: counts from 0."""
        return self._index

    @counted
    def getIndex(self) -> int:
        """MCParticle.h:215: counts from 1."""
        return self._index + 1

    @counted
    def getMother(self) -> MCParticle | None:
        """MCParticle.h:586: a null pointer, which is false, where there is none."""
        mother = self._values["mother"]
        return self._array[mother - 1] if mother > 0 else None

    @counted
    def getNDaughters(self) -> int:
        """MCParticle.cc:75."""
        first, last = self._values["first_daughter"], self._values["last_daughter"]
        return last - first + 1 if first > 0 else 0


class EventMetaData:
    """Belle2::EventMetaData: framework/dataobjects/include/EventMetaData.h."""

    def __init__(
        self, event: int = 0, run: int = 0, experiment: int = 0, weight: float = 1.0, production: int = 0
    ) -> None:
        self._event, self._run, self._experiment = event, run, experiment
        self._weight, self._production = weight, production

    def getEvent(self) -> int:
        """EventMetaData.h:142."""
        return self._event

    def getRun(self) -> int:
        """EventMetaData.h:148."""
        return self._run

    def getExperiment(self) -> int:
        """EventMetaData.h:161."""
        return self._experiment

    def getProduction(self) -> int:
        """EventMetaData.h:167."""
        return self._production

    def getGeneratedWeight(self) -> float:
        """EventMetaData.h:183."""
        return self._weight

    def setGeneratedWeight(self, weight: float) -> None:
        """EventMetaData.h:118."""
        self._weight = float(weight)


class EventExtraInfo:
    """Belle2::EventExtraInfo: framework/dataobjects/include/EventExtraInfo.h and src/EventExtraInfo.cc.

    Values are floats of single precision and strings; there is no setEventType.
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._texts: dict[str, str] = {}

    def addExtraInfo(self, name: str, value: float) -> None:
        """EventExtraInfo.cc:34: a name that is there throws std::out_of_range, an IndexError in Python."""
        if name in self._values:
            raise IndexError(f"Key with name {name} already exists in EventExtraInfo.")
        self.setExtraInfo(name, value)

    def setExtraInfo(self, name: str, value: float) -> None:
        """EventExtraInfo.cc:42: (std::string, float); the binding converts numbers, not arrays and not text."""
        import numpy as np

        if not isinstance(name, str) or not isinstance(value, (int, float, np.floating)):
            raise TypeError(f"EventExtraInfo::setExtraInfo: could not convert argument: {name!r}, {value!r}")
        self._values[name] = float(np.float32(value))

    def hasExtraInfo(self, name: str) -> bool:
        """EventExtraInfo.cc:23."""
        return name in self._values

    def getExtraInfo(self, name: str) -> float:
        """EventExtraInfo.cc:16: a name that is not there throws std::runtime_error."""
        if name not in self._values:
            raise RuntimeError(f"EventExtraInfo::getExtraInfo: You try to access the EventExtraInfo '{name}'")
        return self._values[name]

    def getNames(self) -> list[str]:
        """EventExtraInfo.cc:56: in the order of a std::map."""
        return sorted(self._values)

    def addExtraStringInfo(self, name: str, value: str) -> None:
        """EventExtraInfo.cc:84: a name that is there throws std::out_of_range."""
        if name in self._texts:
            raise IndexError(f"Key with name {name} already exists in EventExtraInfo.")
        self._texts[name] = value

    def addEventTypeIfNotSet(self, event_type: str) -> None:
        """EventExtraInfo.h:86: what the generators call."""
        self._texts.setdefault("eventType", event_type)

    def getEventType(self) -> str:
        """EventExtraInfo.cc:105: empty where none was set."""
        return self._texts.get("eventType", "")


class ParticleList:
    """Belle2::ParticleList: analysis/dataobjects/include/ParticleList.h, as long as a skim says."""

    def __init__(self) -> None:
        self.size = 0

    def getListSize(self) -> int:
        """ParticleList.h:287."""
        return self.size


#: Classes with a dictionary: analysis lists have names of their own ("B0:generic") and are registered with their class.
CLASSES: dict[str, type] = {
    "EventMetaData": EventMetaData, "EventExtraInfo": EventExtraInfo, "ParticleList": ParticleList,
}  # fmt: skip
