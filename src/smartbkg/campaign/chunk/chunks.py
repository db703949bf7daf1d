"""The chunks of a campaign: which events each holds. Ids are in ranges, so that no event has another's id."""

from __future__ import annotations

import collections
import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.config import CampaignConfig
from smartbkg.errors import FileFormatError, UsageError
from smartbkg.io import open_events
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
    """Events of each process, or of each file where these are split; empty where files say."""
    part_index: NDArray[np.int32]
    """(n_chunks,) number of its process, or of its file."""
    ordinal: NDArray[np.int32]
    """(n_chunks,) number of the chunk among those of its process or file."""
    sources: tuple[Path, ...] = ()
    """Files of events, where they exist."""

    def __len__(self) -> int:
        return len(self.part_index)

    def __getitem__(self, index: int) -> Chunk:
        """The chunk of that number.

        Raises
        ------
        UsageError
            There is none.
        """
        if not 0 <= index < len(self):
            raise UsageError(f"there is no chunk {index}: the campaign has the chunks 0 to {len(self) - 1}")
        part, ordinal = int(self.part_index[index]), int(self.ordinal[index])
        source = self.sources[part] if self.sources else None
        process = self.processes[0] if self.sources else self.processes[part]
        if not self.events:
            return Chunk(index, process, self.first_run + part, 1, None, source)
        before = ordinal * self.chunk_events
        n_events = min(self.chunk_events, self.events[part] - before)
        return Chunk(index, process, self.first_run + part, before + 1, n_events, source)

    def __iter__(self) -> Iterator[Chunk]:
        return (self[index] for index in range(len(self)))

    @property
    def n_events(self) -> int | None:
        """Events of the campaign; None where files say."""
        return sum(self.events) if self.events else None

    def events_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) events of the chunks of those numbers, 0 where files say."""
        if not self.events:
            return np.zeros(len(indices), dtype=np.int64)
        part = self.part_index[indices]
        before = self.ordinal[indices].astype(np.int64) * self.chunk_events
        left: NDArray[np.int64] = np.asarray(self.events, dtype=np.int64)[part] - before
        return np.minimum(left, self.chunk_events)


def plan_chunks(config: CampaignConfig, folder: Path, sources: Sequence[Mapping[str, Any]] | None = None) -> ChunkPlan:
    """The chunks of a configuration.

    Parameters
    ----------
    sources : the input files where the campaign has begun, as its identity names and counts them; their order is that
        of the chunks.

    Raises
    ------
    UsageError
        Run numbers out of range, or patterns that name no file.
    FileFormatError
        A file is missing.
    """
    names = tuple(config.generate.ratio)
    if config.generate.kind == "files":
        return _chunks_of_files(config, folder, counted_sources(config, folder) if sources is None else sources)
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


def _chunks_of_files(config: CampaignConfig, folder: Path, sources: Sequence[Mapping[str, Any]]) -> ChunkPlan:
    """One chunk per file, or as many as its events make where files are split; a file without events is a chunk too."""
    files = tuple(folder / str(source["name"]) for source in sources)
    _check_runs(config.first_run, len(files))
    events = tuple(int(source["events"]) for source in sources) if config.generate.split else ()
    n_chunks = [max(-(-n // config.chunk_events), 1) for n in events] if events else [1] * len(files)
    part = np.repeat(np.arange(len(files), dtype=np.int32), n_chunks)
    ordinal = np.concatenate([np.arange(n, dtype=np.int32) for n in n_chunks])
    return ChunkPlan(tuple(config.generate.ratio), config.first_run, config.chunk_events, events, part, ordinal, files)


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


def counted_sources(config: CampaignConfig, folder: Path) -> list[dict[str, Any]]:
    """Name of each input file, with the number of its events where files are split.

    Raises
    ------
    UsageError, FileFormatError
        A file is named twice, missing, or damaged.
    """
    names = source_names(config, folder)
    if not config.generate.split:
        return [{"name": name} for name in names]
    return [{"name": name, "events": count_events(folder / name)} for name in names]


def count_events(path: Path) -> int:
    """Events of a file in any format; formats that do not say it are read once."""
    with open_events(path) as reader:
        stated = getattr(reader, "n_events", None)
        return stated if isinstance(stated, int) else sum(len(batch) for batch in reader.batches())


def generator_seed(seed: int, index: int) -> int:
    """The seed of a chunk's generator, from 1 to 900,000,000 as PYTHIA wants; no two chunks of a campaign share one."""
    return 1 + (derive_seed(seed, "campaign generator") + index * _STEP) % _SEEDS
