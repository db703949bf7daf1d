"""The chunks of a campaign: which events each holds. Ids are in ranges, so that no event has another's id."""

from __future__ import annotations

import collections
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.config import CampaignConfig
from smartbkg.errors import FileFormatError, UsageError
from smartbkg.seeds import derive_seed

#: Seeds that a generator such as PYTHIA takes, and a step that shares no factor with it: chunks never share a seed.
_SEEDS: Final = 900_000_000
_STEP: Final = 387_420_489
_LARGEST_RUN: Final = 2**31 - 1


class Chunk(NamedTuple):
    """The unit of work."""

    number: int
    """Its number in the campaign, from 0."""
    process: str
    """What its events are."""
    run: int
    """Run number of its events."""
    first_event: int
    """Number of its first event in that run; the others follow without a gap."""
    n_events: int | None
    """How many; None where a file says."""
    source: Path | None
    """File of events, where they exist."""


@dataclass(frozen=True)
class ChunkPlan:
    """All chunks, in order; made anew from the configuration each time, never stored.

    Chunks of the processes take turns, so that any beginning of the campaign is a mixture like the whole.
    """

    processes: tuple[str, ...]
    first_run: int
    chunk_events: int
    events: tuple[int, ...]
    """Events of each process."""
    process_index: NDArray[np.int32]
    """(n_chunks,)"""
    ordinal: NDArray[np.int32]
    """(n_chunks,) number of the chunk among those of its process."""
    sources: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.process_index)

    def __getitem__(self, index: int) -> Chunk:
        """The chunk of that number.

        Raises
        ------
        UsageError
            There is none.
        """
        if not 0 <= index < len(self):
            raise UsageError(f"there is no chunk {index}: the campaign has the chunks 0 to {len(self) - 1}")
        if self.sources:
            return Chunk(index, self.processes[0], self.first_run + index, 1, None, self.sources[index])
        process, ordinal = int(self.process_index[index]), int(self.ordinal[index])
        before = ordinal * self.chunk_events
        n_events = min(self.chunk_events, self.events[process] - before)
        return Chunk(index, self.processes[process], self.first_run + process, before + 1, n_events, None)

    def __iter__(self) -> Iterator[Chunk]:
        return (self[index] for index in range(len(self)))

    @property
    def n_events(self) -> int | None:
        """Events of the campaign; None where files say."""
        return None if self.sources else sum(self.events)

    def events_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) events of the chunks of those numbers, 0 where files say."""
        if self.sources:
            return np.zeros(len(indices), dtype=np.int64)
        process = self.process_index[indices]
        before = self.ordinal[indices].astype(np.int64) * self.chunk_events
        left: NDArray[np.int64] = np.asarray(self.events, dtype=np.int64)[process] - before
        return np.minimum(left, self.chunk_events)


def plan_chunks(config: CampaignConfig, folder: Path, sources: Sequence[str] | None = None) -> ChunkPlan:
    """The chunks of a configuration.

    Parameters
    ----------
    sources : names of the input files where the campaign has begun: their order is that of the chunks.

    Raises
    ------
    UsageError
        Run numbers out of range, or patterns that name no file.
    FileFormatError
        A file is missing.
    """
    names = tuple(config.generate.ratio)
    if config.generate.kind == "files":
        found = tuple(folder / name for name in (source_names(config, folder) if sources is None else sources))
        _check_runs(config.first_run, len(found))
        zeros = np.zeros(len(found), dtype=np.int32)
        return ChunkPlan(names, config.first_run, config.chunk_events, (0,), zeros, zeros, found)
    _check_runs(config.first_run, len(names))
    events = _divided(config.events, np.array(list(config.generate.ratio.values())))
    n_chunks = -(-events // config.chunk_events)
    # The k-th of n chunks of a process stands at (k + 1/2)/n of the campaign.
    process = np.repeat(np.arange(len(names)), n_chunks)
    ordinal = np.concatenate([np.arange(n) for n in n_chunks]) if len(process) else np.zeros(0, dtype=np.int64)
    order = np.lexsort((process, (ordinal + 0.5) / n_chunks[process]))
    return ChunkPlan(
        names, config.first_run, config.chunk_events, tuple(events.tolist()),
        process[order].astype(np.int32), ordinal[order].astype(np.int32),
    )  # fmt: skip


def _divided(total: int, ratio: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in a ratio, with that sum (largest remainders)."""
    exact = total * ratio
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole


def _check_runs(first: int, n_runs: int) -> None:
    if first + n_runs - 1 > _LARGEST_RUN:
        raise UsageError(f"first_run = {first} with {n_runs} runs goes beyond {_LARGEST_RUN}, the largest run number")


def source_names(config: CampaignConfig, folder: Path) -> list[str]:
    """Input files that there are now, as the configuration names them: absolute, or relative to the folder.

    Raises
    ------
    UsageError
        A file is named twice.
    FileFormatError
        A pattern names no file.
    """
    found: list[str] = []
    for pattern in config.generate.files:
        matches = sorted(glob.glob(pattern, root_dir=folder))  # noqa: PTH207 - patterns may be absolute
        if not matches:
            kind = "no file matches" if glob.has_magic(pattern) else "missing input file"
            raise FileFormatError(f"generate.files: {kind} '{pattern}' (in {folder})")
        found += matches
    repeated = sorted(name for name, n_times in collections.Counter(found).items() if n_times > 1)
    if repeated:
        raise UsageError(f"generate.files: {repeated[0]} is named twice: its events would count twice")
    return found


def generator_seed(seed: int, index: int) -> int:
    """The seed of a chunk's generator, from 1 to 900,000,000 as PYTHIA wants; no two chunks of a campaign share one."""
    return 1 + (derive_seed(seed, "campaign generator") + index * _STEP) % _SEEDS
