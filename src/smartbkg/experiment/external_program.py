"""How an external program is called: its command, what stands for the placeholders in it, and the seed of each call."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, EXPERIMENT, RUN
from smartbkg.events.content import content_digests
from smartbkg.seeds import derive_seed

#: Largest seed that PYTHIA and RANMAR take; 0 means the time of day to many programs.
_LARGEST_SEED: Final = 900_000_000


@dataclass(frozen=True)
class ExternalProgram:
    """How a program is called.

    Attributes
    ----------
    command : run without a shell: ``"mysim --in {input} --out {output} --seed {seed}"``; a suffix may follow
        ``{output}``. Other placeholders: ``{seed}``, a number from 1 to 900,000,000 that follows from the seed and the
        events of the call; ``{part}``, the number of the call from 0; ``{events}``, how many it gets; ``{experiment}``
        and ``{run}`` of its events, which are then of one run.
    timeout : seconds after which the program and its children are ended; None waits for ever.
    input_suffix : of the input file, which decides its format: ``.parquet``, ``.hepmc3``.
    working_folder : what relative paths in the command start from; that of this process if not given.
    seed : fixes each call's ``{seed}``.
    stop : set to end the programs that run, where several do.
    """

    command: str
    timeout: float | None = None
    input_suffix: str = ".parquet"
    working_folder: Path | None = None
    seed: int = 1
    stop: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    def mentions(self, *names: str) -> bool:
        """Whether the command holds one of these placeholders."""
        return any("{" + name + "}" in self.command for name in names)

    def values(self, batch: EventBatch, part: int) -> dict[str, object]:
        """What stands for the placeholders in one call."""
        values: dict[str, object] = {"part": part, "events": len(batch)}
        for name in (EXPERIMENT, RUN):
            if self.mentions(name):
                values[name] = int(batch.event[name][0])
        if self.mentions("seed"):
            values["seed"] = seed_of_call(batch, self.seed)
        return values


def seed_of_call(batch: EventBatch, seed: int) -> int:
    """A seed that depends on the events of a call, ids and content, and on a seed; not on its place among the calls.

    Returns
    -------
    From 1 to 900,000,000. Jobs that number alike give their programs other seeds, for their events differ.
    """
    digest = hashlib.sha256()
    for name in EVENT_ID:
        digest.update(np.ascontiguousarray(batch.event[name], dtype=np.int64).tobytes())
    digest.update(content_digests(batch).tobytes())
    return derive_seed(seed, "external simulation", digest.hexdigest()) % _LARGEST_SEED + 1
