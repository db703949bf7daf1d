"""Closure of files: kept events and what they are compared with in, a `Validation` out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.closure.check import DEFAULT_SETTINGS, ClosureSettings, check_closure, check_samples, check_subset
from smartbkg.closure.generator_level import read_generated
from smartbkg.closure.generator_weights import common_generator_weight, find_generator_weights
from smartbkg.closure.inventory import Finding, KeptEvents, take_inventory
from smartbkg.closure.report import ClosureReport
from smartbkg.errors import DatasetError, FileFormatError, UsageError
from smartbkg.events.columns import (
    CONTENT,
    EVENT_ID,
    FRACTION_PREFIX,
    GENERATOR_WEIGHT,
    IS_KEPT,
    KEEP_PROBABILITY,
    PASSES_PREFIX,
    SCORE,
    WEIGHT,
)
from smartbkg.events.identity import match_events
from smartbkg.events.skim_choice import choose_skim
from smartbkg.io import open_events
from smartbkg.io.parquet import metadata_of_file, open_parquet
from smartbkg.io.tables import Table, read_table
from smartbkg.sampling.draw_key import DrawKey, recorded_draws
from smartbkg.sampling.weights import generator_weights
from smartbkg.storage.atomic import write_text_atomically
from smartbkg.storage.signatures import is_parquet

#: Columns of flags and n-tuples that are no event-level variables.
NO_VARIABLES: Final = (*EVENT_ID, WEIGHT, GENERATOR_WEIGHT, KEEP_PROBABILITY, IS_KEPT, CONTENT)


class Validation(NamedTuple):
    """What was found on a file of kept events."""

    inventory: tuple[Finding, ...]
    """Without statistics: events, weights, records."""
    passing: ClosureReport | None
    """Statistics of the events that pass the skim; None where no flags were given."""
    generated: ClosureReport | None
    """Statistics of all generated events, before any simulation; None where neither scores nor events were given."""
    notes: tuple[str, ...]
    """What could not be looked at, and why."""

    @property
    def reports(self) -> tuple[ClosureReport, ...]:
        """The statistics that were made."""
        return tuple(report for report in (self.passing, self.generated) if report is not None)

    @property
    def is_compatible(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.state != "wrong" for finding in self.inventory) and all(
            report.is_compatible for report in self.reports
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and lists: the passing events' figures, with the others beside them."""
        content = {} if self.passing is None else self.passing.to_dict()
        content["verdict"] = "compatible" if self.is_compatible else "biased"
        content["inventory"] = [finding._asdict() for finding in self.inventory]
        content["generated"] = None if self.generated is None else self.generated.to_dict()
        content["notes"] = list(self.notes)
        return content


def validate_files(
    kept: Path,
    flags: Path | None,
    skim: str | None = None,
    *,
    scores: Path | None = None,
    events: Path | None = None,
    reference: Path | None = None,
    variables: Sequence[str] = (),
    settings: ClosureSettings = DEFAULT_SETTINGS,
) -> Validation:
    """Check a file of kept events: what it holds, then what its weights amount to.

    Parameters
    ----------
    kept : events kept by `smartbkg filter`.
    flags : which events passed, and event-level variables: of all generated events, or of the kept ones where there is
        a ``reference``. None: only what needs no simulation is looked at.
    skim : its name; may be left out where the flags hold one.
    scores : table of every event's keep probability (``smartbkg filter --scores``): the p-values are then exact, and
        look most closely.
    events : the generated events, for variables of the generator level, and for generator weights that the flags lack.
    reference : flags and variables of an unfiltered sample of other events: only shapes are then compared.
    variables : to look at; all numbers in the flags if none is named.

    Raises
    ------
    DatasetError, FileFormatError
        Columns are missing, events of one file are not in the other, or no file holds the generator weights of events
        that were not kept.
    """
    if flags is None and scores is None and events is None:
        raise UsageError("nothing to compare with: give flags, --scores or --events")
    held = read_kept(kept)
    table = None if flags is None else read_table(flags)
    decisions = None if scores is None else read_table(scores)
    notes: list[str] = []
    if decisions is not None and len(recorded_draws(decisions.metadata) or []) > 1:
        notes.append("the table of scores is that of a second filter: it holds only what the first one kept")
        inventory = take_inventory(held, None if reference else table, decisions)
        decisions = None
    else:
        inventory = take_inventory(held, None if reference else table, decisions)
    has_generated = decisions is not None or events is not None
    if table is not None and has_generated:  # two families share the significance
        settings = replace(settings, significance=settings.significance / 2)
    everything, variables_of_all = (None, {}) if events is None else read_generated(events)
    passing = None
    if table is not None:
        name = choose_flags(table, skim)
        if not variables and everything is not None and reference is None:
            table = _with_variables(table, everything, variables_of_all)
        names = tuple(variables) or event_variables(table)
        other = None if reference is None else read_table(reference)
        passing = _of_passing(held.table, table, name, names, decisions, everything, other, settings)
    generated = _of_generated(held.table, decisions, everything, variables_of_all, settings) if has_generated else None
    if generated is None:
        notes.append("all generated events were not looked at: give --scores, or --events with the generator's file")
    return Validation(inventory, passing, generated, tuple(notes))


