"""One file in, one file out: filter a file of events, or score it, in constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from smartbkg.atomic import refuse_same_file
from smartbkg.errors import FileFormatError, ModelError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.fields import EVENT_ID
from smartbkg.filtering import EventFilter, EventScorer, FilterTotals, score_columns, score_events
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.duplicates import unique_events
from smartbkg.io.interface import DEFAULT_BATCH_SIZE, EventReader
from smartbkg.io.parquet import PARQUET
from smartbkg.io.tables import TableWriter
from smartbkg.provenance import record
from smartbkg.sampling.policy import Policy, UnsolvedOptimal, parse_policy, policy_from_dict

SCHEMA_VERSION = 1

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


def stored_policy(stored: Mapping[str, Any] | None, skims: tuple[str, ...], source: str) -> Policy:
    """The policy that a model carries for the chosen skims.

    A model of several skims may carry several: ``{"kind": "by_skim", "policies": {"skim a+skim b": policy}}``.

    Raises
    ------
    ModelError
        It carries none: says how to make one.
    """
    remedy = "solve it with `smartbkg plan`, or name another --policy"
    if stored is None:
        raise ModelError(f"{source}: the model carries no policy: {remedy}")
    if stored.get("kind") == "by_skim":
        found = stored["policies"].get("+".join(skims))
    else:
        # a joint policy is for as many skims as it has mean scores, one for a single skim has none
        n_skims = len(stored.get("mean_score") or (1,))
        found = stored if stored.get("kind") != "optimal" or n_skims == len(skims) else None
    if found is None:
        raise ModelError(f"{source}: the model carries no policy for {', '.join(skims)}: {remedy}")
    return policy_from_dict(found)


def choose_policy(
    text: str | None,
    stored: Mapping[str, Any] | None,
    skims: tuple[str, ...],
    source: str,
    max_weight: float | None = None,
) -> Policy:
    """The policy a user names; without a name, and for ``optimal``, the one the model carries.

    Raises
    ------
    ModelError
        ``optimal`` of a model for which it was never solved.
    """
    named = None if text is None else parse_policy(text, max_weight)
    if isinstance(named, Policy):
        return named
    policy = stored_policy(stored, skims, source)
    if isinstance(named, UnsolvedOptimal) and policy.kind != "optimal":
        raise ModelError(f"{source}: carries the policy '{policy.label}', not an optimal one: run `smartbkg plan`")
    if max_weight is not None:
        raise UsageError("--max-weight belongs to a policy that is named; the stored one was solved with its own")
    return policy


def filter_file(
    source: Path,
    output: Path,
    event_filter: EventFilter,
    *,
    settings: Mapping[str, Any],
    inputs: tuple[Path, ...] = (),
    scores: Path | None = None,
    options: ReadOptions | None = None,
    allow_duplicates: bool = False,
    batch_size: int = DEFAULT_BATCH_SIZE,
    progress: Progress = lambda _: None,
) -> FilterTotals:
    """Filter a file: kept events with their weights to ``output``, every event's decision to ``scores``.

    Parameters
    ----------
    settings : what was chosen (policy, seed, model): stored in the outputs.
    inputs : further files that the result depends on; their checksums are stored.
    scores : table of every event's score, keep probability, weight and fate; None = not written.
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
    _refuse_overlap(source, output, scores, *inputs)
    options = replace(options or ReadOptions(), keep_originals=not output.name.endswith(PARQUET.suffixes))
    files = (source, *inputs)
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_events(source, options))
        writer = stack.enter_context(create_events(output, record("kept", SCHEMA_VERSION, settings, files)))
        table = None
        if scores is not None:
            table = stack.enter_context(TableWriter(scores, record("scores", SCHEMA_VERSION, settings, files)))
        batches = unique_events(reader.batches(batch_size), allow_duplicates=allow_duplicates)
        for batch, decision in event_filter.stream(batches):
            writer.write(event_filter.kept(batch, decision))
            if table is not None and len(batch):
                columns = score_columns(event_filter.skims, decision)
                columns |= {"keep_probability": decision.keep_probability, "is_kept": decision.is_kept}
                table.write(_ids(batch) | columns | {"weight": decision.weight})
            progress(event_filter.totals.n_events)
        event_filter.totals.n_skipped += len(reader.skipped)
        event_filter.totals.skipped += reader.skipped.messages
        _refuse_empty(reader, event_filter.totals.n_events)
        writer.describe(totals=asdict(event_filter.totals))
    return event_filter.totals


def score_file(
    source: Path,
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
    _refuse_overlap(source, output, None, *inputs)
    n_events = 0
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_events(source, options))
        about = record("scores", SCHEMA_VERSION, settings, (source, *inputs))
        table = stack.enter_context(TableWriter(output, about))
        for batch in unique_events(reader.batches(batch_size), allow_duplicates=allow_duplicates):
            table.write(_ids(batch) | score_columns(scorer.skims, score_events(scorer, batch)))
            n_events += len(batch)
            progress(n_events)
        _refuse_empty(reader, n_events)
    return ScoreSummary(n_events, len(reader.skipped), tuple(reader.skipped.messages))


def _ids(batch: EventBatch) -> dict[str, Any]:
    return {name: batch.event[name] for name in EVENT_ID}


def _refuse_overlap(source: Path, output: Path, scores: Path | None, *inputs: Path) -> None:
    refuse_same_file(output, source, *inputs)
    if scores is not None:
        refuse_same_file(scores, source, *inputs)
        if scores.absolute() == output.absolute():
            raise UsageError(f"kept events and scores go to the same file: {output}")


def _refuse_empty(reader: EventReader, n_events: int) -> None:
    if n_events == 0:
        first = f", the first: {reader.skipped.messages[0]}" if reader.skipped.messages else ""
        raise FileFormatError(
            f"{reader.source}: holds no event that can be used ({len(reader.skipped)} left out{first})"
        )


__all__ = ["ScoreSummary", "choose_policy", "filter_file", "score_file", "stored_policy"]
