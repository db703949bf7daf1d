"""What a data set says about itself: kind, schema, counts, processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from smartbkg.errors import DatasetError
from smartbkg.events.columns import EVENT_ID
from smartbkg.events.draw_history import recorded_draws
from smartbkg.events.identity import keys_of
from smartbkg.io.parquet import metadata_of_file, open_parquet
from smartbkg.storage.kinds import DATASET, SCHEMA_VERSIONS
from smartbkg.storage.provenance import check_schema


@dataclass
class Counts:
    """Events of one process, in the full sample and in the data set."""

    n_events: float = 0
    """Generated events with flags, before failing ones were thinned out: Σ of what the rows stand for."""
    n_written: int = 0
    """Rows of the data set."""
    passing: dict[str, float] = field(default_factory=dict)
    """Skim → events that passed (sum of fractions for soft labels)."""

    def add(self, other: Counts) -> None:
        """Add the counts of further events."""
        self.n_events += other.n_events
        self.n_written += other.n_written
        for skim, number in other.passing.items():
            self.passing[skim] = self.passing.get(skim, 0) + number

    def retention(self, skim: str) -> float:
        """Fraction of events that pass."""
        return self.passing.get(skim, 0) / self.n_events if self.n_events else 0.0


@dataclass(frozen=True)
class DatasetSummary:
    """What a data set holds."""

    skims: tuple[str, ...]
    counts: Mapping[str, Counts]
    """Process → its counts."""
    variables: tuple[str, ...]
    failing_kept: float
    """Probability with which an event that passes no skim was kept."""
    n_missing: int
    """Events that had no flags (only where ``missing`` allows it)."""

    @property
    def total(self) -> Counts:
        """All processes together."""
        total = Counts()
        for counts in self.counts.values():
            total.add(counts)
        return total

    def to_metadata(self) -> dict[str, Any]:
        """Plain values for the provenance record; counts without a name of the process are under ``unknown``."""
        total = self.total
        return {
            "skims": list(self.skims),
            "variables": list(self.variables),
            "counts": {process or "unknown": asdict(counts) for process, counts in self.counts.items()},
            "retention": {
                skim: {"all": total.retention(skim)}
                | {process or "unknown": counts.retention(skim) for process, counts in self.counts.items()}
                for skim in self.skims
            },
            "failing_kept": self.failing_kept,
            "n_missing": self.n_missing,
        }


def check_classes(summary: DatasetSummary, where: str) -> None:
    """Raise `DatasetError` where a skim has passing events only, failing events only, or no events at all."""
    total = summary.total
    if total.n_events == 0:
        raise DatasetError(f"{where}: no events")
    for skim in summary.skims:
        n_passing = total.passing.get(skim, 0)
        if n_passing == 0 or n_passing == total.n_events:
            what = "no event passes" if n_passing == 0 else "every event passes"
            raise DatasetError(
                f"{where}: {what} the skim '{skim}' ({total.n_events} events): both classes are needed to learn from; "
                "--part where it will be trained on together with others"
            )


@dataclass(frozen=True)
class DatasetHeader:
    """What a data set says of itself.

    Attributes
    ----------
    path : the file.
    summary : skims, counts and variables.
    is_soft : whether labels are fractions.
    graph_rule : settings of the graph rule that its particles were cut with, None where nothing was cut.
    draws : that its events have come through.
    """

    path: Path
    summary: DatasetSummary
    is_soft: bool
    graph_rule: dict[str, Any] | None
    draws: tuple[dict[str, Any], ...] = ()


def read_header(path: Path) -> DatasetHeader:
    """The header of a data set.

    Raises
    ------
    DatasetError
        The file is no data set.
    SchemaError
        It was written under a newer schema.
    """
    with open_parquet(path) as file:
        metadata = metadata_of_file(file)
    if metadata.get("kind") != DATASET:
        raise DatasetError(
            f"{path}: holds '{metadata.get('kind', 'unknown')}', expected a data set: make one with 'smartbkg dataset'"
        )
    check_schema(metadata, DATASET, SCHEMA_VERSIONS[DATASET], str(path))
    known = {entry.name for entry in fields(Counts)}
    try:
        counts = {
            process: Counts(**{key: value for key, value in content.items() if key in known})
            for process, content in metadata["counts"].items()
        }
        summary = DatasetSummary(
            tuple(metadata["skims"]),
            counts,
            tuple(metadata["variables"]),
            float(metadata["failing_kept"]),
            int(metadata["n_missing"]),
        )
        draws = tuple(recorded_draws(metadata) or ())
        return DatasetHeader(path, summary, bool(metadata["is_soft"]), metadata.get("graph_rule"), draws)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path}: its record of a data set is damaged or not whole: {error!r}") from error


def check_compatible(headers: Sequence[DatasetHeader]) -> None:
    """Raise `DatasetError` unless all data sets have the same skims, kind of labels and graph rule."""
    first = headers[0]
    for other in headers[1:]:
        if set(other.summary.skims) != set(first.summary.skims):
            raise DatasetError(
                f"{other.path}: skims {', '.join(other.summary.skims)}, but {first.path} has "
                f"{', '.join(first.summary.skims)}"
            )
        if other.is_soft != first.is_soft:
            raise DatasetError(f"{other.path} and {first.path}: one has fractions as labels, the other yes and no")
        if other.graph_rule != first.graph_rule:
            raise DatasetError(
                f"{other.path} and {first.path}: made with different graph rules or token tables; make both again "
                "with one rule"
            )


def check_disjoint(paths: Sequence[Path]) -> None:
    """Raise `DatasetError` where an event occurs twice, within a file or in two of them.

    Holds 8 bytes per event in memory.
    """
    parts = []
    for path in paths:
        with open_parquet(path) as file:
            parts += [
                keys_of({name: rows.column(name).to_numpy() for name in EVENT_ID})
                for rows in file.iter_batches(columns=list(EVENT_ID), use_threads=False)
            ]
    keys = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    keys.sort()
    n_repeated = int((keys[1:] == keys[:-1]).sum())
    if n_repeated:
        raise DatasetError(
            f"{', '.join(map(str, paths))}: {n_repeated} events occur more than once; give generated samples different "
            "run numbers"
        )
