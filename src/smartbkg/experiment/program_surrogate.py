"""Any program as a surrogate: Delphes, or an experiment's own fast simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.experiment.external import flags_of_program
from smartbkg.seeds import derive_seed
from smartbkg.surrogate.protocol import SurrogateKind

#: A command that begins so gets HepMC3, otherwise Parquet.
_HEPMC3_PREFIX: Final = "hepmc3:"
#: Replicas of events are numbered from here up.
_FIRST_NUMBER: Final = 10**9


@dataclass(frozen=True)
class ProgramSurrogate:
    """A command that reads events and writes which of them passed.

    Attributes
    ----------
    command : ``mysim {input} {output}``, called with many events at a time. Each replica of an event is an event of its
        own in ``{input}``, under an event number from 10⁹ up: a program that seeds each event by its number gives every
        replica other random numbers, and none that it gives the event itself. ``{seed}``, where the command has it,
        is a number below 2³¹ of this call.
    input_suffix : ``.parquet`` or ``.hepmc3``, the format of ``{input}``.
    """

    command: str
    input_suffix: str = ".parquet"

    @property
    def name(self) -> str:
        """The program's name."""
        return Path(self.command.split()[0]).name

    @property
    def kind(self) -> str:
        """``program``"""
        return "program"

    @property
    def version(self) -> str:
        """Of this interface; the program's own cannot be known."""
        return "1"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The command and the format of its input."""
        return {"command": self.command, "input_suffix": self.input_suffix}

    @property
    def events_at_once(self) -> int:
        """Many: starting a program costs more than an event."""
        return 4096

    def check(self, skims: Sequence[str]) -> None:
        """Raise `UsageError` where a placeholder is missing."""
        for field in ("{input}", "{output}"):
            if field not in self.command:
                raise UsageError(
                    f"surrogate '{self.command}': has no {field}; a program is called as 'mysim {{input}} {{output}}' "
                    f"and writes which events passed: passes_<skim> for {', '.join(skims)}"
                )

    def count(
        self, batch: EventBatch, skims: Sequence[str], seed: int, first: int, n_replicas: int
    ) -> NDArray[np.int32]:
        """As `smartbkg.surrogate.protocol.Surrogate.count`, by one call for all replicas of all events."""
        n_events = len(batch)
        if not n_events or not n_replicas:
            return np.zeros((n_events, len(skims)), dtype=np.int32)
        number = derive_seed(seed, "program", first, *(int(batch.event[name][0]) for name in EVENT_ID))
        copies = replace(batch, originals=None).select(np.tile(np.arange(n_events), n_replicas))
        numbers = _FIRST_NUMBER + number % _FIRST_NUMBER + np.arange(n_events * n_replicas, dtype=np.int64)
        copies = copies.with_event_columns(evtNum=numbers)
        command = self.command.replace("{seed}", str(number % 2**31))
        passes = flags_of_program(copies, command, skims, input_suffix=self.input_suffix)
        return np.asarray(passes.reshape(n_replicas, n_events, len(skims)).sum(axis=0), dtype=np.int32)


def _recognise(text: str) -> ProgramSurrogate | None:
    """A program, where the text has a placeholder."""
    if "{input}" not in text:
        return None
    is_hepmc3 = text.startswith(_HEPMC3_PREFIX)
    return ProgramSurrogate(text.removeprefix(_HEPMC3_PREFIX).strip(), ".hepmc3" if is_hepmc3 else ".parquet")


def _restore(settings: Mapping[str, Any]) -> ProgramSurrogate:
    return ProgramSurrogate(str(settings.get("command", "")), str(settings.get("input_suffix", ".parquet")))


#: Offered under the entry point ``program``.
PROGRAM: Final = SurrogateKind(
    _recognise, _restore, "a program 'mysim {input} {output}' (hepmc3:mysim ... to give it HepMC3 instead of Parquet)"
)
