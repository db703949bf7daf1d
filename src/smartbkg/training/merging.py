"""Several data sets into one, with a check that they are of one kind and share no event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from smartbkg.atomic import refuse_same_file
from smartbkg.errors import DatasetError
from smartbkg.events.fields import EVENT_ID
from smartbkg.io.parquet import ParquetReader, ParquetWriter, metadata_of_file, open_parquet
from smartbkg.provenance import check_schema, record
from smartbkg.training.dataset import DATASET_KIND, DATASET_SCHEMA, Counts, DatasetSummary, check_classes
from smartbkg.training.flags import keys_of


@dataclass(frozen=True)
class DatasetHeader:
    """What a data set says of itself.

    Attributes
    ----------
    path : the file.
    summary : skims, counts and variables.
    is_soft : whether labels are fractions.
    graph_rule : settings of the graph rule that its particles were cut with, None where nothing was cut.
    """

    path: Path
    summary: DatasetSummary
    is_soft: bool
    graph_rule: dict[str, Any] | None


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
    if metadata.get("kind") != DATASET_KIND:
        raise DatasetError(
            f"{path}: holds '{metadata.get('kind', 'unknown')}', expected a data set: make one with 'smartbkg dataset'"
        )
    check_schema(metadata, DATASET_KIND, DATASET_SCHEMA, str(path))
    known = {entry.name for entry in fields(Counts)}
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
    return DatasetHeader(path, summary, bool(metadata["is_soft"]), metadata.get("graph_rule"))


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

    Holds 8 bytes an event in memory.
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
    with ParquetWriter(output, record(DATASET_KIND, DATASET_SCHEMA, {"merged": True}, inputs)) as writer:
        columns: list[str] | None = None
        for path in inputs:
            with ParquetReader(path) as reader:
                for batch in reader.batches():
                    if columns is None:
                        columns = [n for n in batch.event if not n.startswith("var_") or n[4:] in variables]
                    writer.write(
                        type(batch)(batch.offsets, {n: batch.event[n] for n in columns}, batch.particle, batch.source)
                    )
        writer.describe(**summary.to_metadata(), **further)
    return summary
