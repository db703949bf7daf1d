"""Several data sets into one, with a check that they are of one kind and share no event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smartbkg.datasets.header import (
    Counts,
    DatasetSummary,
    check_classes,
    check_compatible,
    check_disjoint,
    read_header,
)
from smartbkg.events.columns import VARIABLE_PREFIX
from smartbkg.events.draw_history import merged_draws
from smartbkg.events.totals import Totals
from smartbkg.io.parquet import ParquetReader, ParquetWriter
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import DATASET, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record


def merge_datasets(inputs: Sequence[Path], output: Path, *, is_part: bool = False) -> DatasetSummary:
    """Write the events of several data sets into one file; ``is_part`` as in `DatasetOptions`.

    Raises
    ------
    DatasetError
        They have other skims, labels or graph rules, or share events.
    """
    refuse_same_file(output, *inputs)
    headers = [read_header(path) for path in inputs]
    check_compatible(headers)
    check_disjoint(inputs)
    counts: dict[str, Counts] = {}
    for header in headers:
        for process, here in header.summary.counts.items():
            counts.setdefault(process, Counts()).add(here)
    variables = tuple(
        name for name in headers[0].summary.variables if all(name in other.summary.variables for other in headers)
    )
    total_failing = [header.summary.failing_kept for header in headers]
    summary = DatasetSummary(
        headers[0].summary.skims,
        {process: counts[process] for process in sorted(counts)},
        variables,
        min(total_failing),
        sum(header.summary.n_missing for header in headers),
    )
    if not is_part:
        check_classes(summary, str(output))
    further: dict[str, Any] = {"is_soft": headers[0].is_soft}
    if headers[0].graph_rule is not None:
        further["graph_rule"] = headers[0].graph_rule

    def is_wanted(name: str) -> bool:
        return not name.startswith(VARIABLE_PREFIX) or name.removeprefix(VARIABLE_PREFIX) in variables

    draws = [header.draws for header in headers]
    history = {"draws": merged_draws(draws, "dataset")} if any(draws) else {}
    about = record(DATASET, SCHEMA_VERSIONS[DATASET], {"merged": True}, inputs, **history)
    with ParquetWriter(output, about) as writer:
        columns: list[str] | None = None
        totals: Totals | None = Totals()
        for path in inputs:
            with ParquetReader(path) as reader:
                for batch in reader.batches():
                    if columns is None:
                        columns = [name for name in batch.event if is_wanted(name)]
                    writer.write(
                        type(batch)(
                            batch.offsets, {name: batch.event[name] for name in columns}, batch.particle, batch.source
                        )
                    )
                totals = None if totals is None or reader.totals is None else totals + reader.totals
        writer.describe(**summary.to_metadata(), **further)
        if totals is not None:
            writer.add_totals(totals)
    return summary