def read_kept(path: Path) -> KeptEvents:
    """The rows and the record of a file of kept events, of any format; the draw is repeated where it can be.

    Raises
    ------
    FileFormatError
        Columns are missing.
    """
    columns = [*EVENT_ID, WEIGHT, KEEP_PROBABILITY, GENERATOR_WEIGHT]
    if is_parquet(path):
        with open_parquet(path) as file:
            names = set(file.schema_arrow.names)
            metadata = metadata_of_file(file)
        if "PDG" not in names:  # a table: what it says of the events is all there is
            missing = sorted({WEIGHT, KEEP_PROBABILITY} - names)
            if missing and any(name.startswith(PASSES_PREFIX) for name in names):
                raise FileFormatError(
                    f"{path}: a table of flags without a column '{missing[0]}', expected events kept by "
                    "`smartbkg filter`: KEPT comes first, then FLAGS"
                )
            wanted = [name for name in columns if name != GENERATOR_WEIGHT or name in names]
            table = read_table(path, columns=wanted)
            return KeptEvents(Table(table.columns, metadata, str(path)), None)
    parts: list[dict[str, NDArray[Any]]] = []
    chances: list[NDArray[np.float64]] = []
    with open_events(path) as reader:
        for batch in reader.batches():
            key = _key_of(reader.metadata)
            parts.append({name: batch.event[name] for name in columns if name in batch.event})
            if key is not None:
                chances.append(key.of_events(batch))
        table = Table(
            {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())},
            dict(reader.metadata),
            str(path),
        )
    if KEEP_PROBABILITY not in table.columns:
        raise FileFormatError(f"{path}: no column '{KEEP_PROBABILITY}': were these events kept by `smartbkg filter`?")
    return KeptEvents(table, np.concatenate(chances) if chances else None)


def _key_of(metadata: Mapping[str, Any]) -> DrawKey | None:
    """The key of the one independent draw that a file records, None where there is not one."""
    draws = recorded_draws(metadata)
    if draws is None or len(draws) != 1 or "seed" not in draws[0]:
        return None
    key = DrawKey.from_dict(draws[0])
    return key if key.method == "independent" else None


def _least_keep_probability(metadata: Mapping[str, Any]) -> float | None:
    """The least keep probability of the recorded policy; None where it is not recorded or there were several draws."""
    max_weight = metadata.get("settings", {}).get("policy", {}).get("max_weight")
    return 1 / float(max_weight) if max_weight and len(recorded_draws(metadata) or []) == 1 else None


def _of_passing(
    kept: Table,
    flags: Table,
    skim: str,
    names: Sequence[str],
    decisions: Table | None,
    everything: Table | None,
    reference: Table | None,
    settings: ClosureSettings,
) -> ClosureReport:
    """Statistics of the events that pass the skim."""
    rows = match_events(kept.columns, flags, flags.source)
    least = _least_keep_probability(kept.metadata)
    if reference is not None:
        chosen = flags[PASSES_PREFIX + skim][rows].astype(bool)
        passing_there = reference[PASSES_PREFIX + skim].astype(bool)
        return check_samples(
            _values(reference, names, passing_there),
            _values(flags, names, rows[chosen]),
            kept[WEIGHT][chosen],
            _reference_weights(reference, kept)[passing_there],
            settings,
            keep_probability=kept[KEEP_PROBABILITY][chosen],
            least_keep_probability=least,
        )
    passing = flags[PASSES_PREFIX + skim].astype(bool)
    is_kept, weight, q = (column[passing] for column in _stated(kept, rows, len(flags)))
    ids = {column: flags[column][passing] for column in EVENT_ID}
    of_flags = (flags, GENERATOR_WEIGHT if GENERATOR_WEIGHT in flags.columns else WEIGHT)
    holders = (of_flags, (decisions, GENERATOR_WEIGHT), (everything, WEIGHT))
    generator_weight = find_generator_weights(ids, holders, kept)
    values = _values(flags, names, passing)
    if decisions is None:
        return check_subset(values, is_kept, weight, q, generator_weight, settings, least_keep_probability=least)
    in_scores = match_events(ids, decisions, decisions.source)
    q_of_all = decisions[KEEP_PROBABILITY][in_scores]
    return check_closure(values, q_of_all, is_kept, generator_weight, settings, kept_weight=weight)


