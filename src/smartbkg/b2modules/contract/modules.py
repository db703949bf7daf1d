"""The basf2 modules of the self-test: a probe of data store and conditions, and small ones that end in set ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from smartbkg.b2modules.framework import Module, belle2, import_basf2

if TYPE_CHECKING:
    from smartbkg.b2modules.contract.self_test import Findings


class Counter(Module):
    """Counts its events, and sets no return value."""

    def __init__(self) -> None:
        super().__init__()
        self.n_events = 0
        self.is_terminated = False

    def event(self) -> None:
        """Count."""
        self.n_events += 1

    def terminate(self) -> None:
        """Note that it came to this."""
        self.is_terminated = True


class Requiring(Module):
    """Asks for something in ``initialize``."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__()
        self._ask = ask

    def initialize(self) -> None:
        """Ask, and keep what is given: an accessor of the database counts as long as it lives."""
        self._given = self._ask()


class FailingAtTheEnd(Module):
    """Raises in ``terminate``."""

    def terminate(self) -> None:
        """Raise.

        Raises
        ------
        RuntimeError
            Always.
        """
        raise RuntimeError("an exception on purpose")


class Probe(Module):
    """Compares what modules see with the contract; rejects the events of even number of the first five."""

    def __init__(self, found: Findings) -> None:
        super().__init__()
        self._found = found
        self._n_events = 0
        flag = import_basf2().ModulePropFlags.PARALLELPROCESSINGCERTIFIED
        self.set_property_flags(flag)
        found.expect("properties", "has_properties", self.has_properties(flag))

    def initialize(self) -> None:
        """Look at what is there before the first event is processed."""
        found, framework = self._found, belle2()
        self._meta = framework.PyStoreObj("EventMetaData")
        self._particles = framework.PyStoreArray("MCParticles")
        self._info = framework.PyStoreObj("EventExtraInfo")
        found.expect("source first", "EventMetaData in initialize", self._meta.isValid())
        found.expect("store array", "isRequired", self._particles.isRequired() is True)
        found.expect("store object", "EventExtraInfo registered", self._info.isOptional() is True)
        found.expect("store object", "registerInDataStore", self._info.registerInDataStore() is True)
        self._look_at_payloads()

    def _look_at_payloads(self) -> None:
        found, framework = self._found, belle2()
        with found.watching("raw payload"):
            kind = framework.DBStoreEntry.c_RawFile
            self._raw = framework.DBAccessorBase(kind, "SmartbkgSelfTestFile", False)
            self._absent = framework.DBAccessorBase(kind, "SmartbkgNothing", False)
            found.expect("raw payload", "getFilename", "SmartbkgSelfTestFile" in str(self._raw.getFilename()))
            found.expect("raw payload", "isValid of a raw file", not self._raw.isValid())
            found.expect("raw payload", "getGlobaltag", str(self._raw.getGlobaltag()).startswith("temp://"))
            found.expect("raw payload", "getRevision", int(self._raw.getRevision()) == 0, self._raw.getRevision())
            name = str(self._absent.getFilename())
            found.expect("raw payload", "name of a missing file", name == "", name)
        with found.watching("object payload"):
            self._config = framework.PyDBObj("SmartbkgSelfTestConfig", False)
            self._nothing = framework.PyDBObj("SmartbkgNoObject", False)
            found.expect("object payload", "a missing object", not self._nothing.isValid())
            found.expect("object payload", "the stored object", bool(self._config.isValid()))
            from smartbkg.b2modules.skim_config import content_of_object

            content = content_of_object(self._config)
            found.expect("object payload", "token", content["token_by_pdg"] == {"211": 1}, content["token_by_pdg"])
            expected = [{"name": "mine", "code": 1, "output_index": 0, "a": 0.5, "b": 1.0}]
            found.expect("object payload", "skims", content["skims"] == expected, content["skims"])
            found.expect("object payload", "event types", content["event_type"] == {"mixed": 3}, content["event_type"])

    def event(self) -> None:
        """Look at the event, and reject every second one."""
        self._n_events += 1
        if self._n_events == 1:
            self._look_at_extra_info()
            self._look_at_particles()
        self.return_value(self._n_events % 2)

    def _look_at_extra_info(self) -> None:
        found, info = self._found, self._info
        found.expect("event", "getEvent", int(self._meta.getEvent()) >= 0)
        found.expect("event", "getProduction", int(self._meta.getProduction()) >= 0)
        found.expect("event", "getGeneratedWeight", float(self._meta.getGeneratedWeight()) == 1.0)
        found.expect("store object", "create", info.isValid() or info.create() is True)
        with found.watching("extra info"):
            info.obj().setExtraInfo("smartbkg", 0.1)
            info.obj().setExtraInfo("smartbkg", 0.2)
            value = float(info.getExtraInfo("smartbkg"))
            found.expect("extra info", "value", value == float(np.float32(0.2)), value)
            found.expect("extra info", "hasExtraInfo", info.hasExtraInfo("smartbkg") and not info.hasExtraInfo("no"))
            found.expect("extra info", "getNames", "smartbkg" in [str(name) for name in info.getNames()])
            found.expect("extra info", "getEventType", isinstance(str(info.getEventType()), str))
        try:
            info.addExtraInfo("smartbkg", 0.3)
            found.expect("extra info", "addExtraInfo of a name that is there", False, "no exception")
        except Exception as error:  # noqa: BLE001 - what PyROOT makes of std::out_of_range differs between its versions
            found.expect("extra info", "addExtraInfo", "smartbkg" in str(error), error)

    def _look_at_particles(self) -> None:
        from smartbkg.b2modules.contract.self_test import coordinates_agree

        found, particles = self._found, list(self._particles)
        indices = [int(particle.getArrayIndex()) for particle in particles]
        found.expect("particles", "array indices", indices == list(range(len(particles))), indices[:5])
        mothers = [particle.getMother() for particle in particles]
        orphans = [index for index, mother in enumerate(mothers) if not mother]
        found.expect("particles", "a particle without mother is false", bool(orphans) and orphans[0] == 0, orphans[:5])
        order = all(int(mother.getArrayIndex()) < index for index, mother in enumerate(mothers) if mother)
        found.expect("particles", "mothers come first", order)
        first = particles[0]
        whole = (first.getStatus(), first.getPDG(), first.getNDaughters())
        found.expect("particles", "whole numbers", all(isinstance(value, int) for value in whole), whole)
        real = (first.getProductionTime(), first.getMass(), first.getCharge(), first.getEnergy())
        found.expect("particles", "real numbers", all(isinstance(value, float) for value in real), real)
        with found.watching("vectors"):
            found.expect("vectors", "GetCoordinates", all(coordinates_agree(particle) for particle in particles[:20]))


__all__ = ["Counter", "FailingAtTheEnd", "Probe", "Requiring"]
