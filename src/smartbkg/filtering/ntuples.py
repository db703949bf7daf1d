"""Weights into ROOT n-tuples, beside the analysis variables: one row per candidate or event, matched by event id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from smartbkg.errors import DatasetError, FileFormatError, nearest
from smartbkg.events.columns import EVENT_ID, GENERATOR_WEIGHT, ID_NAMES, KEEP_PROBABILITY, SCORE, WEIGHT, id_column
from smartbkg.events.identity import find_events, group_events, id_rows, ids_of
from smartbkg.filtering.lost_events import BIASED_POLICIES, biased_policies, warnings_of_lost_events
from smartbkg.io import open_events
from smartbkg.io.root import check_entries, root_errors
from smartbkg.io.tables import Table, read_table
from smartbkg.storage.atomic import atomic_path, refuse_same_file
from smartbkg.storage.signatures import is_parquet

#: Branches that are added where the kept file has them.
ADDED: Final = (WEIGHT, KEEP_PROBABILITY, GENERATOR_WEIGHT)
_STEP: Final = "50 MB"
#: Event ids that an error shows of each file.
_SHOWN: Final = 3
#: Tree of basf2's metadata of the file: one entry with an object of a class, which cannot be written without basf2.
_FILE_METADATA: Final = "persistent"


class NtupleSummary(NamedTuple):
    """What was written."""

    n_rows: int
    """Rows of the new tree."""
    n_events: int
    """Different events among them."""
    n_without_weight: int
    """Rows left out because their event is not among the kept ones."""
    warnings: tuple[str, ...] = ()
    """What the user should know of the weights."""


def add_weights(
    ntuple: Path, kept: Sequence[Path], output: Path, tree: str | None = None, *, drop_unknown: bool = False
) -> NtupleSummary:
    """Copy a tree and add each row's weight, by (experiment, run, event).

    Parameters
    ----------
    ntuple : ROOT file of an analysis of the kept events.
    kept : files of `smartbkg filter` or `smartbkg merge` with the weights.
    output : ROOT file to write, whole or not at all.
    tree : name of the tree; may be left out where there is one.
    drop_unknown : leave out rows of events that have no weight, where the default is an error.

    Raises
    ------
    DatasetError
        A row's event is not among the kept ones, or is there twice; or no row's event is there.
    FileFormatError
        Not a ROOT file, no such tree, or no event id in it.
    """
    refuse_same_file(output, ntuple, *kept)
    weights = _weights(kept)
    n_rows = n_dropped = 0
    sample: dict[str, NDArray[Any]] = {}
    seen: list[NDArray[np.int64]] = []
    with _open(ntuple) as file, atomic_path(output) as partial, uproot.recreate(partial) as new:
        source = _tree(file, tree, ntuple)
        branches = _id_branches(source.keys(), ntuple)
        _check_entries(source, ntuple)
        clash = [name for name in weights.columns if name in source.keys() and name not in EVENT_ID]  # noqa: SIM118
        if clash:
            raise DatasetError(f"{ntuple}: the tree '{source.name}' already has a branch '{clash[0]}'")
        for chunk in source.iterate(library="ak", step_size=_STEP):
            ids = {
                name: ids_of(ak.to_numpy(chunk[branch]), name, str(ntuple), n_rows + n_dropped, column_name=branch)
                for name, branch in branches.items()
            }
            rows, missing = find_events(ids, weights.columns, weights.source)
            if missing.any() and not drop_unknown:
                first = int(np.flatnonzero(missing)[0])
                raise DatasetError(
                    f"{ntuple}: event {tuple(int(ids[name][first]) for name in EVENT_ID)} is not in {weights.source}; "
                    "leave such rows out with --drop-unknown"
                )
            columns = _columns(chunk[~missing])
            columns |= {name: weights[name][rows[~missing]] for name in weights.columns if name not in EVENT_ID}
            if source.name not in new:
                new.mktree(source.name, {name: _kind(values) for name, values in columns.items()})
            new[source.name].extend(columns)
            seen.append(id_rows({name: values[~missing] for name, values in ids.items()}))
            n_rows += int((~missing).sum())
            n_dropped += int(missing.sum())
            sample = sample or {name: column[:_SHOWN] for name, column in ids.items()}
        if n_dropped and not n_rows:
            _refuse_strangers(ntuple, sample, n_dropped, weights)
    n_events = len(group_events(np.concatenate(seen)).ids) if seen else 0
    return NtupleSummary(n_rows, n_events, n_dropped, _warnings(weights))


def table_to_ntuple(table: Path, kept: Sequence[Path], output: Path, tree: str = "events") -> NtupleSummary:
    """Write a flat table (flags and variables of kept events) with its weights as a tree.

    Parameters and errors are those of `add_weights`; rows of the table without a weight are events that were not kept,
    and are left out.
    """
    refuse_same_file(output, table, *kept)
    source, weights = read_table(table), _weights(kept)
    rows, missing = find_events(source.columns, weights.columns, weights.source)
    if len(missing) and missing.all():
        _refuse_strangers(table, source.columns, len(missing), weights)
    columns = {
        name: values[~missing]
        for name, values in source.columns.items()
        if name not in weights.columns and values.dtype.kind in "bfiu"
    }
    columns |= {name: source[name][~missing] for name in EVENT_ID}
    columns |= {name: weights[name][rows[~missing]] for name in weights.columns if name not in EVENT_ID}
    with atomic_path(output) as partial, uproot.recreate(partial) as new:
        new[tree] = columns
    return NtupleSummary(int((~missing).sum()), int((~missing).sum()), int(missing.sum()), _warnings(weights))


def _refuse_strangers(source: Path, ids: Mapping[str, NDArray[Any]], n_rows: int, weights: Table) -> None:
    """Refuse weights none of which belongs to a row: ids are then other ones, or the files of different samples.

    Raises
    ------
    DatasetError
        There are kept events.
    """
    if not len(weights):
        return  # where a filter has kept nothing no row is the right answer
    wanted, held = (
        ", ".join(
            str(tuple(int(table[name][row]) for name in EVENT_ID))
            for row in range(min(_SHOWN, len(table[EVENT_ID[0]])))
        )
        for table in (ids, weights.columns)
    )
    raise DatasetError(
        f"{source}: none of the events of its {n_rows} rows is in {weights.source}: looked for (experiment, run, "
        f"event) {wanted}, among {len(weights)} such as {held}"
    )


def _weights(kept: Sequence[Path]) -> Table:
    """Ids and weights of all kept events."""
    tables = [_weights_of(path) for path in kept]
    names = [name for name in tables[0].columns if all(name in table.columns for table in tables)]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in names}
    biased = sorted(set().union(*(biased_policies(table.metadata) for table in tables)))
    return Table(columns, {"settings": {BIASED_POLICIES: biased}}, ", ".join(map(str, kept)))


def _warnings(weights: Table) -> tuple[str, ...]:
    return tuple(warnings_of_lost_events(biased_policies(weights.metadata), "the n-tuple"))


def _weights_of(path: Path) -> Table:
    """Ids and weights of one file of kept events, of any format that they are written in."""
    if path.is_file() and is_parquet(path):
        return read_table(path, columns=_weight_columns(path))
    pieces: list[dict[str, NDArray[Any]]] = []
    with open_events(path) as reader:
        metadata = reader.metadata
        for batch in reader.batches():
            if KEEP_PROBABILITY not in batch.event:
                raise FileFormatError(f"{path}: no keep probabilities: expected events kept by `smartbkg filter`")
            pieces.append({name: batch.event[name] for name in _chosen(list(batch.event))})
    names = [name for name in (pieces[0] if pieces else (*EVENT_ID, *ADDED)) if all(name in one for one in pieces)]
    columns = {name: np.concatenate([one[name] for one in pieces]) if pieces else np.empty(0) for name in names}
    return Table(columns, metadata, str(path))


def _chosen(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in (*EVENT_ID, *ADDED) or name == SCORE or name.startswith(f"{SCORE}_")]


def _weight_columns(path: Path) -> list[str]:
    from smartbkg.io.parquet import open_parquet

    with open_parquet(path) as file:
        names = file.schema_arrow.names
    if WEIGHT not in names:
        raise FileFormatError(f"{path}: no column '{WEIGHT}': expected events kept by `smartbkg filter`")
    return _chosen(names)


def _open(path: Path) -> Any:
    try:
        return uproot.open(path)
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such file") from error
    except (OSError, ValueError, uproot.DeserializationError) as error:
        raise FileFormatError(f"{path}: not a readable ROOT file: {str(error).splitlines()[0]}") from error


def _tree(file: Any, name: str | None, path: Path) -> Any:
    trees = file.keys(filter_classname=["TTree", "ROOT::RNTuple"], cycle=False)
    trees = [found for found in trees if found != _FILE_METADATA or found == name]
    if name is None and len(trees) == 1:
        return file[trees[0]]
    if name not in trees:
        asked = "several trees, name one" if name is None else f"no tree '{name}'"
        raise FileFormatError(f"{path}: {asked}: {nearest(name or '', trees)}")
    return file[name]


def _check_entries(tree: Any, path: Path) -> None:
    """Refuse a tree whose branches are not of its length: one of the two is damaged."""
    if "RNTuple" not in tree.classname:
        with root_errors(str(path), f"tree '{tree.name}'"):
            for branch in tree.itervalues():
                check_entries(branch, int(tree.num_entries))


def _id_branches(names: Sequence[str], path: Path) -> dict[str, str]:
    """Which branch holds which part of the event id."""
    found = {}
    for part, candidates in ID_NAMES.items():
        branch = id_column(part, names)
        if branch is None:
            raise FileFormatError(f"{path}: no branch for the event id '{part}' (one of {', '.join(candidates)})")
        found[part] = branch
    return found


def _columns(chunk: ak.Array) -> dict[str, Any]:
    """Flat branches as numpy, text and jagged ones packed; counters are left out, for uproot writes them anew."""
    jagged = {name for name in chunk.fields if chunk[name].ndim > 1}
    columns = {}
    for name in chunk.fields:
        packed = ak.to_packed(chunk[name])
        if name in jagged or _is_text(packed):
            columns[name] = packed
        elif not (name.startswith("n") and name[1:] in jagged):
            columns[name] = ak.to_numpy(packed)
    return columns


def _is_text(values: Any) -> bool:
    return isinstance(values, ak.Array) and ak.parameters(values).get("__array__") == "string"


def _kind(values: Any) -> Any:
    if _is_text(values):
        return "string"
    return values.dtype if isinstance(values, np.ndarray) else values.type.content
