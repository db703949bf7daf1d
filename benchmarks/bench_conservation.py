"""Whether every generated event conserves energy, momentum and charge: `python -m benchmarks.bench_conservation`.

One line per process: events, events in which one of the five sums is off by more than the tolerance, and the largest
deviation. Single events leak without any effect on means, so each is looked at.
"""

from __future__ import annotations

import argparse
from typing import Final, NamedTuple

import numpy as np

from smartbkg.events import EventBatch
from smartbkg.events.columns import PROCESSES, ParticleStatus
from smartbkg.experiment.generator.generate import generate_events

#: GeV: sums of some hundred momenta in single precision.
TOLERANCE: Final = 2e-4
CONSERVED: Final = ("energy", "px", "py", "pz", "charge")


class Conservation(NamedTuple):
    """What was found in a process."""

    n_events: int
    """Events that were looked at."""
    n_leaking: int
    """Events with a sum beyond the tolerance."""
    largest: float
    """Largest deviation of any sum, in GeV or e."""


def deviations(batch: EventBatch) -> np.ndarray:
    """(n_events,) the largest deviation of the final state from what the event began with, in GeV or e."""
    status, event = batch.particle["status"], batch.event_index
    is_final = (status & ParticleStatus.STABLE_IN_GENERATOR) != 0
    is_initial = (status & ParticleStatus.INITIAL) != 0
    # B mesons begin with the Υ(4S), which no beam particle precedes
    has_beams = np.bincount(event[is_initial], minlength=len(batch)) > 0
    is_initial |= ~has_beams[event] & (batch.particle["motherIndex"] == -1)
    worst = np.zeros(len(batch))
    for name in CONSERVED:
        column = batch.particle[name].astype(np.float64)
        before = np.bincount(event[is_initial], column[is_initial], len(batch))
        after = np.bincount(event[is_final], column[is_final], len(batch))
        worst = np.maximum(worst, np.abs(after - before))
    return worst


def conservation(process: str, n_events: int, seed: int) -> Conservation:
    """Generate events of a process and look at each."""
    found, n_leaking, largest = 0, 0, 0.0
    for batch in generate_events(process, n_events, seed):
        worst = deviations(batch)
        found += len(batch)
        n_leaking += int((worst > TOLERANCE).sum())
        largest = max(largest, float(worst.max(initial=0.0)))
    return Conservation(found, n_leaking, largest)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="per process")
    parser.add_argument("--process", nargs="*", default=list(PROCESSES))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| process | events | leaking | largest deviation |\n|---|---|---|---|")
    for process in arguments.process:
        found = conservation(process, arguments.events, arguments.seed)
        print(f"| {process} | {found.n_events:,} | {found.n_leaking} | {found.largest:.2e} |", flush=True)


if __name__ == "__main__":
    main()
