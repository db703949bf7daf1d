"""What training holds of its data sets: graphs at random access, labels, weights and the part each event plays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.header import DatasetHeader, read_header
from smartbkg.datasets.membership import Membership, membership_keys
from smartbkg.datasets.split import SPLIT_NAMES, TRAINING, VALIDATION, assign_split
from smartbkg.errors import DatasetError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import LABEL_PREFIX, PROCESS, VARIABLE_PREFIX
from smartbkg.events.identity import keys_of
from smartbkg.graphs import GraphRule, build_graphs
from smartbkg.io.parquet import ParquetReader
from smartbkg.sampling.weights import generator_weights, sampling_weights
from smartbkg.training.config import DataSection
from smartbkg.training.input.graph_store import GraphStore

#: Passing events of each skim that training and validation need at least.
LEAST_PASSING: Final = 10
#: Bytes in the megabytes of the configuration.
MEGABYTE: Final = 2**20


@dataclass(frozen=True)
class TrainingData:
    """Events ready to learn from.

    Attributes
    ----------
    store : the graphs, in the order of the columns.
    skims : names of the columns of ``label``.
    label : (n_events, n_skims) float32, fraction in [0, 1]; NaN where the skim was not run on the event.
    weight : (n_events,) how many events of the natural mixture each stands for.
    generator_weight : (n_events,) the generator's own.
    process : (n_events,) int16, position in ``process_names``.
    split : (n_events,) of `smartbkg.datasets.split`.
    variables : (n_events,) columns.
    digest : hash of events, labels, weights and processes: training resumes on the same data only.
    n_unknown_codes : particles whose PDG code is not in the token table.
    membership : by which the model knows later which events taught it.
    """

    store: GraphStore
    skims: tuple[str, ...]
    label: NDArray[np.float32]
    weight: NDArray[np.float64]
    generator_weight: NDArray[np.float64]
    process: NDArray[np.int16]
    process_names: tuple[str, ...]
    split: NDArray[np.uint8]
    variables: Mapping[str, NDArray[np.float32]]
    digest: str
    n_unknown_codes: int
    membership: Membership

    def __len__(self) -> int:
        return len(self.weight)

    def part(self, which: int) -> NDArray[np.int64]:
        """Positions of the events of a part."""
        return np.flatnonzero(self.split == which)

    def retention(self, events: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n_skims,) fraction of the natural mixture that passes, over the events on which the skim was run."""
        label, weight = self.label[events].astype(np.float64), self.weight[events, np.newaxis]
        is_run = np.isfinite(label)
        return np.asarray((np.where(is_run, label, 0.0) * weight).sum(axis=0) / (is_run * weight).sum(axis=0))


