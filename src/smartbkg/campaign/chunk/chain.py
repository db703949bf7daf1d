"""One chunk from generator to n-tuple, by the functions of this package that do the same for single files."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg._version import __version__
from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.chunks import Chunk
from smartbkg.campaign.chunk.observation import Observation
from smartbkg.campaign.chunk.record import skim_sums
from smartbkg.campaign.chunk.source import chunk_events
from smartbkg.campaign.chunk.stages import StageClock
from smartbkg.campaign.identity import fingerprint
from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, GENERATOR_WEIGHT, KEEP_PROBABILITY, PASSES_PREFIX, WEIGHT
from smartbkg.events.identity import match_events
from smartbkg.events.totals import Totals
from smartbkg.filtering.event_filter import Decision, EventFilter
from smartbkg.io import create_events
from smartbkg.io.tables import read_table, write_table
from smartbkg.seeds import derive_seed
from smartbkg.storage.kinds import FLAGS, KEPT, SCHEMA_VERSIONS
from smartbkg.storage.machine import MachineError, is_of_machine
from smartbkg.storage.partial import scratch_folder
from smartbkg.storage.provenance import digest_of, record, sha256_of_file

NTUPLE: Final = "ntuple"
#: Free bytes below which a disk counts as full.
_FULL_BYTES: Final = 1 << 20


class _Columns:
    """Columns of a chunk's events, batch by batch."""

    def __init__(self) -> None:
        self._parts: list[dict[str, NDArray[Any]]] = []

    def add(self, **columns: NDArray[Any]) -> None:
        self._parts.append(columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        parts = [part[name] for part in self._parts]
        return np.concatenate(parts) if parts else np.empty(0)


class _Filtered(NamedTuple):
    """What filtering left behind."""

    kept: Path
    kept_columns: _Columns
    generator_weight: NDArray[np.float64]
    observation: Observation
    n_unknown: int


def make_chunk(campaign: Campaign, chunk: Chunk, attempt: str, folder: Path) -> dict[str, Any]:
    """Make the files of a chunk in a folder.

    Parameters
    ----------
    attempt : name of this attempt, for the record.
    folder : exists and is empty; nobody else writes into it.

    Returns
    -------
    The content of its record: what `smartbkg.campaign.chunk.record.as_bytes` publishes.

    Raises
    ------
    SmartBKGError
        A stage failed: nothing is to be published.
    """
    clock, started = StageClock(), time.time()
    wall = time.monotonic()
    config = campaign.config
    _check_source(campaign, chunk)
    with scratch_folder("chunk", config.run.scratch) as scratch, _full_disks_told(scratch, folder):
        filtered = _filter(campaign, chunk, folder, scratch, clock)
        flags = _simulate(campaign, folder, filtered, clock)
        with clock.stage("bookkeeping"):
            skims = _outcomes(campaign, filtered, flags)
        with clock.stage("write"):
            if config.outputs.ntuple and flags is not None:
                _write_ntuple(campaign, folder, scratch, filtered, flags)
    with clock.stage("bookkeeping"):
        files = {path.name.partition(".")[0]: _described(path) for path in sorted(folder.iterdir())}
        content = {
            "chunk": chunk.number,
            "attempt": attempt,
            "identity": digest_of(campaign.identity)[:16],
            "policy": digest_of(campaign.policy(chunk.number).to_dict())[:16],
            "package_version": __version__,
            "process": chunk.process,
            "run": chunk.run,
            "first_event": chunk.first_event,
            "totals": _totals(campaign, chunk, filtered).to_dict(),
            "skims": skims,
            **_observed(campaign, filtered),
            "files": files,
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "started": started,
        }
    seconds = {stage: round(value, 6) for stage, value in clock.seconds.items()}
    return content | {"cpu": seconds, "wall": round(time.monotonic() - wall, 6)}


@contextlib.contextmanager
def _full_disks_told(*folders: Path) -> Iterator[None]:
    """Turn any failure beside a full disk into one of the machine: programs of the user's do not tell them apart."""
    try:
        yield
    except Exception as error:
        for folder in folders:
            if not is_of_machine(error) and shutil.disk_usage(folder).free < _FULL_BYTES:
                said = " ".join(str(error).split())
                raise MachineError(f"{folder}: no space left on the disk; what failed first: {said}") from error
        raise


def _check_source(campaign: Campaign, chunk: Chunk) -> None:
    """Refuse an input file that is not the one with which the campaign began."""
    if chunk.source is None:
        return
    about = campaign.identity["sources"][chunk.run - campaign.config.first_run]
    known = {key: value for key, value in about.items() if key not in ("name", "events")}
    if fingerprint(chunk.source) != known:
        raise UsageError(f"{chunk.source}: the input file was changed since the campaign began: put the old one back")


def _filter(campaign: Campaign, chunk: Chunk, folder: Path, scratch: Path, clock: StageClock) -> _Filtered:
    """Generate and filter; the kept events go to the disk, all events into the sums."""
    config, policy = campaign.config, campaign.policy(chunk.number)
    seed = derive_seed(config.seed, "campaign draw")
    with clock.stage("filter"):
        event_filter = EventFilter(campaign.scorer, policy, seed=seed, skims=campaign.skims, stream=campaign.stream)
    n_unknown = campaign.scorer.n_unknown_codes
    observation = Observation(len(campaign.skims))
    every, kept_columns = _Columns(), _Columns()
    settings = {"policy": policy.to_dict(), "seed": seed, "skims": list(campaign.skims), "draw": "independent"}
    kept = folder / f"{KEPT}.{config.outputs.format}"
    batches = clock.each("generate", chunk_events(config, chunk, campaign.folder.root, scratch, event_filter.follow))
    with contextlib.ExitStack() as stack:
        first = next(batches, None)  # only then it is known which draws its events have come through
        about = record(
            KEPT,
            SCHEMA_VERSIONS[KEPT],
            settings,
            model_sha256=campaign.identity["model_sha256"],
            draws=event_filter.draws,
        )
        writer = stack.enter_context(create_events(kept, about))
        for batch in itertools.chain([] if first is None else [first], batches):
            with clock.stage("filter"):
                ((usable, decision),) = event_filter.stream([batch])
                chosen = event_filter.kept(usable, decision)
            with clock.stage("write"):
                writer.write(chosen)
            with clock.stage("bookkeeping"):
                observation.add(usable, decision)
                every.add(weight=usable.event[WEIGHT])
                kept_columns.add(**_columns_of(chosen, decision))
        with clock.stage("bookkeeping"):
            totals = Totals.of(every["weight"], kept_columns[WEIGHT])
            writer.describe(totals=totals.to_dict())
        with clock.stage("write"):
            stack.close()
    n_unknown = campaign.scorer.n_unknown_codes - n_unknown
    return _Filtered(kept, kept_columns, every["weight"], observation, n_unknown)


def _columns_of(chosen: EventBatch, decision: Decision) -> dict[str, NDArray[Any]]:
    """What is needed later of the kept events."""
    names = (*EVENT_ID, WEIGHT, GENERATOR_WEIGHT, KEEP_PROBABILITY)
    scores = decision.score[decision.is_kept]
    return {name: chosen.event[name] for name in names} | {f"score {i}": scores[:, i] for i in range(scores.shape[1])}


def _simulate(campaign: Campaign, folder: Path, filtered: _Filtered, clock: StageClock) -> Path | None:
    """Simulate the kept events; the file of flags, None where nothing is simulated."""
    config, flags = campaign.config.simulate, folder / f"{FLAGS}.parquet"
    if config.by == "nothing":
        return None
    seed = derive_seed(campaign.config.seed, "campaign simulation")
    with clock.stage("simulate"):
        if config.by == "embedded":
            from smartbkg.experiment.detector.files import read_detector
            from smartbkg.experiment.detector.parameters import BELLE2
            from smartbkg.experiment.simulation import simulate_file

            root = campaign.folder.root
            detector = BELLE2 if config.detector is None else read_detector(str(root / config.detector))
            simulate_file(filtered.kept, flags, seed=seed, skims=campaign.flagged, detector=detector)
        elif len(filtered.kept_columns[WEIGHT]):
            from smartbkg.experiment.external import simulate_file_externally

            simulate_file_externally(
                filtered.kept, flags, config.command or "", skim=campaign.flagged[0], timeout=config.timeout,
                input_suffix=config.suffix, working_folder=campaign.folder.root, seed=seed,
            )  # fmt: skip
        else:
            empty = {name: np.empty(0, dtype=np.int64) for name in EVENT_ID}
            empty[PASSES_PREFIX + campaign.flagged[0]] = np.empty(0, dtype=np.bool_)
            write_table(flags, empty, record(FLAGS, SCHEMA_VERSIONS[FLAGS], {"command": config.command}))
    return flags


def _outcomes(campaign: Campaign, filtered: _Filtered, flags: Path | None) -> dict[str, Any]:
    """Sums of each skim over the kept events that passed it."""
    if flags is None:
        return {}
    columns = filtered.kept_columns
    names = {skim: PASSES_PREFIX + skim for skim in campaign.flagged}
    table = read_table(flags, columns=[*EVENT_ID, *names.values()])
    sums = {}
    n_kept = len(columns[WEIGHT])
    row = match_events(_ids(columns), table, str(flags)) if n_kept else np.empty(0, dtype=np.int64)
    for skim, name in names.items():
        passed = table[name][row].astype(np.bool_)
        sums[skim] = skim_sums(columns[WEIGHT], columns[KEEP_PROBABILITY], passed)
        if skim in campaign.skims and n_kept:
            position = campaign.skims.index(skim)
            filtered.observation.add_outcome(position, columns[f"score {position}"], passed)
    return sums


def _ids(columns: _Columns) -> dict[str, NDArray[Any]]:
    return {name: columns[name] for name in EVENT_ID}


def _write_ntuple(campaign: Campaign, folder: Path, scratch: Path, filtered: _Filtered, flags: Path) -> None:
    """The events that passed a skim, with variables and weights, as a ROOT tree."""
    from smartbkg.filtering.ntuples import table_to_ntuple

    table = read_table(flags)
    passed = np.zeros(len(table), dtype=np.bool_)
    for skim in campaign.flagged:
        passed |= table[PASSES_PREFIX + skim].astype(np.bool_)
    chosen, weights = scratch / "chosen.parquet", scratch / "weights.parquet"
    write_table(chosen, {name: column[passed] for name, column in table.columns.items()}, table.metadata)
    columns = {name: filtered.kept_columns[name] for name in (*EVENT_ID, WEIGHT, KEEP_PROBABILITY, GENERATOR_WEIGHT)}
    write_table(weights, columns, record(KEPT, SCHEMA_VERSIONS[KEPT], {}))
    table_to_ntuple(chosen, [weights], folder / f"{NTUPLE}.root")


def _totals(campaign: Campaign, chunk: Chunk, filtered: _Filtered) -> Totals:
    totals = Totals.of(filtered.generator_weight, filtered.kept_columns[WEIGHT])
    cross_section = campaign.config.generate.processes.get(chunk.process)
    return totals if cross_section is None else totals.with_cross_section(1000 * cross_section)


def _observed(campaign: Campaign, filtered: _Filtered) -> dict[str, Any]:
    observation = filtered.observation
    return {
        "draw": {
            "variance": observation.variance,
            "sum_keep_probability": observation.sum_keep_probability,
            "count_variance": observation.count_variance,
            "largest": observation.largest,
        },
        "particles": observation.n_particles,
        "unknown_codes": filtered.n_unknown,
        "closure": observation.closure.encoded(),
        "scores": {skim: sums.encoded() for skim, sums in zip(campaign.skims, observation.scores, strict=True)},
    }


def _described(path: Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
