"""Events from one format into another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES, EXPERIMENT, GENERATOR_WEIGHT, KEEP_PROBABILITY, RUN, WEIGHT
from smartbkg.events.draw_history import merged_draws, recorded_draws
from smartbkg.events.identity import EventIds, unique_events
from smartbkg.events.totals import Totals
from smartbkg.events.weight_columns import as_kept, generator_weights
from smartbkg.io import EventReader, ReadOptions, create_events, open_events, reading_for
from smartbkg.io.parquet import PARQUET
from smartbkg.io.reader import DEFAULT_BATCH_SIZE
from smartbkg.io.several import expand
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import EVENTS, KEPT, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

#: Event columns of a file made of different formats; the last two are those of kept events.
_COMMON: Final = (*EVENT_DTYPES, GENERATOR_WEIGHT, KEEP_PROBABILITY)


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
    has_default_ids: bool = False
    """Whether no event has an experiment or run of its own: those of another file may carry the same ids."""


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
    inputs = expand(inputs, allow_twice=allow_duplicates)
    refuse_same_file(output, *inputs)
    options = reading_for(output, options)
    seen, n_events, messages, n_skipped = EventIds(), 0, [], 0
    has_default_ids = options.run is None and options.experiment is None
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(open_events(path, options)) for path in inputs]
        is_mixed = len({type(reader) for reader in readers}) > 1
        is_native = output.name.endswith(PARQUET.suffixes)
        settings = {"run": options.run, "experiment": options.experiment, "process": options.process}
        writer = stack.enter_context(create_events(output, _record(readers, settings, inputs)))
        totals = Totals()
        for reader in readers:
            tally = SampleTally(reader)
            usable = _batches(tally, batch_size, is_mixed=is_mixed, is_native=is_native)
            batches = unique_events(usable, allow_duplicates=allow_duplicates, seen=seen)
            for batch in batches:
                writer.write(batch)
                n_events += len(batch)
                has_default_ids &= not (batch.event[EXPERIMENT].any() or batch.event[RUN].any())
                progress(n_events)
            totals += tally.totals
        writer.add_totals(totals)
        for reader in readers:
            messages += reader.skipped.messages
            n_skipped += len(reader.skipped)
        if n_events == 0:
            raise FileFormatError(f"{', '.join(map(str, inputs))}: no event that can be used ({n_skipped} left out)")
    return ConversionSummary(n_events, tuple(messages), n_skipped, seen.n_duplicates, has_default_ids)


class SampleTally:
    """Counts the events that pass through it, for the totals of their sample.

    Parameters
    ----------
    reader : of the events.
    """

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._counted = Totals()

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        """The events of the reader."""
        for batch in self._reader.batches(size):
            self._counted += Totals.of(generator_weights(batch.event), as_kept(batch).event[WEIGHT])
            yield batch

    @property
    def has_draws(self) -> bool:
        """Whether the events, once the first was read, are known to have come through a draw."""
        return bool(recorded_draws(self._reader.metadata))

    @property
    def totals(self) -> Totals:
        """Totals of the sample, once all events were read: what its file says of it, else what was counted."""
        return sample_totals(self._reader, self._counted)


def sample_totals(reader: EventReader, counted: Totals) -> Totals:
    """Totals of the sample that events are of: what the file they came from says, else what was counted of them.

    Parameters
    ----------
    counted : sums over the events read, and over those of them that are kept.
    """
    if reader.totals is not None:
        return reader.totals.kept_again(counted)
    if reader.cross_section is not None:
        return counted.with_cross_section(*reader.cross_section)
    return counted


def _record(readers: Sequence[EventReader], settings: Mapping[str, Any], inputs: Sequence[Path]) -> dict[str, Any]:
    """The provenance record; events that a filter has kept are still that, where all inputs come from one filter.

    Raises
    ------
    UsageError
        Some inputs hold kept events and others generated ones: their weights mean different things.
    """
    draws = [recorded_draws(reader.metadata) or [] for reader in readers]
    if any(draws) and not all(draws):
        generated = readers[draws.index([])].source
        raise UsageError(f"{generated}: holds generated events, other inputs kept ones: convert them apart")
    first = readers[0].metadata
    described = [(reader.metadata.get("settings"), reader.metadata.get("draws")) for reader in readers]
    is_kept = all(reader.metadata.get("kind") == KEPT for reader in readers)
    if not is_kept or any(one != described[0] for one in described):
        history = {"draws": merged_draws(draws, "convert")} if any(draws) else {}
        return record(EVENTS, SCHEMA_VERSIONS[EVENTS], settings, inputs, **history)
    further = {"draws": first["draws"]} if "draws" in first else {}
    return record(KEPT, SCHEMA_VERSIONS[KEPT], first.get("settings", {}), inputs, **further)


def _batches(tally: SampleTally, size: int, *, is_mixed: bool, is_native: bool) -> Iterator[EventBatch]:
    for rows in tally.batches(size):
        # other programs know no sampling weight: rows that stand for several events are passed on as kept ones
        batch = rows if is_native or not tally.has_draws else as_kept(rows)
        if is_mixed:
            common = {name: column for name, column in batch.event.items() if name in _COMMON}
            yield replace(batch, event=common, originals=None)
        else:
            yield batch


__all__ = ["ConversionSummary", "SampleTally", "convert_events", "sample_totals"]
