"""Events from one format into another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES
from smartbkg.events.identity import EventIds, unique_events
from smartbkg.io import EventReader, ReadOptions, create_events, open_events
from smartbkg.io.reader import DEFAULT_BATCH_SIZE
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record


class ConversionSummary(NamedTuple):
    """What was converted."""

    n_events: int
    """Events written."""
    skipped: tuple[str, ...]
    """What was wrong with the events that were left out."""
    n_skipped: int
    """Events left out."""
    n_duplicates: int
    """Events that came twice (only where that is allowed)."""


def convert_events(
    inputs: Sequence[Path],
    output: Path,
    options: ReadOptions | None = None,
    *,
    allow_duplicates: bool = False,
    batch_size: int = DEFAULT_BATCH_SIZE,
    progress: Callable[[int], None] = lambda _: None,
) -> ConversionSummary:
    """Read files of events, of one format or several, and write one file, in constant memory.

    HepMC to HepMC keeps the whole original events. Inputs of different formats keep the event columns that all formats
    have (`smartbkg.events.columns.EVENT_FIELDS`).

    Raises
    ------
    UsageError
        The output is one of the inputs, or no format that can be written.
    FileFormatError
        There is no event that can be used.
    EventError
        An event cannot be read, or comes twice.
    """
    refuse_same_file(output, *inputs)
    options = replace(options or ReadOptions(), keep_originals=not output.name.endswith((".parquet", ".pq")))
    seen, n_events, messages, n_skipped = EventIds(), 0, [], 0
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(open_events(path, options)) for path in inputs]
        is_mixed = len({type(reader) for reader in readers}) > 1
        settings = {"run": options.run, "experiment": options.experiment, "process": options.process}
        writer = stack.enter_context(create_events(output, record(EVENTS, SCHEMA_VERSIONS[EVENTS], settings, inputs)))
        for batch in unique_events(
            _batches(readers, batch_size, is_mixed=is_mixed), allow_duplicates=allow_duplicates, seen=seen
        ):
            writer.write(batch)
            n_events += len(batch)
            progress(n_events)
        for reader in readers:
            messages += reader.skipped.messages
            n_skipped += len(reader.skipped)
        if n_events == 0:
            raise FileFormatError(f"{', '.join(map(str, inputs))}: no event that can be used ({n_skipped} left out)")
    return ConversionSummary(n_events, tuple(messages), n_skipped, seen.n_duplicates)


def _batches(readers: Sequence[EventReader], size: int, *, is_mixed: bool) -> Iterator[EventBatch]:
    for reader in readers:
        for batch in reader.batches(size):
            if is_mixed:
                common = {name: column for name, column in batch.event.items() if name in EVENT_DTYPES}
                yield replace(batch, event=common, originals=None)
            else:
                yield batch


__all__ = ["ConversionSummary", "convert_events"]
