"""Files of kept events, merged into one without bias and in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError, PolicyError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, LOGIT, PROCESS, SCORE, WEIGHT
from smartbkg.events.identity import keys_of
from smartbkg.filtering.event_filter import keep_probabilities
from smartbkg.filtering.scoring import EventScorer, choose_skims, score_events
from smartbkg.io import open_events
from smartbkg.io.parquet import ParquetWriter
from smartbkg.sampling.combine import balance_weights, union_weights
from smartbkg.sampling.policies import policy_from_dict
from smartbkg.sampling.policy import Policy
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.provenance import record

Method = Literal["concatenate", "balance", "union"]
METHODS: Final[tuple[Method, ...]] = ("concatenate", "balance", "union")

_KEPT_SCHEMA: Final = 1
#: Recomputed keep probabilities may differ so much from stored ones: rounding of a network on another machine.
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class KeptFile:
    """A file of kept events and the filter that made it.

    Attributes
    ----------
    path : Parquet file of `smartbkg filter`.
    n_generated : events that went through its filter.
    policy, skims, seed : of that filter; None where the file does not say.
    draw : ``independent`` or ``systematic``.
    """

    path: Path
    n_generated: int | None
    policy: Policy | None
    skims: tuple[str, ...]
    seed: int | None
    draw: str = "independent"

    @classmethod
    def open(cls, path: Path) -> KeptFile:
        """Read what the file says of itself.

        Raises
        ------
        DatasetError
            It does not hold kept events.
        """
        with open_events(path) as reader:
            metadata = reader.metadata
        if metadata.get("kind") != "kept":
            raise DatasetError(f"{path}: holds '{metadata.get('kind', 'events')}', expected events kept by a filter")
        settings = metadata.get("settings", {})
        totals = metadata.get("totals", {})
        return cls(
            path,
            int(totals["n_events"]) if "n_events" in totals else None,
            policy_from_dict(settings["policy"]) if "policy" in settings else None,
            tuple(settings.get("skims", ())),
            int(settings["seed"]) if "seed" in settings else None,
            str(settings.get("draw", "independent")),
        )


class MergeSummary(NamedTuple):
    """What a merge wrote."""

    n_written: int
    """Events in the merged file."""
    n_generated: int | None
    """Generated events that its weights stand for; None where a file does not say."""
    sum_weight: float
    """Σw."""
    sum_weight_squared: float
    """Σw²."""


def merge_files(
    paths: Sequence[Path], output: Path, method: Method = "concatenate", scorers: Sequence[EventScorer] = ()
) -> MergeSummary:
    """Merge files of kept events.

    Parameters
    ----------
    paths : at least two files of `smartbkg filter`.
    method : ``concatenate`` different generated events, each with its own weight; ``balance`` different generated
        events of one mixture of processes, with the weights of least variance; ``union`` of the same generated events.
    scorers : for ``balance`` and ``union`` the model of each file, to find each event's q under every filter.

    Raises
    ------
    DatasetError, PolicyError, UsageError
        No kept events, events shared where they must not be, models that do not belong to the files.
    """
    if len(paths) < 2:
        raise UsageError(f"a merge needs at least two files, got {len(paths)}")
    refuse_same_file(output, *paths)
    files = [KeptFile.open(path) for path in paths]
    _check_events(files, is_shared=method == "union")
    settings: dict[str, Any] = {"method": method, "files": [path.name for path in paths]}
    filters = [] if method == "concatenate" else _filters(files, scorers, is_shared=method == "union")
    if method == "balance":
        _check_mixtures(paths)
    n_generated = _n_generated(files, method)
    columns = _common_columns(paths)
    sums = np.zeros(2)
    with ParquetWriter(output, record("kept", _KEPT_SCHEMA, settings, paths)) as writer:
        for batch in _merged(files, filters, method, columns):
            sums += [batch.event[WEIGHT].sum(), np.square(batch.event[WEIGHT]).sum()]
            writer.write(batch)
        writer.describe(totals={"n_events": n_generated, "n_kept": writer.n_written, "sum_weight": float(sums[0])})
    return MergeSummary(writer.n_written, n_generated, float(sums[0]), float(sums[1]))


class _Filter(NamedTuple):
    scorer: EventScorer
    positions: list[int]
    policy: Policy
    n_generated: int
    seed: int

    def keep_probability(self, batch: EventBatch) -> NDArray[np.float64]:
        score = score_events(self.scorer, batch).score[:, self.positions]
        return keep_probabilities(self.policy, batch, score, batch.event[GENERATOR_WEIGHT])


def _filters(files: Sequence[KeptFile], scorers: Sequence[EventScorer], *, is_shared: bool) -> list[_Filter]:
    if len(scorers) == 1:
        scorers = list(scorers) * len(files)
    if len(scorers) != len(files):
        raise UsageError(
            f"{len(scorers)} models for {len(files)} files: name one for all, or one a file in their order"
        )
    filters = []
    for file, scorer in zip(files, scorers, strict=True):
        if file.policy is None or file.n_generated is None or file.seed is None:
            raise DatasetError(f"{file.path}: does not say by which policy, seed and from how many events it was kept")
        if is_shared and file.draw != "independent":
            # The weight of a union needs draws that are independent between seeds and share the uniform within one.
            raise DatasetError(
                f"{file.path}: was drawn by '{file.draw}', a union needs independent draws: filter again with "
                "--draw independent"
            )
        filters.append(
            _Filter(scorer, choose_skims(scorer.skims, file.skims), file.policy, file.n_generated, file.seed)
        )
    return filters


def _n_generated(files: Sequence[KeptFile], method: Method) -> int | None:
    numbers = [file.n_generated for file in files]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return None
    if method != "union":
        return sum(known)
    if len(set(known)) > 1:
        raise DatasetError(f"a union is of the same generated events, but the files come from {known} of them")
    return known[0]


def _check_events(files: Sequence[KeptFile], *, is_shared: bool) -> None:
    """Samples of different generated events share no event."""
    if is_shared:
        return
    seen: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
    for file in files:
        with open_events(file.path) as reader:
            keys = np.concatenate([seen[:0], *(keys_of(batch.event) for batch in reader.batches())])
        common = np.intersect1d(seen, keys)
        if len(common):
            raise DatasetError(
                f"{file.path}: {len(common)} of its events are in the files before it: different files of the same "
                "generated events are merged by --method union; other runs need other event ids"
            )
        seen = np.concatenate([seen, keys])


def _common_columns(paths: Sequence[Path]) -> list[str]:
    """Event columns that all files have, without the scores of models that may differ."""
    common: list[str] | None = None
    for path in paths:
        with open_events(path) as reader:
            names = list(next(reader.batches(1)).event) if reader.n_events else None
        if names is not None:
            common = names if common is None else [name for name in common if name in names]
    if common is None:
        raise DatasetError("none of the files holds an event")
    for name in (GENERATOR_WEIGHT, KEEP_PROBABILITY):
        if name not in common:
            raise DatasetError(f"{paths[0]}: no column '{name}': were these events kept by `smartbkg filter`?")
    return [name for name in common if not name.startswith((SCORE, LOGIT))]


def _check_mixtures(paths: Sequence[Path]) -> None:
    """The balance heuristic holds for samples of one mixture of processes."""
    sums: list[dict[str, tuple[float, float]]] = []
    for path in paths:
        found: dict[str, tuple[float, float]] = {}
        with open_events(path) as reader:
            for batch in reader.batches():
                for name in np.unique(batch.event[PROCESS]):
                    w = batch.event[WEIGHT][batch.event[PROCESS] == name]
                    before = found.get(str(name), (0.0, 0.0))
                    found[str(name)] = (before[0] + float(w.sum()), before[1] + float(np.dot(w, w)))
        sums.append(found)
    for name in sorted({name for found in sums for name in found}):
        shares = []
        for found in sums:
            total = sum(value for value, _ in found.values())
            value, variance = found.get(name, (0.0, 0.0))
            shares.append((value / total, variance / total**2))
        (first, first_variance), *others = shares
        for path, (share, variance) in zip(paths[1:], others, strict=True):
            if abs(share - first) > 5 * np.sqrt(variance + first_variance) + 1e-12:
                raise PolicyError(
                    f"{path}: {share:.1%} of it is '{name or 'unknown process'}', of {paths[0]} {first:.1%}: "
                    "samples of different mixtures are merged by --method concatenate"
                )


def _merged(
    files: Sequence[KeptFile], filters: Sequence[_Filter], method: Method, columns: Sequence[str]
) -> Iterator[EventBatch]:
    seen: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
    for index, file in enumerate(files):
        with open_events(file.path) as reader:
            for batch in reader.batches():
                chosen = batch
                if method == "union":
                    is_new = ~np.isin(keys_of(batch.event), seen)
                    chosen = batch.select(is_new)
                    seen = np.concatenate([seen, keys_of(chosen.event)])
                yield _weighted(chosen, index, filters, method, columns, str(file.path))


def _weighted(
    batch: EventBatch, index: int, filters: Sequence[_Filter], method: Method, columns: Sequence[str], source: str
) -> EventBatch:
    """The events with their new weights, and only the common columns."""
    event = {name: batch.event[name] for name in columns}
    if filters and len(batch):
        q = np.stack([one.keep_probability(batch) for one in filters], axis=1)
        stored = batch.event[KEEP_PROBABILITY]
        is_off = np.abs(q[:, index] - stored) > _TOLERANCE * stored
        if is_off.any():
            first = int(np.flatnonzero(is_off)[0])
            raise PolicyError(
                f"{source}: event {batch.event_id(first)} was kept with probability {stored[first]:.4g}, the model "
                f"given for this file says {q[first, index]:.4g}: is it the model that filtered it?"
            )
        generator_weight = batch.event[GENERATOR_WEIGHT].astype(np.float64)
        if method == "balance":
            inverse = balance_weights(q, [one.n_generated for one in filters])
        else:
            inverse = union_weights(q, [one.seed for one in filters])
        event |= {WEIGHT: inverse * generator_weight, KEEP_PROBABILITY: 1 / inverse}
    return EventBatch.from_columns(batch.counts, event, batch.particle, source=source)
