"""The generated events of a chunk, with ids of the campaign whatever their generator had called them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.chunk.chunks import Chunk, generator_seed
from smartbkg.campaign.config import CampaignConfig
from smartbkg.errors import SmartBKGError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_NUMBER, EXPERIMENT, PROCESS, RUN
from smartbkg.experiment.program import filled, run_program, split_command
from smartbkg.io import ReadOptions, open_events, reading_for
from smartbkg.io.reader import DEFAULT_BATCH_SIZE
from smartbkg.seeds import derive_seed

_WHAT = "external generator"


class SourceError(SmartBKGError):
    """A generator wrote nothing, or another number of events than it was asked for."""


def chunk_events(
    config: CampaignConfig,
    chunk: Chunk,
    folder: Path,
    scratch: Path,
    told: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> Iterator[EventBatch]:
    """The events of a chunk, in batches: the same ones at every attempt.

    Parameters
    ----------
    folder : the campaign's, in which a command runs.
    scratch : folder for what does not stay.
    told : gets what a file says of itself, before its first events: which filters they have come through.

    Raises
    ------
    SmartBKGError
        The generator failed, wrote another number of events, or a file is missing or damaged.
    """
    kind = config.generate.kind
    if kind == "embedded":
        yield from _embedded(config, chunk)
        return
    path = _commanded(config, chunk, folder, scratch) if kind == "command" else chunk.source
    if path is None:
        raise SourceError(f"chunk {chunk.number} names no file of events")
    options = reading_for(
        Path(f"kept.{config.outputs.format}"),
        ReadOptions(experiment=config.experiment, run=chunk.run, process=chunk.process),
    )
    # Of a file its range is taken; a command must have made exactly the events that it was asked for.
    n_before, n_wanted = (chunk.first_event - 1, chunk.n_events) if kind == "files" else (0, None)
    n_read = 0
    with open_events(path, options) as reader:
        for batch in _from(reader.batches(DEFAULT_BATCH_SIZE), n_before):
            if not n_read:
                told(reader.metadata)
            wanted = batch if n_wanted is None else batch.slice(0, min(len(batch), n_wanted - n_read))
            yield _renumbered(wanted, config.experiment, chunk, n_read)
            n_read += len(wanted)
            if n_read == n_wanted:
                break
    if chunk.n_events is not None and n_read != chunk.n_events:
        if kind == "files":
            raise SourceError(
                f"{path}: holds {n_before + n_read} events, expected {n_before + chunk.n_events} and more"
            )
        raise SourceError(
            f"{_WHAT}: wrote {n_read} events, expected {chunk.n_events} (first_event {chunk.first_event}): "
            f"'{config.generate.command}'"
        )


def _from(batches: Iterator[EventBatch], n_before: int) -> Iterator[EventBatch]:
    """The batches without so many events at their beginning."""
    for batch in batches:
        if n_before < len(batch):
            yield batch.slice(n_before, len(batch))
        n_before = max(n_before - len(batch), 0)


def _embedded(config: CampaignConfig, chunk: Chunk) -> Iterator[EventBatch]:
    from smartbkg.experiment.generator.generate import generate_events

    yield from generate_events(
        chunk.process, chunk.n_events or 0, derive_seed(config.seed, "campaign events"),
        experiment=config.experiment, run=chunk.run, first_event=chunk.first_event,
    )  # fmt: skip


def _commanded(config: CampaignConfig, chunk: Chunk, folder: Path, scratch: Path) -> Path:
    """Run the external generator; returns the file that it wrote."""
    output = scratch / f"generated{config.generate.suffix}"
    values = {
        "output": output, "first_event": chunk.first_event, "n_events": chunk.n_events,
        "seed": generator_seed(config.seed, chunk.number), "run": chunk.run, "process": chunk.process,
        "chunk": chunk.number,
    }  # fmt: skip
    words = filled(split_command(config.generate.command or "", (), _WHAT), values)
    run_program(words, scratch, _WHAT, f"chunk {chunk.number}", config.generate.timeout, folder)
    if not output.exists():
        raise SourceError(f"{_WHAT}: wrote nothing to {{output}}, expected {chunk.n_events} events: '{words[0]}'")
    return output


def _renumbered(batch: EventBatch, experiment: int, chunk: Chunk, n_before: int) -> EventBatch:
    """The batch with the ids that the plan gives to its events; a process that is stated stays."""
    n_events = len(batch)
    stated = batch.event[PROCESS]
    columns: dict[str, NDArray[Any]] = {
        EXPERIMENT: np.full(n_events, experiment, dtype=np.int32),
        RUN: np.full(n_events, chunk.run, dtype=np.int32),
        EVENT_NUMBER: chunk.first_event + n_before + np.arange(n_events, dtype=np.int64),
        PROCESS: np.where(stated == "", chunk.process, stated),
    }
    return batch.with_event_columns(**columns)
