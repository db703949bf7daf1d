"""How often each event passes each of several skims, counted over many simulations, a few at a time.

A table of flags for each simulation would hold all variables of all events some hundred times; here only the counts
are kept, in one file, which grows by a step and is taken up where it was left.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.oracle import estimate_prior
from smartbkg.experiment.reconstruction.reconstruct import TOP_KINDS, reconstruct
from smartbkg.experiment.simulation import ordered_map
from smartbkg.experiment.skims.registry import Skim, apply_skim, find_skim
from smartbkg.io import open_events
from smartbkg.storage.atomic import atomic_path

#: Simulations of every event between two savings, an even number.
STEP: Final = 10
#: Events simulated together by one thread.
BATCH_SIZE: Final = 256


class PassCounts(NamedTuple):
    """Passes of each event, in two independent halves."""

    passed: NDArray[np.int32]
    """(n_events, n_skims, 2) among odd and among even replicas"""
    n_replicas: int
    """odd and even together"""

    @property
    def half(self) -> int:
        """Replicas in each half."""
        return self.n_replicas // 2

    def fraction(self, half: int) -> NDArray[np.float64]:
        """(n_events, n_skims) share of one half's simulations that passed."""
        return np.asarray(self.passed[:, :, half] / self.half)

    def probability(self, half: int) -> NDArray[np.float64]:
        """(n_events, n_skims) E[p | passes in one half]: no event is believed impossible because it never passed."""
        columns = [
            estimate_prior(counts, self.half).posterior_mean(counts, self.half)
            for counts in np.moveaxis(self.passed[:, :, half], 1, 0)
        ]
        return np.stack(columns, axis=1)


def read_events(path: Path) -> EventBatch:
    """All events of a file."""
    with open_events(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def _fingerprint(events: EventBatch, skims: Sequence[str], seed: int) -> str:
    """Changes with whatever would make stored counts those of something else."""
    digest = hashlib.sha256(repr((tuple(skims), seed)).encode())
    for name in EVENT_ID:
        digest.update(np.ascontiguousarray(events.event[name]).tobytes())
    return digest.hexdigest()


def _stored(path: Path, fingerprint: str, shape: tuple[int, int, int]) -> PassCounts:
    if not path.exists():
        return PassCounts(np.zeros(shape, dtype=np.int32), 0)
    with np.load(path) as content:
        if str(content["fingerprint"]) != fingerprint:
            raise UsageError(f"{path}: counts of other events, skims or another seed; remove it or use another folder")
        return PassCounts(content["passed"], int(content["n_replicas"]))


def _store(path: Path, fingerprint: str, counts: PassCounts) -> None:
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez(file, passed=counts.passed, n_replicas=counts.n_replicas, fingerprint=fingerprint)


def _passes(part: EventBatch, seed: int, replica: int, skims: Sequence[Skim]) -> NDArray[np.bool_]:
    """(n_events, n_skims) what `simulate_events` says, without what these skims do not look at."""
    kinds = frozenset[str]().union(*(TOP_KINDS if skim.kinds is None else skim.kinds for skim in skims))
    events = reconstruct(simulate_detector(part, seed, replica), kinds=kinds)
    return np.stack([apply_skim(skim, events) for skim in skims], axis=1)


def count_passes(
    events: EventBatch, skims: Sequence[str], n_replicas: int, cache: Path, *, seed: int, n_jobs: int
) -> PassCounts:
    """Simulate each event ``n_replicas`` times, less those whose counts the cache already holds.

    Parameters
    ----------
    n_replicas : even; replica 0, the simulation of `smartbkg simulate`, is not among them.
    cache : file of counts, written every `STEP` replicas; it may hold more replicas than wanted, which are then used.
    n_jobs : threads; the counts are the same.
    """
    if n_replicas < 2 or n_replicas % 2:
        raise UsageError(f"{n_replicas} replicas: expected an even number, at least 2 (half choose, half evaluate)")
    chosen = [find_skim(name) for name in skims]
    fingerprint = _fingerprint(events, skims, seed)
    counts = _stored(cache, fingerprint, (len(events), len(skims), 2))
    starts = range(0, len(events), BATCH_SIZE)
    parts = [events.slice(start, min(len(events), start + BATCH_SIZE)) for start in starts]
    started, already = time.monotonic(), counts.n_replicas
    while counts.n_replicas < n_replicas:
        last = min(n_replicas, counts.n_replicas + STEP)
        replicas = range(counts.n_replicas + 1, last + 1)

        def simulate(part: EventBatch, replicas: Sequence[int] = replicas) -> NDArray[np.int32]:
            passed = np.zeros((len(part), len(chosen), 2), dtype=np.int32)
            for replica in replicas:
                passed[:, :, (replica + 1) % 2] += _passes(part, seed, replica, chosen)
            return passed

        added = np.concatenate(list(ordered_map(simulate, iter(parts), n_jobs)))
        counts = PassCounts(counts.passed + added, last)
        _store(cache, fingerprint, counts)
        seconds = (time.monotonic() - started) / (last - already)
        print(f"{last} of {n_replicas} replicas, {seconds:.2f} s each", file=sys.stderr, flush=True)
    return counts