def _named(paths: Sequence[Path]) -> str:
    """The files in a message: the first, and how many more."""
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _skims(headers: Sequence[DatasetHeader], wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    available = tuple(dict.fromkeys(skim for header in headers for skim in header.summary.skims))
    for skim in wanted or ():
        if skim not in available:
            raise DatasetError(f"{headers[0].path}: no labels of the skim '{skim}': {nearest(skim, available)}")
    return wanted or available


def _check_graph_rules(headers: Sequence[DatasetHeader], rule: GraphRule) -> None:
    for header in headers:
        if header.graph_rule is not None and GraphRule.from_dict(header.graph_rule) != rule:
            raise DatasetError(
                f"{header.path}: its particles were cut with another graph rule or token table than training uses; "
                "make the data set again or give its rule in the configuration"
            )


def load_training_data(
    paths: Sequence[Path],
    rule: GraphRule,
    folder: Path,
    settings: DataSection | None = None,
    variables: Sequence[str] = (),
) -> TrainingData:
    """Read data sets once, row group after row group, and build their graphs.

    Parameters
    ----------
    paths : data sets of `smartbkg dataset`; files may have other skims, which are then masked where they were not run.
    folder : for the temporary file of graphs that do not fit into memory.
    settings : which events, and which part each plays.
    variables : event-level variables to keep.

    Raises
    ------
    DatasetError
        No data set, shared events, an unknown skim or process, too few passing events, another graph rule.
    """
    settings = settings or DataSection()
    headers = [read_header(path) for path in paths]
    skims = _skims(headers, settings.skims)
    _check_graph_rules(headers, rule)
    store = GraphStore(len(rule.features), folder, settings.memory_megabytes * MEGABYTE)
    try:
        columns = _read(paths, rule, store, skims, settings, variables)
    except BaseException:
        store.close()
        raise
    if settings.cross_sections:
        columns["weight"] *= _mixture(columns, settings.cross_sections, str(paths[0]))
    data = TrainingData(store=store, skims=skims, **columns)
    try:
        _check_enough(data, _named(paths))
    except BaseException:
        store.close()
        raise
    return data


def _read(
    paths: Sequence[Path],
    rule: GraphRule,
    store: GraphStore,
    skims: tuple[str, ...],
    settings: DataSection,
    variables: Sequence[str],
) -> dict[str, Any]:
    parts: dict[str, list[NDArray[Any]]] = {}
    keys: list[NDArray[np.uint64]] = []
    process_names: list[str] = []
    n_unknown = 0
    membership = Membership.none()
    for path in paths:
        with ParquetReader(path) as reader:
            for batch in reader.batches():
                batch.check_finite()
                graphs = build_graphs(batch, rule)
                n_unknown += graphs.n_unknown_codes
                store.append(graphs)
                keys.append(keys_of(batch.event))
                membership = membership.add(membership_keys(batch))
                for name, column in _columns(batch, skims, settings, variables, process_names).items():
                    parts.setdefault(name, []).append(column)
    if not keys:
        raise DatasetError(f"{paths[0]}: no events")
    store.finish()
    _check_distinct(np.concatenate(keys), paths)
    columns = {name: np.concatenate(part) for name, part in parts.items()}
    digest = hashlib.sha256(np.concatenate(keys).tobytes())
    for name in ("label", "weight", "process"):
        digest.update(columns[name].tobytes())
    kept = {name: columns.pop(VARIABLE_PREFIX + name) for name in variables}
    return {
        **columns,
        "variables": kept,
        "process_names": tuple(process_names),
        "digest": digest.hexdigest(),
        "membership": membership,
        "n_unknown_codes": n_unknown,
    }


def _columns(
    batch: EventBatch,
    skims: tuple[str, ...],
    settings: DataSection,
    variables: Sequence[str],
    process_names: list[str],
) -> dict[str, NDArray[Any]]:
    """The event columns that training keeps; extends the list of processes."""
    n_events = len(batch)
    label = np.full((n_events, len(skims)), np.nan, dtype=np.float32)
    for position, skim in enumerate(skims):
        if LABEL_PREFIX + skim in batch.event:
            label[:, position] = batch.event[LABEL_PREFIX + skim]
    names, inverse = np.unique(batch.event[PROCESS], return_inverse=True)
    process_names += [str(name) for name in names if name not in process_names]
    code = np.array([process_names.index(str(name)) for name in names], dtype=np.int16)
    columns: dict[str, NDArray[Any]] = {
        "label": label,
        "weight": sampling_weights(batch.event),
        "generator_weight": generator_weights(batch.event),
        "process": code[inverse],
        "split": assign_split(batch.event, settings.validation_fraction, settings.test_fraction, settings.split_seed),
    }
    for name in variables:
        if VARIABLE_PREFIX + name not in batch.event:
            known = [
                column.removeprefix(VARIABLE_PREFIX) for column in batch.event if column.startswith(VARIABLE_PREFIX)
            ]
            raise DatasetError(f"{batch.source}: no event-level variable '{name}': {nearest(name, known)}")
        columns[VARIABLE_PREFIX + name] = batch.event[VARIABLE_PREFIX + name].astype(np.float32)
    return columns


def _check_distinct(keys: NDArray[np.uint64], paths: Sequence[Path]) -> None:
    n_repeated = len(keys) - len(np.unique(keys))
    if n_repeated:
        raise DatasetError(
            f"{_named(paths)}: {n_repeated} events occur more than once, so that training, validation and "
            "test would share them; give generated samples different run numbers"
        )


def _mixture(columns: Mapping[str, Any], cross_sections: Mapping[str, float], source: str) -> NDArray[np.float64]:
    """(n_events,) factors that bring the sums of weights of the processes into the ratio of the cross-sections."""
    names: tuple[str, ...] = columns["process_names"]
    for name in names:
        if name not in cross_sections:
            raise DatasetError(f"{source}: no cross-section of the process '{name}': {nearest(name, cross_sections)}")
    total = np.bincount(columns["process"], weights=columns["weight"], minlength=len(names))
    wanted = np.array([cross_sections[name] for name in names])
    factor = wanted / total * (total.sum() / wanted.sum())
    return np.asarray(factor[columns["process"]])


def _check_enough(data: TrainingData, source: str) -> None:
    """Both parts need passing and failing events of every skim."""
    for which in (TRAINING, VALIDATION):
        label = data.label[data.part(which)]
        for position, skim in enumerate(data.skims):
            values = label[np.isfinite(label[:, position]), position]
            n_passing, n_failing = int((values > 0).sum()), int((values < 1).sum())
            if n_passing < LEAST_PASSING or n_failing < LEAST_PASSING:
                raise DatasetError(
                    f"{source}: {n_passing} passing and {n_failing} failing events of '{skim}' for "
                    f"{SPLIT_NAMES[which]}, at least {LEAST_PASSING} of each are needed: generate more events or "
                    "change the fractions"
                )
