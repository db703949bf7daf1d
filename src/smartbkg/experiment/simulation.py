"""The embedded simulation: generated events → which skims they pass, and event-level variables. Streams.

Detector, reconstruction and skims of an event depend on (seed, experiment, run, event, its content, replica) and
nothing else: order, batches and number of jobs do not matter, and jobs that number alike share no random numbers.
"""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    CONTENT,
    EVENT_ID,
    GENERATOR_WEIGHT,
    KEEP_PROBABILITY,
    PASSES_PREFIX,
    PROCESS,
    WEIGHT,
)
from smartbkg.events.content import content_digests
from smartbkg.events.identity import unique_events
from smartbkg.events.totals import TOTALS_KEY
from smartbkg.events.weight_columns import as_kept
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.detector.parameters import BELLE2, DetectorParameters
from smartbkg.experiment.reconstruction.reconstruct import TOP_KINDS, ReconstructedEvents, reconstruct
from smartbkg.experiment.skims.belle2 import BELLE2_SKIMS
from smartbkg.experiment.skims.registry import Skim, apply_skim, find_skim
from smartbkg.io import ReadOptions
from smartbkg.io.convert import SampleTally
from smartbkg.io.several import expand, open_all
from smartbkg.io.tables import TableWriter
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Events simulated together; the result does not depend on it.
BATCH_SIZE: Final = 2048

#: Belle II's ten skims of this package, the default of `smartbkg simulate`.
DEFAULT_SKIMS: Final = BELLE2_SKIMS


