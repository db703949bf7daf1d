"""The training data set: generated events joined with the flags of the skims they passed.

One event a row: the native event format, with the further event columns ``label_<skim>`` (and ``label`` where there is
one skim alone), ``var_<name>`` for event-level variables, ``weight`` of the generator, and ``sampling_weight``: how
many generated events the row stands for, 1 unless failing events were thinned out, a filter kept the events (1 / keep
probability), or an earlier data set says so. Sums weighted with it give the true retention.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.flags import FlagBlock, FlagFiles, FlagIndex
from smartbkg.datasets.header import Counts, DatasetSummary, check_classes
from smartbkg.datasets.origin import check_content, check_files
from smartbkg.datasets.own_labels import OwnLabels
from smartbkg.datasets.spill import spilled_partitions
from smartbkg.errors import DatasetError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    EVENT_ID,
    GENERATOR_WEIGHT,
    KEEP_PROBABILITY,
    LABEL_PREFIX,
    PROCESS,
    SAMPLING_WEIGHT,
    VARIABLE_PREFIX,
    VARIATION_PREFIX,
    WEIGHT,
)
from smartbkg.events.draw_history import UNKNOWN_DRAW, merged_draws, own_thinning, recorded_draws, thinning_seed
from smartbkg.events.totals import Totals
from smartbkg.io import open_events
from smartbkg.io.convert import SampleTally
from smartbkg.io.parquet import ParquetWriter
from smartbkg.io.several import expand
from smartbkg.sampling.weights import generator_weights, sampling_weights
from smartbkg.seeds import event_uniforms
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import DATASET, SCHEMA_VERSIONS
from smartbkg.storage.partial import partial_folder
from smartbkg.storage.provenance import record

#: Rows of flags that are held in memory; more are joined in parts through temporary files.
FLAGS_IN_MEMORY: Final = 2_000_000
#: Columns of kept events that a data set says by its own: ``weight`` and ``sampling_weight``.
_OF_KEPT: Final = (GENERATOR_WEIGHT, KEEP_PROBABILITY)


@dataclass(frozen=True)
class DatasetOptions:
    """How events and flags become a data set."""

    skims: tuple[str, ...] = ("all",)
    """Skims to label, or ``all`` that the flags hold."""
    missing: Literal["error", "failing", "drop"] = "error"
    """What an event without flags is: a mistake, an event that passed no skim, or left out."""
    max_failing: int | None = None
    """Keep about so many of the events that pass no skim, chosen by their id."""
    failing_per_passing: float | None = None
    """Keep about so many failing events for each passing one."""
    seed: int = 0
    """Seed of that choice."""
    flags_in_memory: int = FLAGS_IN_MEMORY
    """Rows of flags above which the join goes through temporary files beside the output."""
    allow_other_events: bool = False
    """Take flags of an event's id although they were made from another event, or another file of events."""
    is_part: bool = False
    """One part of a sample that will be merged with others: it may hold passing or failing events alone."""

    def __post_init__(self) -> None:
        if self.max_failing is not None and self.failing_per_passing is not None:
            raise UsageError("--max-failing and --failing-per-passing exclude one another")
        for name in ("max_failing", "failing_per_passing"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"--{name.replace('_', '-')} must be positive, got {value}")


