"""A join larger than memory: flags and events are dealt into files by event id, then joined file by file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from smartbkg.datasets.flags import FlagBlock, FlagFiles, write_block
from smartbkg.events import EventBatch
from smartbkg.events.identity import keys_of
from smartbkg.io.parquet import batch_from_arrow, batch_to_arrow
from smartbkg.storage.atomic import disk_errors

_MOST_PARTITIONS = 256


def spilled_partitions(
    flags: FlagFiles, events: Iterable[EventBatch], folder: Path, n_partitions: int
) -> Iterator[tuple[Iterator[FlagBlock], Iterator[EventBatch]]]:
    """Deal flags and events into files of ``folder`` and yield the matching pairs of parts.

    An event and its flags have one key, so that they are in one pair. The events come out in another order than they
    went in, the same on every run.
    """
    n_partitions = min(n_partitions, _MOST_PARTITIONS)
    with disk_errors(folder), contextlib.ExitStack() as stack:
        flag_writers: dict[int, pq.ParquetWriter] = {}
        for block in flags.blocks():
            part = keys_of(block.ids) % np.uint64(n_partitions)
            for number in np.unique(part):
                chosen = block.select(part == number)
                path = folder / f"flags-{number}.parquet"
                flag_writers[int(number)] = write_block(flag_writers.get(int(number)), path, chosen)
        for writer in flag_writers.values():
            writer.close()
        event_writers: dict[int, pq.ParquetWriter] = {}
        source = ""
        for batch in events:
            source = batch.source
            part = keys_of(batch.event) % np.uint64(n_partitions)
            for number in np.unique(part):
                rows = batch_to_arrow(batch.select(part == number))
                if int(number) not in event_writers:
                    path = folder / f"events-{number}.parquet"
                    event_writers[int(number)] = stack.enter_context(
                        pq.ParquetWriter(path, rows.schema, compression="lz4")
                    )
                event_writers[int(number)].write_batch(rows.cast(event_writers[int(number)].schema))
    for number in range(n_partitions):
        if number not in event_writers:
            continue
        yield (
            _read_flags(folder / f"flags-{number}.parquet", flags),
            _read_events(folder / f"events-{number}.parquet", source),
        )


def _read_flags(path: Path, flags: FlagFiles) -> Iterator[FlagBlock]:
    if not path.exists():
        return
    with contextlib.closing(FlagFiles([path], flags.skims)) as part:
        yield from part.blocks()


def _read_events(path: Path, source: str) -> Iterator[EventBatch]:
    with pq.ParquetFile(path) as file:
        for rows in file.iter_batches(use_threads=False):
            yield batch_from_arrow(rows, source)
