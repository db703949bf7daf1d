"""How fast events are read, written and filtered, beside what the HepMC3 library needs for the same file.

``python -m benchmarks.bench_formats [MDST]`` gives CPU time of one core, on generated events of 41 particles;
with an mDST, on its events, repeated, and how fast it is read. Start-up and compilation do not count.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyhepmc

from benchmarks.bench_filter import write_model
from smartbkg.events import EventBatch
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import filter_file
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.networks.model_file import load_scorer
from smartbkg.networks.scorer import Scorer
from smartbkg.sampling.policies import OptimalPolicy
from smartbkg.storage.provenance import record

N_EVENTS = 2000


def rate(work: Callable[[], int]) -> float:
    """Events per second of CPU time, best of three after one for warming up."""
    work()
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        n_events = work()
        best = max(best, n_events / (time.process_time() - start))
    return best


def read(path: Path, **options: bool) -> EventBatch:
    with open_events(path, ReadOptions(**options)) as reader:  # type: ignore[arg-type]
        return EventBatch.concatenate(list(reader.batches()))


def read_opened(source: Path) -> dict[str, float]:
    """Reading a file with and without the cost of opening it, which small ROOT files consist of."""
    with open_events(source) as reader:
        n_events = sum(map(len, reader.batches()))
        return {
            f"open and read {source.name} ({n_events} events)": rate(lambda: len(read(source))),
            f"read {source.name}, once opened": rate(lambda: sum(map(len, reader.batches()))),
        }


def write(path: Path, batch: EventBatch) -> int:
    with create_events(path, record("kept", 1, {})) as writer:
        for part in batch.chunks(500):
            writer.write(part)
    return len(batch)


def library_read(path: Path) -> list[pyhepmc.GenEvent]:
    with pyhepmc.open(path) as file:
        return list(file)


def library_write(path: Path, events: list[pyhepmc.GenEvent]) -> int:
    with pyhepmc.open(path, "w") as file:
        for event in events:
            file.write(event)
    return len(events)


def generated(n_particles: float = 41.0) -> EventBatch:
    """Events of B0 pairs, without the largest, so that they have so many particles on average."""
    batch = EventBatch.concatenate(list(generate_events("mixed", 1000, seed=1)))
    order = np.argsort(batch.counts, kind="stable")
    means = np.cumsum(batch.counts[order]) / np.arange(1, len(batch) + 1)
    return batch.select(np.sort(order[means <= n_particles]))


def filter_whole_file(source: Path, output: Path, scorer: Scorer) -> int:
    """`smartbkg filter` without its start: read, score, decide, write."""
    event_filter = EventFilter(scorer, OptimalPolicy(1.0), seed=1)
    return filter_file(source, output, event_filter, settings={}).n_events


def main(source: Path | None = None) -> None:
    """Print the table."""
    batch = generated() if source is None else read(source)
    repeated = batch.select(np.arange(N_EVENTS) % len(batch)).with_event_columns(evtNum=np.arange(N_EVENTS))
    with tempfile.TemporaryDirectory() as folder:
        names = ("e.parquet", "e.hepmc3", "o.hepmc3", "o.parquet", "m.safetensors")
        native, text, output, native_output, model = (Path(folder) / name for name in names)
        write(native, repeated)
        write(text, repeated)
        originals, events = read(text, keep_originals=True), library_read(text)
        filtered = originals.with_event_columns(keep_probability=np.full(N_EVENTS, 0.5), score=np.full(N_EVENTS, 0.5))
        write_model(model)
        scorer = load_scorer(model, threads=1)
        figures = {} if source is None else read_opened(source)
        figures |= {
            "read Parquet": rate(lambda: len(read(native))),
            "write Parquet": rate(lambda: write(native_output, repeated)),
            "read HepMC3": rate(lambda: len(read(text, keep_originals=True))),
            "write HepMC3, whole originals": rate(lambda: write(output, filtered)),
            "write HepMC3 from columns": rate(lambda: write(output, repeated)),
            "read HepMC3, library alone": rate(lambda: len(library_read(text))),
            "write HepMC3, library alone": rate(lambda: library_write(output, events)),
            "score alone (GATGAP)": rate(lambda: len(scorer.logits(repeated))),
            "filter HepMC3 to HepMC3, scoring included": rate(lambda: filter_whole_file(text, output, scorer)),
            "filter Parquet to Parquet, scoring included": rate(
                lambda: filter_whole_file(native, native_output, scorer)
            ),
        }
    print(f"{batch.n_particles / len(batch):.0f} particles per event, events per second on one core")
    for name, figure in figures.items():
        print(f"{name:44} {figure:10.0f}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
