"""How fast events are read and written, beside what the HepMC3 library needs for the same file.

``python -m benchmarks.bench_formats MDST`` gives CPU time of one core on the events of an mDST, repeated; events are as
large as those of the file.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyhepmc

from smartbkg.events import EventBatch
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.provenance import record

N_EVENTS = 2000


def rate(work: Callable[[], int]) -> float:
    """Events a second of CPU time, best of three after one for warming up."""
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


def main(source: Path) -> None:
    """Print the table."""
    with open_events(source) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
        n_mdst = len(batch)
    repeated = batch.select(np.arange(N_EVENTS) % len(batch)).with_event_columns(evtNum=np.arange(N_EVENTS))
    with tempfile.TemporaryDirectory() as folder:
        native, text, output = (Path(folder) / name for name in ("e.parquet", "e.hepmc3", "o.hepmc3"))
        write(native, repeated)
        write(text, repeated)
        originals, events = read(text, keep_originals=True), library_read(text)
        filtered = originals.with_event_columns(keep_probability=np.full(N_EVENTS, 0.5), score=np.full(N_EVENTS, 0.5))
        figures = {
            f"read mDST ({n_mdst} events a file)": rate(lambda: len(read(source))),
            "read Parquet": rate(lambda: len(read(native))),
            "write Parquet": rate(lambda: write(Path(folder) / "o.parquet", repeated)),
            "read HepMC3": rate(lambda: len(read(text, keep_originals=True))),
            "write HepMC3, whole originals": rate(lambda: write(output, filtered)),
            "write HepMC3 from columns": rate(lambda: write(output, repeated)),
            "read HepMC3, library alone": rate(lambda: len(library_read(text))),
            "write HepMC3, library alone": rate(lambda: library_write(output, events)),
        }
    print(f"{batch.n_particles / len(batch):.0f} particles an event, events a second of one core")
    for name, figure in figures.items():
        print(f"{name:40} {figure:10.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