def _reference_weights(reference: Table, kept: Table) -> NDArray[np.float64]:
    """(n_reference,) generator weights of other events, whose kept counterparts are compared with them."""
    if WEIGHT in reference.columns:
        return generator_weights(reference.columns)
    common = common_generator_weight(kept)
    if common is None:
        raise DatasetError(
            f"{reference.source}: no column '{WEIGHT}': generator weights of {kept.source} are not all the same, "
            "so the reference must state its own"
        )
    return np.full(len(reference), common)


def _of_generated(
    kept: Table,
    decisions: Table | None,
    everything: Table | None,
    variables: Mapping[str, NDArray[np.float64]],
    settings: ClosureSettings,
) -> ClosureReport:
    """Statistics of all generated events at generator level, the scores among the variables."""
    if decisions is None:
        if everything is None:
            raise UsageError("generated events are looked at by their scores or their own file")
        rows = match_events(kept.columns, everything, everything.source)
        is_kept, weight, q = _stated(kept, rows, len(everything))
        least = _least_keep_probability(kept.metadata)
        return check_subset(variables, is_kept, weight, q, everything[WEIGHT], settings, least_keep_probability=least)
    order = slice(None) if everything is None else match_events(decisions.columns, everything, everything.source)
    looked_at = {name: values[order] for name, values in variables.items()}
    looked_at |= {name: decisions[name].astype(np.float64) for name in decisions.columns if name.split("_")[0] == SCORE}
    rows = match_events(kept.columns, decisions, decisions.source)
    is_kept, weight, _ = _stated(kept, rows, len(decisions))
    ids = {column: decisions[column] for column in EVENT_ID}
    generator_weight = find_generator_weights(ids, ((decisions, GENERATOR_WEIGHT), (everything, WEIGHT)), kept)
    return check_closure(
        looked_at, decisions[KEEP_PROBABILITY], is_kept, generator_weight, settings, kept_weight=weight
    )


def _stated(
    kept: Table, rows: NDArray[np.int64], n_events: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """(n_events,) each: whether an event is in the file, the sum of its weights there, its keep probability."""
    is_kept, q = np.zeros(n_events, dtype=bool), np.ones(n_events)
    is_kept[rows] = True
    q[rows] = kept[KEEP_PROBABILITY]
    weight = np.asarray(np.bincount(rows, weights=kept[WEIGHT], minlength=n_events), dtype=np.float64)
    return is_kept, weight, q


def is_systematic(metadata: Mapping[str, Any]) -> bool:
    """Whether the record of a file of kept events says that a systematic draw kept them."""
    return any(draw.get("method") == "systematic" for draw in recorded_draws(metadata) or [])


def choose_flags(table: Table, skim: str | None) -> str:
    """The skim whose flags to use; may be left unnamed where there is one.

    Raises
    ------
    DatasetError
        There is none, or not that one.
    UsageError
        There are several, and none is named.
    """
    available = [name.removeprefix(PASSES_PREFIX) for name in table.columns if name.startswith(PASSES_PREFIX)]
    if not available:
        raise DatasetError(f"{table.source}: no column '{PASSES_PREFIX}<skim>'; has {', '.join(table.columns)}")
    return choose_skim(
        sorted(available),
        skim,
        holder=f"{table.source}: no flags of the skim",
        undecided=f"{table.source}: holds several skims, name one",
        error=DatasetError,
    )


def event_variables(table: Table) -> tuple[str, ...]:
    """Names of the event-level variables: numbers that are no ids, flags or weights.

    Raises
    ------
    DatasetError
        There is none.
    """
    found = _variables_among(table)
    if not found:
        raise DatasetError(
            f"{table.source}: no event-level variable; has {', '.join(table.columns)}: give --events, whose generator "
            "level is then looked at, or keep columns with `smartbkg flag --variable`"
        )
    return found


def _variables_among(table: Table) -> tuple[str, ...]:
    return tuple(
        name
        for name, column in table.columns.items()
        if column.dtype.kind in "fiu"
        and name not in NO_VARIABLES
        and not name.startswith((PASSES_PREFIX, FRACTION_PREFIX))
    )


def _with_variables(table: Table, everything: Table, variables: Mapping[str, NDArray[np.float64]]) -> Table:
    """The flags as they are, or where they have no variable with those of the generator level."""
    if _variables_among(table):
        return table
    rows = match_events(table.columns, everything, everything.source)
    return replace(table, columns={**table.columns, **{name: values[rows] for name, values in variables.items()}})


def _values(table: Table, names: Sequence[str], rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    return {name: table[name][rows].astype(np.float64) for name in names}


def write_report(report: Validation, path: Path) -> None:
    """The report as JSON, whole or not at all."""
    write_text_atomically(path, json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")
