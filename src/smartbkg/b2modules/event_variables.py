"""Event-level variables of basf2's n-tuples, joined to a data set by (experiment, run, evtNum)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.flags import FlagBlock, FlagIndex
from smartbkg.errors import DatasetError, FileFormatError
from smartbkg.events.columns import EVENT_ID, PASSES_PREFIX
from smartbkg.events.identity import group_events, ids_of
from smartbkg.io.parquet import ParquetReader
from smartbkg.io.root import check_entries, open_root, root_errors
from smartbkg.storage.partial import partial_folder

_ID_BRANCHES = ("__experiment__", "__run__", "__event__")


def read_ntuple(path: Path, tree_name: str, variables: Sequence[str]) -> FlagBlock:
    """The first candidate of each event in an n-tuple of basf2's ``variablesToNtuple``.

    Parameters
    ----------
    tree_name : name of the tree: the file also holds ``persistent``, the file's metadata, which comes first.
    variables : names of the variables, in the order in which they were given to basf2.

    Raises
    ------
    DatasetError
        The n-tuple is missing or has not as many variables.
    """
    try:
        with root_errors(str(path), "n-tuple of basf2"), open_root(path) as file:
            tree = file[tree_name]
            for branch in tree.itervalues():
                check_entries(branch, int(tree.num_entries))
            names = tree.keys()
            branches = [name for name in names if not (name.startswith("__") and name.endswith("__"))]
            ids = [
                ids_of(tree[branch].array(library="np"), name, str(path), column_name=branch).astype(np.int64)
                for name, branch in zip(EVENT_ID, _ID_BRANCHES, strict=True)
            ]
            values = [tree[name].array(library="np").astype(np.float32) for name in branches]
    except FileFormatError as error:
        raise DatasetError(str(error)) from error
    if len(branches) != len(variables):
        raise DatasetError(f"{path}: {len(branches)} variables, expected {len(variables)}: {', '.join(variables)}")
    first = np.sort(group_events(np.stack(ids, axis=1)).first)
    return FlagBlock(
        {name: column[first] for name, column in zip(EVENT_ID, ids, strict=True)},
        {},
        {name: column[first] for name, column in zip(variables, values, strict=True)},
    )


def join_variables(dataset: Path, tables: Mapping[Path, tuple[str, Sequence[str]]], output: Path) -> None:
    """Add event-level variables to a data set of one skim, as columns ``var_<name>``; NaN where an event has none.

    Parameters
    ----------
    tables : n-tuple → name of its tree, names of its variables.
    """
    indexes = [FlagIndex([read_ntuple(path, tree, names)], str(path)) for path, (tree, names) in tables.items()]
    parts = []
    with ParquetReader(dataset) as reader:
        skim = str(reader.metadata["skims"][0])
        for batch in reader.batches():
            columns: dict[str, NDArray[Any]] = {name: batch.event[name] for name in EVENT_ID}
            columns[PASSES_PREFIX + skim] = batch.event["label"]
            for index in indexes:
                row = index.find(batch.event, str(dataset))
                for name, values in index.block.variables.items():
                    columns[name] = np.where(row >= 0, values[row] if len(values) else np.nan, np.nan).astype(
                        np.float32
                    )
            parts.append(pa.table(columns))
    with partial_folder(output.with_name("variables")) as folder:
        flags = folder / "flags.parquet"
        pq.write_table(pa.concat_tables(parts) if parts else _no_rows(skim), flags)
        build_dataset([dataset], [flags], output, DatasetOptions(skims=(skim,), is_part=True))


def _no_rows(skim: str) -> pa.Table:
    names = [*EVENT_ID, PASSES_PREFIX + skim]
    return pa.table({name: np.empty(0, dtype=np.bool_ if name not in EVENT_ID else np.int64) for name in names})
