"""Modules that make events: they take the particles that a generator made from a real mDST file.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

import os
from pathlib import Path

from basf2 import B2ERROR, B2FATAL, CppModule
from data_objects import EventExtraInfo, EventMetaData
from data_store import STORE
from root_files import Events

#: Names the mDST file whose generated particles stand for a generator's.
EVENTS_VARIABLE = "BASF2_DOUBLE_EVENTS"


class EventInfoSetter(CppModule):
    """framework/modules/core/src/EventInfoSetterModule.cc: ``evtNumList`` events in each run."""

    def initialize(self) -> None:
        """EventInfoSetterModule.cc:59: lists of one length, or single numbers; experiments 0 to 1023."""

        def listed(name: str, default: int) -> list[int]:
            value = self._params.get(name, default)
            return value if isinstance(value, list) else [value]

        experiments, runs, numbers = listed("expList", 0), listed("runList", 0), listed("evtNumList", 1)
        for experiment in experiments:
            if not 0 <= experiment <= 1023:
                B2ERROR(f"Experiment {experiment} is out of range, should be in [0, 1023]!")
        ids = [
            (experiment, run, event)
            for experiment, run, n_events in zip(experiments, runs, numbers, strict=True)
            for event in range(1, n_events + 1)
        ]
        if not ids:
            B2FATAL("Total processed number of events is 0, please check your inputs")
        self._ids = iter(ids)
        STORE.register("EventMetaData", EventMetaData, is_array=False)

    def event(self) -> None:
        """EventInfoSetterModule.cc:195: nothing is created at the end."""
        found = next(self._ids, None)
        if found is not None:
            experiment, run, event = found
            STORE.create("EventMetaData", EventMetaData(event, run, experiment), replace=True)


class EvtGenInput(CppModule):
    """generators/modules/evtgeninput/EvtGenInputModule.cc: the primary particles of the next event of the file."""

    def initialize(self) -> None:
        """generators/modules/include/GeneratorBaseModule.h:37 and EvtGenInputModule.cc:54."""
        self._events = Events(Path(os.environ[EVENTS_VARIABLE]))
        self._entry = 0
        if "EventExtraInfo" not in STORE.entries:
            B2ERROR("The required 'EventExtraInfo' does not exist.")
        STORE.register("MCParticles", None, is_array=True)

    def event(self) -> None:
        """GeneratorBaseModule.h:48: EventExtraInfo is made where it is absent, with the event type, empty or not."""
        particles = self._events.particles(self._entry % len(self._events), generated_only=True)
        self._entry += 1
        STORE.create("MCParticles", particles, replace=True)
        if STORE.object("EventExtraInfo") is None:
            STORE.create("EventExtraInfo", EventExtraInfo())
        STORE.object("EventExtraInfo").addEventTypeIfNotSet(self._params.get("eventType", ""))
