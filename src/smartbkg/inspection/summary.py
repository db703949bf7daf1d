"""What a file holds, in a few lines: events, processes, particles, unknown codes, provenance, the first event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table

from smartbkg.errors import FileFormatError
from smartbkg.events import load_token_table
from smartbkg.events.identity import EventIds
from smartbkg.events.pdg import DEFAULT_TOKEN_TABLE
from smartbkg.inspection.drawing import DecayTree, particle_name, tree_text
from smartbkg.io import ReadOptions, open_events
from smartbkg.io.parquet import metadata_of_file, open_parquet
from smartbkg.io.reader import DEFAULT_BATCH_SIZE
from smartbkg.storage.printing import without_markup
from smartbkg.storage.suffixes import TABLE


@dataclass
class EventSummary:
    """What a file of events holds.

    Attributes
    ----------
    n_events, n_particles : counted.
    is_complete : False where reading stopped after ``max_events``.
    processes : process → events.
    fewest, most : particles of the smallest and the largest event.
    sum_weight, n_negative : sum of the generator weights, and events with a negative one.
    ids : (lowest, highest) of experiment, run and event number.
    unknown_codes : PDG code → particles, of codes that are not in the token table.
    n_duplicates : events that come twice.
    """

    source: str
    metadata: Mapping[str, Any]
    token_table: str
    n_events: int = 0
    n_particles: int = 0
    is_complete: bool = True
    processes: Counter[str] = field(default_factory=Counter)
    fewest: int = 0
    most: int = 0
    sum_weight: float = 0.0
    n_negative: int = 0
    ids: dict[str, tuple[int, int]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    unknown_codes: Counter[int] = field(default_factory=Counter)
    n_duplicates: int = 0
    skipped: list[str] = field(default_factory=list)
    n_skipped: int = 0
    warnings: list[str] = field(default_factory=list)
    first: DecayTree | None = None


def summarise_events(
    path: Path,
    options: ReadOptions | None = None,
    *,
    max_events: int | None = None,
    token_table: str = DEFAULT_TOKEN_TABLE,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> EventSummary:
    """Read a file of events and count what is in it, in constant memory."""
    table, seen = load_token_table(token_table), EventIds()
    with open_events(path, options) as reader:
        summary = EventSummary(reader.source, reader.metadata, token_table)
        for batch in reader.batches(batch_size):
            if max_events is not None and summary.n_events + len(batch) > max_events:
                batch = batch.slice(0, max_events - summary.n_events)
                summary.is_complete = False
            if len(batch):
                counts = batch.counts
                summary.first = summary.first or DecayTree.of(batch)
                summary.fewest = int(min(counts.min(), summary.fewest if summary.n_events else counts.min()))
                summary.most = max(summary.most, int(counts.max()))
                summary.columns = tuple(batch.event)
                summary.processes.update(batch.event["process"].tolist())
                summary.sum_weight += float(batch.event["weight"].sum())
                summary.n_negative += int((batch.event["weight"] < 0).sum())
                codes = batch.particle["PDG"]
                summary.unknown_codes.update(codes[table.tokens(codes)[1]].tolist())
                _widen(summary.ids, batch.event)
                seen.add(batch)
            summary.n_events += len(batch)
            summary.n_particles += batch.n_particles
            if not summary.is_complete:
                break
        summary.n_duplicates, summary.metadata = seen.n_duplicates, reader.metadata
        summary.skipped, summary.n_skipped = reader.skipped.messages, len(reader.skipped)
        summary.warnings = reader.warnings
    return summary


def _widen(ids: dict[str, tuple[int, int]], event: Mapping[str, np.ndarray[Any, Any]]) -> None:
    for name in ("experiment", "run", "evtNum"):
        low, high = int(event[name].min()), int(event[name].max())
        before = ids.get(name, (low, high))
        ids[name] = (min(low, before[0]), max(high, before[1]))


def render_events(summary: EventSummary) -> RenderableType:
    """The summary for the terminal."""
    grid = Table.grid(padding=(0, 2))
    more = "" if summary.is_complete else " read, there are more"
    grid.add_row("file", without_markup(summary.source))
    grid.add_row("events", f"{summary.n_events}{more}")
    if summary.n_events:
        mean = summary.n_particles / summary.n_events
        grid.add_row("particles per event", f"{mean:.1f} (from {summary.fewest} to {summary.most})")
        for name, (low, high) in summary.ids.items():
            grid.add_row(name, str(low) if low == high else f"{low} to {high}")
        processes = ", ".join(f"{name or 'unknown'} {n}" for name, n in summary.processes.most_common())
        grid.add_row("processes", without_markup(processes))
        negative = f", {summary.n_negative} negative" if summary.n_negative else ""
        grid.add_row("sum of weights", f"{summary.sum_weight:.6g}{negative}")
        grid.add_row("event columns", without_markup(", ".join(summary.columns)))
    unknown = ", ".join(f"{code} ({particle_name(code)}) {n}" for code, n in summary.unknown_codes.most_common(10))
    grid.add_row("unknown PDG codes", f"{unknown or 'none'} (token table {summary.token_table})")
    if summary.n_duplicates:
        grid.add_row("duplicates", f"{summary.n_duplicates} events come twice")
    if summary.n_skipped:
        grid.add_row("left out", f"{summary.n_skipped}: {without_markup('; '.join(summary.skipped[:3]))}")
    for warning in summary.warnings:
        grid.add_row("note", without_markup(warning))
    for name, value in summary.metadata.items():
        grid.add_row(f"[dim]{without_markup(name)}[/]", without_markup(_short(value)))
    return Group(grid, "", tree_text(summary.first)) if summary.first is not None else grid


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 200 else text[:197] + "..."


def render_table(path: Path) -> RenderableType:
    """What a flat table holds (flags, scores, kept weights): rows, columns and provenance."""
    with open_parquet(path) as file:
        grid = Table.grid(padding=(0, 2))
        grid.add_row("file", without_markup(str(path)))
        grid.add_row("rows", str(file.metadata.num_rows))
        columns = ", ".join(f"{entry.name} ({entry.type})" for entry in file.schema_arrow)
        grid.add_row("columns", without_markup(columns))
        for name, value in metadata_of_file(file).items():
            grid.add_row(f"[dim]{without_markup(name)}[/]", without_markup(_short(value)))
    return grid


def contents_of_file(
    path: Path,
    options: ReadOptions | None = None,
    *,
    max_events: int | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> dict[str, Any]:
    """What `describe_file` shows, without the drawing: the fields of `EventSummary`, or rows and columns of a table.

    Raises
    ------
    FileFormatError
        The file holds neither events nor a table of ours.
    """
    try:
        summary = summarise_events(path, options, max_events=max_events, batch_size=batch_size)
    except FileFormatError:
        if path.suffix not in TABLE or not _is_table(path):
            raise
        with open_parquet(path) as file:
            columns = {entry.name: str(entry.type) for entry in file.schema_arrow}
            n_rows, metadata = file.metadata.num_rows, dict(metadata_of_file(file))
        return {"source": str(path), "n_rows": n_rows, "columns": columns, "metadata": metadata}
    return {entry.name: getattr(summary, entry.name) for entry in fields(summary) if entry.name != "first"}


def describe_file(
    path: Path,
    options: ReadOptions | None = None,
    *,
    max_events: int | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> RenderableType:
    """What a file holds: events, or a table of ours.

    Raises
    ------
    FileFormatError
        It is neither.
    """
    try:
        return render_events(summarise_events(path, options, max_events=max_events, batch_size=batch_size))
    except FileFormatError:
        if path.suffix not in TABLE or not _is_table(path):
            raise
        return render_table(path)


def _is_table(path: Path) -> bool:
    try:
        with open_parquet(path) as file:
            return "PDG" not in file.schema_arrow.names and "particles" not in file.schema_arrow.names
    except FileFormatError:
        return False


def print_description(description: RenderableType) -> None:
    """Print to standard output, at the width of the terminal, or unlimited where it is none."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(description, highlight=False)


__all__ = ["EventSummary", "describe_file", "print_description", "render_events", "render_table", "summarise_events"]
