"""Where the time of `smartbkg simulate` goes: events per second and core of each stage, by CPU time.

python -m benchmarks.bench_simulation [--events 4000] [--rounds 5]

CPU time, because other work on the machine must not count; the stages take turns and the fastest round counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from smartbkg.events import EventBatch
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.experiment.reconstruction.reconstruct import (
    ReconstructedEvents,
    beam_energy,
    boost_matrix,
    find_candidates,
)
from smartbkg.experiment.reconstruction.tagging import clean_events
from smartbkg.experiment.simulation import DEFAULT_SKIMS, simulate_events, tag_variables
from smartbkg.experiment.skims.registry import apply_skim, find_skim

PROCESSES = ("mixed", "ccbar")


def stages_of(batch: EventBatch) -> dict[str, Callable[[], object]]:
    """Each stage of the simulation of a batch, with the result of those before it at hand."""
    response = simulate_detector(batch, 1)
    cleaning = clean_events(response, boost_matrix(), beam_energy())
    candidates = find_candidates(response, cleaning.passes_event_cuts)
    events = ReconstructedEvents(response, cleaning, candidates)
    skims = [find_skim(name) for name in DEFAULT_SKIMS]
    return {
        "detector": lambda: simulate_detector(batch, 1),
        "cleaning": lambda: clean_events(response, boost_matrix(), beam_energy()),
        "candidates": lambda: find_candidates(response, cleaning.passes_event_cuts),
        "ten skims": lambda: [apply_skim(skim, events) for skim in skims],
        "tag variables": lambda: tag_variables(events),
        "all together": lambda: simulate_events(batch, 1),
    }


def seconds_of(batches: list[EventBatch], rounds: int) -> dict[str, float]:
    """CPU seconds of each stage for all batches: of each batch the fastest of some rounds."""
    total: dict[str, float] = {}
    for batch in batches:
        stages = stages_of(batch)
        fastest = dict.fromkeys(stages, float("inf"))
        for _ in range(rounds):
            for name, run in stages.items():
                begin = time.process_time()
                run()
                fastest[name] = min(fastest[name], time.process_time() - begin)
        for name, seconds in fastest.items():
            total[name] = total.get(name, 0.0) + seconds
    return total


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4000, help="of each process")
    parser.add_argument("--rounds", type=int, default=5)
    options, _ = parser.parse_known_args()
    table = Table("process", "stage", "events/s per core", "µs per event", "share")
    for process in PROCESSES:
        batches = list(generate_events(process, options.events, 1))
        n_events = sum(len(batch) for batch in batches)
        seconds = seconds_of(batches, options.rounds)
        for name, value in seconds.items():
            each = value / n_events
            table.add_row(
                process, name, f"{1 / each:,.0f}", f"{1e6 * each:.1f}", f"{value / seconds['all together']:.0%}"
            )
    Console().print(table)


if __name__ == "__main__":
    main()
