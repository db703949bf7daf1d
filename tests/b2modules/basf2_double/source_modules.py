"""Modules that make events: they take the particles that a generator made from a real mDST file."""

from __future__ import annotations

import os
from pathlib import Path

from basf2 import Module, SourceModule
from data_store import STORE, EventMetaData
from root_files import Events

#: Names the mDST file whose generated particles stand for a generator's.
EVENTS_VARIABLE = "BASF2_DOUBLE_EVENTS"


class EventInfoSetter(SourceModule):
    """Numbers the events: ``evtNumList`` events in each run."""

    def initialize(self) -> None:
        def listed(name: str, default: int) -> list[int]:
            value = self._params.get(name, default)
            return value if isinstance(value, list) else [value]

        experiments, runs, numbers = listed("expList", 0), listed("runList", 0), listed("evtNumList", 1)
        self._ids = iter(
            [
                (experiment, run, event)
                for experiment, run, n_events in zip(experiments, runs, numbers, strict=True)
                for event in range(1, n_events + 1)
            ]
        )
        STORE.register("EventMetaData")

    def next_event(self) -> bool:
        found = next(self._ids, None)
        if found is None:
            return False
        experiment, run, event = found
        STORE.create("EventMetaData", EventMetaData(event, run, experiment), replace=True)
        return True


class EvtGenInput(Module):
    """Makes MCParticles: the primary ones of the next event of the file, with its links to mothers."""

    def initialize(self) -> None:
        self._events = Events(Path(os.environ[EVENTS_VARIABLE]))
        self._entry = 0
        STORE.register("MCParticles")
        if self._params.get("eventType"):
            STORE.register("EventExtraInfo")

    def event(self) -> None:
        particles = self._events.particles(self._entry % len(self._events), generated_only=True)
        self._entry += 1
        STORE.create("MCParticles", particles, replace=True)
        if self._params.get("eventType"):
            STORE.create("EventExtraInfo")
            STORE.objects["EventExtraInfo"].setEventType(self._params["eventType"])
