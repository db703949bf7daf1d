"""Generated events into native files, by one process or several."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import WEIGHT
from smartbkg.events.totals import Totals
from smartbkg.experiment.child import exit_with_parent
from smartbkg.experiment.generator.generate import (
    GENERATOR_VERSION,
    GeneratorRequest,
    compile_kernels,
    generate_requested_block,
)
from smartbkg.experiment.generator.pythia import import_pythia
from smartbkg.io.parquet import PARQUET, ParquetWriter
from smartbkg.sampling.luminosity import CROSS_SECTIONS
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

_PICOBARNS: Final = 1000.0  # a nanobarn
_BLOCKS_AHEAD: Final = 4  # a worker: enough that none waits, few enough to bound the memory


class WrittenEvents(NamedTuple):
    """What was written."""

    n_events: int
    """Events."""
    n_particles: int
    """Particles of all events together."""


def _blocks_in_parallel(request: GeneratorRequest, n_jobs: int) -> Generator[EventBatch, None, None]:
    """The blocks of a request in their order, made by ``n_jobs`` processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_jobs, mp_context=context, initializer=exit_with_parent) as pool:
        waiting: list[Future[EventBatch]] = []
        try:
            for block in request.blocks:
                waiting.append(pool.submit(generate_requested_block, request, block))
                if len(waiting) >= _BLOCKS_AHEAD * n_jobs:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def generate_to_file(
    request: GeneratorRequest, output: Path, *, n_jobs: int = 1, progress: Callable[[int], None] = lambda _: None
) -> WrittenEvents:
    """Generate events into a native Parquet file, whole or not at all; its totals state the cross-section.

    Parameters
    ----------
    request : which events.
    output : file to write.
    n_jobs : number of processes; the file is the same for any.
    progress : called after each block with the number of events made so far.

    Raises
    ------
    UsageError
        ``n_jobs`` below 1, or the output is not called ``.parquet``.
    MissingDependencyError
        PYTHIA is not installed.
    """
    if n_jobs < 1:
        raise UsageError(f"n_jobs is {n_jobs}, expected at least 1")
    if not output.name.endswith(PARQUET.suffixes):
        raise UsageError(
            f"{output}: events are generated into Parquet, expected a name that ends in "
            f"{' or '.join(PARQUET.suffixes)}; `smartbkg convert` makes HepMC3 of it"
        )
    import_pythia()
    settings = asdict(request) | {"generator": "smartbkg-pythia8", "generator_version": GENERATOR_VERSION}
    n_particles, totals = 0, Totals()
    with (
        ParquetWriter(output, record(EVENTS, SCHEMA_VERSIONS[EVENTS], settings)) as writer,
        contextlib.ExitStack() as stack,
    ):
        if n_jobs == 1:
            blocks = (generate_requested_block(request, block) for block in request.blocks)
        else:
            compile_kernels()  # here once, not in every process
            blocks = stack.enter_context(contextlib.closing(_blocks_in_parallel(request, n_jobs)))
        for batch in blocks:
            writer.write(batch)
            totals += Totals.of(batch.event[WEIGHT], batch.event[WEIGHT])
            n_particles += batch.n_particles
            progress(writer.n_written)
        writer.add_totals(totals.with_cross_section(_PICOBARNS * CROSS_SECTIONS[request.process]))
    return WrittenEvents(writer.n_written, n_particles)