@dataclass(frozen=True)
class SimulationResult:
    """Some events after detector, reconstruction and skims.

    Attributes
    ----------
    event : event id, process, generator weight and digest of the content, (n_events,) each.
    passes : skim → (n_events,) bool, True where the event passes.
    variables : event-level variable → (n_events,) float64, NaN where undefined.
    n_unknown : (n_events,) particles of a PDG code the detector does not know; they passed through unseen.
    """

    event: Mapping[str, NDArray[Any]]
    passes: Mapping[str, NDArray[np.bool_]]
    variables: Mapping[str, NDArray[np.float64]]
    n_unknown: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.n_unknown)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns of a file of flags: ids, ``passes_<skim>``, variables as float32."""
        return {
            **self.event,
            **{PASSES_PREFIX + name: values for name, values in self.passes.items()},
            **{name: values.astype(np.float32) for name, values in self.variables.items()},
            "nUnknownParticles": self.n_unknown,
        }


def tag_variables(events: ReconstructedEvents) -> dict[str, NDArray[np.float64]]:
    """Of the most probable hadronic tag of B0 and of B+ and semileptonic tag: signal probability and kinematics."""
    variables: dict[str, NDArray[np.float64]] = {}
    for kind, suffix in (("B0", ""), ("B+", "_Bplus")):
        candidates = events.candidates.of_kind(kind)
        best = candidates.most_probable()
        variables[f"Mbc{suffix}"] = _taken(candidates.mbc, best)
        variables[f"deltaE{suffix}"] = _taken(candidates.delta_e, best)
        variables[f"signalProbability{suffix}"] = _taken(candidates.probability, best)
    for kind, suffix in (("B0:SL", ""), ("B+:SL", "_Bplus")):
        candidates = events.candidates.of_kind(kind)
        best = candidates.most_probable()
        variables[f"cosThetaBY{suffix}"] = _taken(candidates.residual, best)
        variables[f"signalProbabilitySL{suffix}"] = _taken(candidates.probability, best)
    return variables


def _taken(values: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """values[rows], NaN where the row is -1."""
    if not len(values):
        return np.full(len(rows), np.nan)
    return np.where(rows >= 0, values[rows], np.nan)


def simulate_events(
    batch: EventBatch,
    seed: int,
    replica: int = 0,
    skims: Sequence[str | Skim] = DEFAULT_SKIMS,
    detector: DetectorParameters = BELLE2,
) -> SimulationResult:
    """Simulate, reconstruct and skim some events.

    Parameters
    ----------
    batch : generated events.
    seed, replica : with the event's id they fix its result; replicas are independent repetitions.
    skims : names, ``module:function`` or `Skim`; all variables are computed whatever the skims are.
    detector : its numbers; the reconstruction is the same for every detector.

    Raises
    ------
    UsageError
        There is no such skim.
    EventError
        An event has NaN, ambiguous mothers or a cycle.
    """
    chosen = [entry if isinstance(entry, Skim) else find_skim(entry) for entry in skims]
    batch = as_kept(batch)
    response = simulate_detector(batch, seed, replica, detector)
    events = reconstruct(response)
    return SimulationResult(
        {
            name: batch.event[name]
            for name in (*EVENT_ID, PROCESS, WEIGHT, GENERATOR_WEIGHT, KEEP_PROBABILITY)
            if name in batch.event
        }
        | {CONTENT: content_digests(batch)},
        {skim.name: apply_skim(skim, events) for skim in chosen},
        {**events.variables, **tag_variables(events)},
        response.n_unknown,
    )


def passes_only(
    batch: EventBatch, seed: int, replica: int, skim: Skim, detector: DetectorParameters = BELLE2
) -> NDArray[np.bool_]:
    """(n_events,) bool, True where an event passes one skim, as in `simulate_events`, without what it does not need."""
    response = simulate_detector(batch, seed, replica, detector)
    return apply_skim(skim, reconstruct(response, kinds=TOP_KINDS if skim.kinds is None else skim.kinds))


class SimulationSummary(NamedTuple):
    """What `simulate_file` did."""

    n_events: int
    n_passing: Mapping[str, int]
    """skim → events that pass"""
    n_unknown: int
    """particles of unknown PDG code, all events together"""


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int, at_end: Callable[[], None] = lambda: None
) -> Iterator[Result]:
    """Results of a function of batches in their order, computed by some threads, with few batches in memory.

    Threads suffice: the compiled kernels release the interpreter, and programs run by themselves. ``at_end`` is called
    before the threads are waited for, at an error or Ctrl-C, too: it may tell them to stop.
    """
    if n_jobs <= 1:
        yield from map(function, items)
        return
    with concurrent.futures.ThreadPoolExecutor(n_jobs) as pool:
        waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > n_jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            at_end()


def simulate_file(
    source: Path | Sequence[Path],
    output: Path,
    *,
    seed: int = 1,
    skims: Sequence[str] = DEFAULT_SKIMS,
    detector: DetectorParameters = BELLE2,
    n_jobs: int = 1,
    batch_size: int = BATCH_SIZE,
    allow_duplicates: bool = False,
    options: ReadOptions | None = None,
    progress: Callable[[int], None] | None = None,
) -> SimulationSummary:
    """Simulate a file of events: ids, flags and event-level variables into a Parquet table.

    Parameters
    ----------
    source : events in any format that is readable; several files, or a pattern, are read as one.
    output : file to write, whole or not at all.
    seed : fixes the simulation of each event.
    skims : names or ``module:function``.
    detector : its numbers; their name and digest are recorded in the file.
    n_jobs : threads; the output is the same.
    batch_size : events in memory at a time, per thread; the output is the same.
    allow_duplicates : let an event id come twice; flags are found by the id, so that such events cannot be told apart.
    options : how to read the source.
    progress : called with the number of events of each batch that is done.

    Raises
    ------
    EventError
        An event id comes twice.
    """
    sources = expand([source] if isinstance(source, Path) else source)
    refuse_same_file(output, *sources)
    chosen = [find_skim(name) for name in skims]
    settings = {
        "seed": seed,
        "skims": [skim.name for skim in chosen],
        "detector": {"name": detector.name, "version": detector.version, "digest": detector.digest},
    }
    n_passing: collections.Counter[str] = collections.Counter({skim.name: 0 for skim in chosen})
    n_events = n_unknown = 0
    with (
        open_all(sources, options) as reader,
        TableWriter(output, record(FLAGS, SCHEMA_VERSIONS[FLAGS], settings, inputs=sources)) as writer,
    ):

        def simulate(batch: EventBatch) -> SimulationResult:
            return simulate_events(batch, seed, skims=chosen, detector=detector)

        tally = SampleTally(reader)
        batches = unique_events(tally.batches(batch_size), allow_duplicates=allow_duplicates)
        for result in ordered_map(simulate, batches, n_jobs):
            writer.write(result.columns())
            n_events += len(result)
            n_unknown += int(result.n_unknown.sum())
            n_passing.update({name: int(values.sum()) for name, values in result.passes.items()})
            if progress is not None:
                progress(len(result))
        if n_events == 0:
            writer.write(simulate_events(empty_batch(), seed, skims=chosen, detector=detector).columns())
        writer.describe(**{TOTALS_KEY: tally.totals.to_dict()})
    return SimulationSummary(n_events, dict(n_passing), n_unknown)


def empty_batch() -> EventBatch:
    """No events, with all columns."""
    from smartbkg.events.columns import EVENT_DTYPES, PARTICLE_DTYPES

    return EventBatch.from_columns(
        [],
        {name: np.empty(0, dtype=dtype) for name, dtype in EVENT_DTYPES.items()},
        {name: np.empty(0, dtype=dtype) for name, dtype in PARTICLE_DTYPES.items()},
    )
