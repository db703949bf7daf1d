"""Closure of files: kept events and flags in, a `ClosureReport` out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.closure.check import DEFAULT_SETTINGS, ClosureSettings, check_closure, check_samples, check_subset
from smartbkg.closure.report import ClosureReport
from smartbkg.errors import DatasetError, nearest
from smartbkg.events.columns import (
    EVENT_ID,
    FRACTION_PREFIX,
    GENERATOR_WEIGHT,
    IS_KEPT,
    KEEP_PROBABILITY,
    PASSES_PREFIX,
    WEIGHT,
)
from smartbkg.events.columns import IS_KEPT as _IS_KEPT
from smartbkg.events.identity import match_events
from smartbkg.io.tables import Table, read_table
from smartbkg.storage.atomic import write_text_atomically

#: Columns of flags and n-tuples that are no event-level variables.
NO_VARIABLES: Final = (*EVENT_ID, WEIGHT, GENERATOR_WEIGHT, KEEP_PROBABILITY, IS_KEPT)


def validate_files(
    kept: Path,
    flags: Path,
    skim: str | None = None,
    *,
    scores: Path | None = None,
    reference: Path | None = None,
    variables: Sequence[str] = (),
    settings: ClosureSettings = DEFAULT_SETTINGS,
) -> ClosureReport:
    """Compare kept and weighted passing events with all passing ones.

    Parameters
    ----------
    kept : events kept by `smartbkg filter`.
    flags : which events passed, and event-level variables: of all generated events, or of the kept ones where there is
        a ``reference``.
    skim : its name; may be left out where the flags hold one.
    scores : table of every event's keep probability (``smartbkg filter --scores``): the p-values are then exact.
    reference : flags and variables of an unfiltered sample of other events: only shapes are then compared.
    variables : to look at; all numbers in the flags if none is named.

    Raises
    ------
    DatasetError, FileFormatError
        Columns are missing, or events of one file are not in the other.
    """
    table = read_table(flags)
    name = choose_flags(table, skim)
    names = tuple(variables) or event_variables(table)
    if reference is not None:
        weight, rows = _kept_rows(kept, table)
        passing = table[PASSES_PREFIX + name][rows].astype(bool)
        other = read_table(reference)
        passing_there = other[PASSES_PREFIX + name].astype(bool)
        return check_samples(
            _values(other, names, passing_there),
            _values(table, names, rows[passing]),
            weight[WEIGHT][passing],
            other[WEIGHT][passing_there] if WEIGHT in other.columns else None,
            settings,
        )
    passing = table[PASSES_PREFIX + name].astype(bool)
    generator_weight = table[WEIGHT][passing] if WEIGHT in table.columns else None
    if scores is not None:
        decisions = read_table(scores)
        ids = {column: table[column][passing] for column in EVENT_ID}
        rows = match_events(ids, decisions, str(scores))
        is_kept = decisions[_IS_KEPT][rows].astype(bool)
        return check_closure(
            _values(table, names, passing), decisions[KEEP_PROBABILITY][rows], is_kept, generator_weight, settings
        )
    weight, rows = _kept_rows(kept, table)
    chosen = passing[rows]
    return check_subset(
        _values(table, names, passing),
        _values(table, names, rows[chosen]),
        weight[WEIGHT][chosen],
        weight[KEEP_PROBABILITY][chosen],
        generator_weight,
        settings,
    )


def is_systematic(kept: Path) -> bool:
    """Whether the events were kept by a systematic draw: replicas are of independent draws."""
    settings = read_table(kept, columns=list(EVENT_ID)).metadata.get("settings", {})
    return bool(settings.get("draw") == "systematic")


def choose_flags(table: Table, skim: str | None) -> str:
    """The skim whose flags to use; may be left unnamed where there is one.

    Raises
    ------
    DatasetError
        There is none, or not that one, or the choice is open.
    """
    available = [name.removeprefix(PASSES_PREFIX) for name in table.columns if name.startswith(PASSES_PREFIX)]
    if not available:
        raise DatasetError(f"{table.source}: no column '{PASSES_PREFIX}<skim>'; has {', '.join(table.columns)}")
    if skim is None and len(available) > 1:
        raise DatasetError(f"{table.source}: holds several skims, name one: {', '.join(sorted(available))}")
    if skim is not None and skim not in available:
        raise DatasetError(f"{table.source}: no flags of the skim '{skim}': {nearest(skim, available)}")
    return available[0] if skim is None else skim


def event_variables(table: Table) -> tuple[str, ...]:
    """Names of the event-level variables: numbers that are no ids, flags or weights."""
    found = tuple(
        name
        for name, column in table.columns.items()
        if column.dtype.kind in "fiu"
        and name not in NO_VARIABLES
        and not name.startswith((PASSES_PREFIX, FRACTION_PREFIX))
    )
    if not found:
        raise DatasetError(f"{table.source}: no event-level variable; has {', '.join(table.columns)}")
    return found


def _values(table: Table, names: Sequence[str], rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    return {name: table[name][rows].astype(np.float64) for name in names}


def _kept_rows(kept: Path, flags: Table) -> tuple[Table, NDArray[np.int64]]:
    """Weights of kept events and their rows in the flags."""
    table = read_table(kept, columns=[*EVENT_ID, WEIGHT, KEEP_PROBABILITY])
    return table, match_events(table.columns, flags, flags.source)


def write_report(report: ClosureReport, path: Path) -> None:
    """The report as JSON, whole or not at all."""
    write_text_atomically(path, json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")