def build_dataset(
    events: Sequence[Path],
    flags: Sequence[Path],
    output: Path,
    options: DatasetOptions | None = None,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> DatasetSummary:
    """Join events with flags on (experiment, run, evtNum) and write the data set, streaming.

    Parameters
    ----------
    events : files in any readable format, or patterns.
    flags : tables of flags (`FlagFiles`); none where the events carry labels of their own.
    output : Parquet file to write, whole or not at all.
    progress : called with the number of events joined so far.

    Raises
    ------
    DatasetError
        Flags of another sample or of other events, duplicates, an unknown skim, or labels of one class only.
    """
    options, events = options or DatasetOptions(), expand(events, allow_twice=True)
    refuse_same_file(output, *events, *flags)
    source = FlagFiles(flags, options.skims) if flags else OwnLabels(events, options.skims)
    with contextlib.closing(source), contextlib.ExitStack() as stack:
        if isinstance(source, FlagFiles) and not options.allow_other_events:
            check_files(source, events)
        failing_kept = _failing_kept(source, events, options)
        draws = _history(events)
        all_draws = [*draws, *own_thinning(options.seed, failing_kept)]
        about = {"draws": all_draws} if all_draws else {}
        provenance = record(DATASET, SCHEMA_VERSIONS[DATASET], asdict(options), [*events, *flags], **about)
        writer = stack.enter_context(ParquetWriter(output, provenance))
        join = _Join(source.skims, options, failing_kept, thinning_seed(options.seed, draws))
        for batch in _labelled_batches(source, events, options, output.parent, join, stack):
            writer.write(batch)
            progress(join.n_seen)
        summary = join.summary(source.variables)
        if not options.is_part:
            check_classes(summary, str(output))
        writer.describe(**summary.to_metadata(), is_soft=source.is_soft)
        writer.add_totals(join.totals)
    return summary


def _failing_kept(source: FlagFiles | OwnLabels, events: Sequence[Path], options: DatasetOptions) -> float:
    """Probability with which to keep an event that passes no skim."""
    if options.max_failing is None and options.failing_per_passing is None:
        return 1.0
    n_rows = n_passing = 0
    for block in source.blocks(with_variables=False):
        n_rows += len(block)
        n_passing += int(np.any([label > 0 for label in block.labels.values()], axis=0).sum())
    if isinstance(source, FlagFiles) and (source.is_list_of_passing or options.missing == "failing"):
        n_rows = max(n_rows, sum(len(batch) for path in events for batch in _batches(path)))
    wanted = options.max_failing
    if wanted is None:
        wanted = round((options.failing_per_passing or 0.0) * n_passing)
    return min(1.0, wanted / max(1, n_rows - n_passing))


def _history(events: Sequence[Path]) -> list[dict[str, Any]]:
    """The draws that the events have come through, for the record: a later one must not draw by their numbers again."""
    found = []
    for path in events:
        with open_events(path) as reader:
            next(iter(reader.batches(1)), None)  # a stream tells its record with its first event
            draws = recorded_draws(reader.metadata)
        found.append([dict(UNKNOWN_DRAW)] if draws is None else draws)
    return merged_draws(found, "dataset") if any(found) else []


def _batches(path: Path) -> Iterator[EventBatch]:
    with open_events(path) as reader:
        yield from reader.batches()


def _counted(path: Path, join: _Join) -> Iterator[EventBatch]:
    """The events of a file, whose totals are added to those of the data set."""
    with open_events(path) as reader:
        tally = SampleTally(reader)
        yield from tally.batches()
        join.totals += tally.totals


def _labelled_batches(
    source: FlagFiles | OwnLabels,
    events: Sequence[Path],
    options: DatasetOptions,
    folder: Path,
    join: _Join,
    stack: contextlib.ExitStack,
) -> Iterator[EventBatch]:
    """The events with labels: one index of all flags where it fits into memory, else partition after partition."""
    if isinstance(source, OwnLabels):
        for batch, block in source.batches():
            join.totals += Totals.of(generator_weights(batch.event), batch.event[WEIGHT])
            yield from join.finish(batch, block.labels, {})
        return
    name = ", ".join(str(path) for path in source.paths)
    all_events = (batch for path in events for batch in _counted(path, join))
    if source.n_rows <= options.flags_in_memory:
        whole: tuple[Iterator[FlagBlock], Iterator[EventBatch]] = (source.blocks(), all_events)
        partitions = iter([whole])
    else:
        temporary = stack.enter_context(partial_folder(folder / "join"))
        n_partitions = -(-2 * source.n_rows // options.flags_in_memory)
        partitions = spilled_partitions(source, all_events, temporary, n_partitions)
    for flag_blocks, event_batches in partitions:
        index = FlagIndex(list(flag_blocks), name)
        for batch in event_batches:
            yield from join.label(batch, index, is_list=source.is_list_of_passing)
    if source.n_rows or not options.is_part:
        join.check_matches(name, len(source.skims))


class _Join:
    """Labels batches and keeps the counts."""

    def __init__(self, skims: Sequence[str], options: DatasetOptions, failing_kept: float, seed: int) -> None:
        self.skims = tuple(skims)
        self.options = options
        self.failing_kept = failing_kept
        self.seed = seed
        self.counts: dict[str, Counts] = {}
        self.n_seen = 0
        self.totals = Totals()
        self.n_matched = 0
        self.n_missing = 0
        self.first_missing: tuple[int, int, int] | None = None

    def label(self, batch: EventBatch, index: FlagIndex, *, is_list: bool) -> Iterator[EventBatch]:
        """Look the events up in the flags."""
        row = index.find(batch.event, batch.source)
        is_found = row >= 0
        if not self.options.allow_other_events:
            check_content(batch, row, index.block)
        self.n_seen += len(batch)
        self.n_matched += int(is_found.sum())
        if not is_list and not is_found.all():
            self.n_missing += int((~is_found).sum())
            if self.first_missing is None:
                self.first_missing = batch.event_id(int(np.flatnonzero(~is_found)[0]))
            if self.options.missing != "failing":
                batch, row = batch.select(is_found), row[is_found]
                is_found = row >= 0
        if not len(batch):
            return
        labels = {skim: _looked_up(column, row, is_found, False) for skim, column in index.block.labels.items()}
        variables = {name: _looked_up(column, row, is_found, np.nan) for name, column in index.block.variables.items()}
        yield from self.finish(batch, labels, variables)

    def finish(
        self, batch: EventBatch, labels: Mapping[str, NDArray[Any]], variables: Mapping[str, NDArray[Any]]
    ) -> Iterator[EventBatch]:
        """Thin out failing events, add the columns, count."""
        is_failing = ~np.any([label > 0 for label in labels.values()], axis=0)
        uniforms = event_uniforms(self.seed, *(batch.event[name] for name in EVENT_ID))
        is_kept = ~is_failing | (uniforms < self.failing_kept)
        stands_for = sampling_weights(batch.event)
        self._count(batch, labels, is_kept, stands_for)
        columns: dict[str, NDArray[Any]] = {LABEL_PREFIX + skim: label for skim, label in labels.items()}
        if len(self.skims) == 1:
            columns["label"] = labels[self.skims[0]]
        columns |= {VARIABLE_PREFIX + name: column for name, column in variables.items()}
        columns[SAMPLING_WEIGHT] = np.where(is_failing, 1.0 / self.failing_kept, 1.0) * stands_for
        columns[WEIGHT] = generator_weights(batch.event)
        if KEEP_PROBABILITY in batch.event:  # the generator's other weights too, as they were
            q = batch.event[KEEP_PROBABILITY].astype(np.float64)
            columns |= {name: v * q for name, v in batch.event.items() if name.startswith(VARIATION_PREFIX)}
        generated = replace(batch, event={k: v for k, v in batch.event.items() if k not in _OF_KEPT})
        labelled = generated.with_event_columns(**columns)
        if not is_kept.all():
            labelled = labelled.select(is_kept)
        if len(labelled):
            yield labelled

    def _count(
        self,
        batch: EventBatch,
        labels: Mapping[str, NDArray[Any]],
        is_kept: NDArray[np.bool_],
        stands_for: NDArray[np.float64],
    ) -> None:
        process_names, process = np.unique(batch.event[PROCESS], return_inverse=True)
        for code, name in enumerate(process_names):
            chosen = process == code
            passing = {skim: float(np.dot(label[chosen], stands_for[chosen])) for skim, label in labels.items()}
            n_events = _whole(float(stands_for[chosen].sum()))
            here = Counts(n_events, int((chosen & is_kept).sum()), passing)
            self.counts.setdefault(str(name), Counts()).add(here)

    def check_matches(self, source: str, n_skims: int) -> None:
        """Raise `DatasetError` where flags and events do not belong together."""
        if self.n_seen == 0:
            raise DatasetError("no events in the input")
        if self.n_matched == 0:
            raise DatasetError(
                f"{source}: none of the {self.n_seen} events has flags: these are flags of another sample "
                f"(first event without: {self.first_missing})"
                if n_skims and self.first_missing is not None
                else f"{source}: none of the {self.n_seen} events is in this list of passing events"
            )
        if self.n_missing and self.options.missing == "error":
            raise DatasetError(
                f"{source}: {self.n_missing} of {self.n_seen} events have no flags, first {self.first_missing}: give "
                "the flags of all events, or say what the others are with --missing failing or --missing drop"
            )

    def summary(self, variables: Sequence[str]) -> DatasetSummary:
        """The counts so far."""
        ordered = {name: self.counts[name] for name in sorted(self.counts)}
        return DatasetSummary(self.skims, ordered, tuple(variables), self.failing_kept, self.n_missing)


def _whole(number: float) -> int | float:
    """A count as a whole number where it is one."""
    return int(number) if number.is_integer() else number


def _looked_up(
    column: NDArray[Any], row: NDArray[np.int64], is_found: NDArray[np.bool_], default: float
) -> NDArray[Any]:
    """Values of the found rows, the default elsewhere."""
    values = np.full(len(row), default, dtype=column.dtype)
    values[is_found] = column[row[is_found]]
    return values
