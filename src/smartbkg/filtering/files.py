"""One file in, one file out: filter a file of events, or score it, in constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, GENERATOR_WEIGHT, IS_KEPT, KEEP_PROBABILITY, WEIGHT
from smartbkg.events.identity import unique_events
from smartbkg.filtering.event_filter import (
    Decision,
    EventFilter,
    FilterTotals,
    scored_columns,
)
from smartbkg.filtering.scoring import EventScorer, score_events
from smartbkg.io import ReadOptions, create_events, reading_for
from smartbkg.io.convert import sample_totals
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventReader
from smartbkg.io.several import expand, open_all
from smartbkg.io.tables import TableWriter
from smartbkg.sampling.weights import generator_weights, total_keep_probability
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import KEPT, SCHEMA_VERSIONS, SCORES
from smartbkg.storage.provenance import record

#: Called after each batch with the number of events read so far.
Progress = Callable[[int], None]


class ScoreSummary(NamedTuple):
    """What was scored."""

    n_events: int
    """Events scored."""
    n_skipped: int
    """Events left out because they could not be read."""
    skipped: tuple[str, ...]
    """What was wrong with them."""


def filter_file(
    sources: Path | Sequence[Path],
    output: Path,
    event_filter: EventFilter,
    *,
    settings: Mapping[str, Any],
    inputs: tuple[Path, ...] = (),
    scores: Path | None = None,
    totals: Path | None = None,
    options: ReadOptions | None = None,
    allow_duplicates: bool = False,
    batch_size: int = DEFAULT_BATCH_SIZE,
    progress: Progress = lambda _: None,
) -> FilterTotals:
    """Filter files: kept events with their weights to ``output``, every event's decision to ``scores``.

    Parameters
    ----------
    sources : a file of events, or several that are read as one; patterns are expanded.
    settings : what was chosen (policy, seed, model): stored in the outputs.
    inputs : further files that the result depends on; their checksums are stored.
    scores : table of every event's score, keep probability, weight and fate; None = not written.
    totals : JSON file for the totals of the sample; None = only in the output itself, and beside a FIFO.
    options : how to read; originals are kept where the output is not a native file.
    allow_duplicates : let an event id come twice; such events share their fate.
    progress : called after each batch.

    Raises
    ------
    FileFormatError
        The file holds no event.
    UsageError
        An output is an input or the other output.
    """
    events = expand([sources] if isinstance(sources, Path) else sources)
    _refuse_overlap(output, scores, *events, *inputs)
    options = reading_for(output, options)
    files = (*events, *inputs)
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_all(events, options))
        batches = unique_events(reader.batches(batch_size), allow_duplicates=allow_duplicates)
        first = next(batches, None)  # only then a reader of a stream knows what its header says
        event_filter.follow(reader.metadata)
        draws = event_filter.draws
        about = record(KEPT, SCHEMA_VERSIONS[KEPT], settings, files, draws=draws)
        writer = stack.enter_context(create_events(output, about))
        table = None
        if scores is not None:
            about = record(SCORES, SCHEMA_VERSIONS[SCORES], settings, files, draws=draws)
            table = stack.enter_context(TableWriter(scores, about))
        for batch, decision in event_filter.stream(chain([] if first is None else [first], batches)):
            writer.write(event_filter.kept(batch, decision))
            if table is not None and len(batch):
                table.write(_row_per_event(batch, decision, event_filter.skims))
            progress(event_filter.totals.n_events)
        event_filter.totals.n_skipped += len(reader.skipped)
        event_filter.totals.skipped += reader.skipped.messages
        _refuse_empty(reader, event_filter.totals.n_events)
        sample = sample_totals(reader, event_filter.totals.sample)
        writer.add_totals(sample)
        of_filter = {name: value for name, value in asdict(event_filter.totals).items() if name != "sample"}
        writer.describe(totals=of_filter | sample.to_dict())
    if totals is not None:
        sample.write(totals)
    return event_filter.totals


def score_file(
    sources: Path | Sequence[Path],
    output: Path,
    scorer: EventScorer,
    *,
    settings: Mapping[str, Any],
    inputs: tuple[Path, ...] = (),
    options: ReadOptions | None = None,
    allow_duplicates: bool = False,
    batch_size: int = DEFAULT_BATCH_SIZE,
    progress: Progress = lambda _: None,
) -> ScoreSummary:
    """Write every event's logit and score. Parameters and errors as in `filter_file`."""
    events = expand([sources] if isinstance(sources, Path) else sources)
    _refuse_overlap(output, None, *events, *inputs)
    n_events = 0
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_all(events, options))
        about = record(SCORES, SCHEMA_VERSIONS[SCORES], settings, (*events, *inputs))
        table = stack.enter_context(TableWriter(output, about))
        for batch in unique_events(reader.batches(batch_size), allow_duplicates=allow_duplicates):
            table.write(_ids(batch) | scored_columns(scorer.skims, score_events(scorer, batch)))
            n_events += len(batch)
            progress(n_events)
        _refuse_empty(reader, n_events)
    return ScoreSummary(n_events, len(reader.skipped), tuple(reader.skipped.messages))


def _row_per_event(batch: EventBatch, decision: Decision, skims: Sequence[str]) -> dict[str, Any]:
    """Columns of the table of scores: ids, scores, and what was decided."""
    of_decision = {
        KEEP_PROBABILITY: total_keep_probability(batch.event, decision.keep_probability),
        GENERATOR_WEIGHT: generator_weights(batch.event),
        IS_KEPT: decision.is_kept,
        WEIGHT: decision.weight,
    }
    return _ids(batch) | scored_columns(skims, decision) | of_decision


def _ids(batch: EventBatch) -> dict[str, Any]:
    return {name: batch.event[name] for name in EVENT_ID}


def _refuse_overlap(output: Path, scores: Path | None, *inputs: Path) -> None:
    refuse_same_file(output, *inputs)
    if scores is not None:
        refuse_same_file(scores, *inputs)
        if scores.absolute() == output.absolute():
            raise UsageError(f"kept events and scores go to the same file: {output}")


def _refuse_empty(reader: EventReader, n_events: int) -> None:
    if n_events == 0:
        first = f", the first: {reader.skipped.messages[0]}" if reader.skipped.messages else ""
        raise FileFormatError(
            f"{reader.source}: holds no event that can be used ({len(reader.skipped)} left out{first})"
        )


__all__ = ["ScoreSummary", "filter_file", "score_file"]
