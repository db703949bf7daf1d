"""Files of kept events, merged into one without bias, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError, PolicyError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, PROCESS, WEIGHT
from smartbkg.events.skim_choice import choose_skims
from smartbkg.events.totals import Totals
from smartbkg.filtering.event_filter import keep_probabilities
from smartbkg.filtering.ledger import EventLedger, Repeats
from smartbkg.filtering.lost_events import BIASED_POLICIES, biased_policies, warnings_of_lost_events
from smartbkg.filtering.scoring import EventScorer, score_events
from smartbkg.io import ReadOptions, create_events, open_events, reading_for
from smartbkg.sampling.combine import balance_weights, union_weights
from smartbkg.sampling.draw_key import DrawKey, digest_of_draws, merged_draws, recorded_draws
from smartbkg.sampling.policies import policy_from_dict
from smartbkg.sampling.policy import Policy
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import KEPT, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

Method = Literal["concatenate", "balance", "union"]
METHODS: Final[tuple[Method, ...]] = ("concatenate", "balance", "union")

#: Recomputed keep probabilities may differ so much from stored ones: rounding of a network on another machine.
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class KeptFile:
    """A file of kept events and the filter that made it.

    Attributes
    ----------
    path : file of `smartbkg filter`.
    policy, skims : of that filter; None where the file does not say.
    draws : the draws its events have come through; None where the file does not say.
    totals : what it records of counts and sums.
    """

    path: Path
    policy: Policy | None
    skims: tuple[str, ...]
    draws: list[dict[str, Any]] | None
    totals: Mapping[str, Any]

    @classmethod
    def of(cls, path: Path, metadata: Mapping[str, Any]) -> KeptFile:
        """What a file says of itself.

        Raises
        ------
        DatasetError
            It does not hold kept events.
        """
        if metadata.get("kind") != "kept":
            raise DatasetError(f"{path}: holds '{metadata.get('kind', 'events')}', expected events kept by a filter")
        settings = metadata.get("settings", {})
        policy = policy_from_dict(settings["policy"]) if "policy" in settings else None
        totals = metadata.get("totals", {})
        return cls(path, policy, tuple(settings.get("skims", ())), recorded_draws(metadata), totals)

    @property
    def n_generated(self) -> int | None:
        """Events that went through its filter; None where the file does not say."""
        return int(self.totals["n_events"]) if "n_events" in self.totals else None

    @property
    def key(self) -> DrawKey | None:
        """The key of its one draw; None where there is not one."""
        if self.draws is None or len(self.draws) != 1 or "seed" not in self.draws[0]:
            return None
        return DrawKey.from_dict(self.draws[0])


class _Survey(NamedTuple):
    """What a first reading of all files finds."""

    files: list[KeptFile]
    columns: list[str]
    """event columns that all files with events have, without scores of models that may differ"""
    n_rows: list[int]
    mixtures: list[dict[str, tuple[float, float]]]
    """of each file: process → Σw, Σw²"""
    left_out: list[NDArray[np.bool_] | None]
    """of each file, for a union: rows that an earlier file has"""
    warnings: list[str]
    biased_policies: set[str]
    """labels of policies that lost events for ever"""


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
    warnings: tuple[str, ...] = ()
    """What the user should know of the merged sample."""


def merge_files(
    paths: Sequence[Path],
    output: Path,
    method: Method = "concatenate",
    scorers: Sequence[EventScorer] = (),
    *,
    allow_duplicates: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> MergeSummary:
    """Merge files of kept events: each is read twice, in constant memory and a time linear in their number.

    Parameters
    ----------
    paths : at least two files of `smartbkg filter`.
    method : ``concatenate`` different generated events, each with its own weight; ``balance`` different generated
        events of one mixture of processes, with the weights of least variance; ``union`` of the same generated events.
    scorers : for ``balance`` and ``union`` the model of each file, to find each event's q under every filter.
    allow_duplicates : let different events carry one id; later steps cannot tell them apart by it.
    progress : called with the number of events written so far.

    Raises
    ------
    DatasetError, PolicyError, UsageError
        No kept events, events shared where they must not be, models that do not belong to the files.
    """
    if len(paths) < 2:
        raise UsageError(f"a merge needs at least two files, got {len(paths)}")
    refuse_same_file(output, *paths)
    survey = _survey(paths, output, is_shared=method == "union", allow_duplicates=allow_duplicates)
    files = survey.files
    filters = [] if method == "concatenate" else _filters(files, scorers, is_shared=method == "union")
    if method == "balance":
        _check_mixtures(paths, survey.mixtures)
    n_generated = _n_generated(files, method)
    draws = [file.draws for file in files]
    known = [one for one in draws if one is not None]
    settings: dict[str, Any] = {"method": method, "files": [path.name for path in paths]}
    if survey.biased_policies:
        settings[BIASED_POLICIES] = sorted(survey.biased_policies)
    about = record(KEPT, SCHEMA_VERSIONS[KEPT], settings, paths)
    if len(known) == len(draws):
        about["draws"] = merged_draws(known, method)
    kept = Totals()
    with create_events(output, about) as writer:
        options = reading_for(output)
        for batch in _merged(survey, filters, method, options):
            kept += Totals.of([], batch.event[WEIGHT])
            writer.write(batch)
            progress(writer.n_written)
        writer.describe(totals=merged_totals([file.totals for file in files], kept, is_shared=method == "union"))
    sums = float(kept.sum_kept_weight), float(kept.sum_kept_weight_squared)
    return MergeSummary(writer.n_written, n_generated, *sums, tuple(survey.warnings))


def merged_totals(found: Sequence[Mapping[str, Any]], kept: Totals, *, is_shared: bool) -> dict[str, Any]:
    """Totals of merged files.

    Parameters
    ----------
    found : what each file records.
    kept : the kept events of the merged file.
    is_shared : whether all files come from the same generated events, which then count once.
    """
    if all("exact" in one for one in found):
        totals = [Totals.from_dict(one) for one in found]
        generated = totals[0] if is_shared else sum(totals[1:], totals[0])
        return replace(
            generated,
            n_kept=kept.n_kept,
            sum_kept_weight=kept.sum_kept_weight,
            sum_kept_weight_squared=kept.sum_kept_weight_squared,
        ).to_dict()
    merged: dict[str, Any] = {}
    for name in ("n_events", "sum_generator_weight"):
        if all(name in one for one in found):
            merged[name] = found[0][name] if is_shared else sum(one[name] for one in found)
    return merged | {
        "n_kept": kept.n_kept,
        "sum_weight": float(kept.sum_kept_weight),
        "sum_weight_squared": float(kept.sum_kept_weight_squared),
    }


def _survey(paths: Sequence[Path], output: Path, *, is_shared: bool, allow_duplicates: bool) -> _Survey:
    """Read all files once: their records, columns and mixtures, and which events they share."""
    survey = _Survey([], [], [], [], [None] * len(paths), [], set())
    columns: list[str] | None = None
    with EventLedger(output.absolute().parent) as ledger:
        for index, path in enumerate(paths):
            n_rows = 0
            mixture: dict[str, tuple[float, float]] = {}
            with open_events(path) as reader:
                for batch in reader.batches():
                    names = list(batch.event)
                    columns = names if columns is None else [name for name in columns if name in batch.event]
                    ledger.add(batch, index, n_rows)
                    n_rows += len(batch)
                    _count_processes(batch, mixture)
                survey.files.append(KeptFile.of(path, reader.metadata))
                survey.biased_policies.update(biased_policies(reader.metadata))
            survey.n_rows.append(n_rows)
            survey.mixtures.append(mixture)
        for name in (GENERATOR_WEIGHT, KEEP_PROBABILITY) if columns is not None else ():
            if name not in (columns or ()):
                raise DatasetError(f"{paths[0]}: no column '{name}': were these events kept by `smartbkg filter`?")
        survey.columns.extend(name for name in columns or () if not name.startswith(("score", "logit")))
        for repeats in ledger.repeats():
            _check_repeats(survey, repeats, is_shared=is_shared, allow_duplicates=allow_duplicates)
    survey.warnings.extend(warnings_of_lost_events(survey.biased_policies, "the merged sample"))
    return survey


def _check_repeats(survey: _Survey, repeats: Repeats, *, is_shared: bool, allow_duplicates: bool) -> None:
    """Refuse what must not be shared; note what a union leaves out, and draws that shared their numbers."""
    if not len(repeats.file):
        return
    is_wrong = ~repeats.is_same if is_shared else repeats.is_same
    paths = [file.path for file in survey.files]
    if is_wrong.any():
        first = int(np.flatnonzero(is_wrong)[0])
        where = f"{paths[repeats.file[first]]}: {int(is_wrong.sum())} or more of its events"
        event = "/".join(map(str, repeats.event_id[first].tolist()))
        if is_shared:
            raise DatasetError(
                f"{where} only carry the ids of events in the files before it, the first is {event}, and are other "
                "events: a union is of the same generated events"
            )
        raise DatasetError(
            f"{where} are in the files before it, the first is {event}: files of the same generated events are merged "
            "by --method union"
        )
    if is_shared:
        for file in np.unique(repeats.file):
            left_out = survey.left_out[file]
            if left_out is None:
                left_out = np.zeros(survey.n_rows[file], dtype=bool)
                survey.left_out[file] = left_out
            left_out[repeats.row[repeats.file == file]] = True
        return
    if not allow_duplicates:
        event = "/".join(map(str, repeats.event_id[0].tolist()))
        raise DatasetError(
            f"{paths[repeats.file[0]]}: events carry the ids of different events in {paths[repeats.earlier_file[0]]}, "
            f"the first is {event}: flags cannot be told apart by them. Generate with --run, or accept it with "
            "--allow-duplicates"
        )
    for one, other in set(zip(repeats.file.tolist(), repeats.earlier_file.tolist(), strict=True)):
        first, second = survey.files[one].key, survey.files[other].key
        if first is not None and first == second and not first.uses_content:
            message = (
                "files drawn by one seed and stream hold different events of one id, which shared their random number: "
                "sums are unbiased, but scatter more than √Σw² says"
            )
            if message not in survey.warnings:
                survey.warnings.append(message)


def _count_processes(batch: EventBatch, mixture: dict[str, tuple[float, float]]) -> None:
    for name in np.unique(batch.event[PROCESS]):
        w = batch.event[WEIGHT][batch.event[PROCESS] == name]
        before = mixture.get(str(name), (0.0, 0.0))
        mixture[str(name)] = (before[0] + float(w.sum()), before[1] + float(np.dot(w, w)))


class _Filter(NamedTuple):
    scorer: EventScorer
    positions: list[int]
    policy: Policy
    n_generated: int
    draw: str
    """which filters drew by the same numbers"""

    def keep_probability(self, batch: EventBatch) -> NDArray[np.float64]:
        score = score_events(self.scorer, batch).score[:, self.positions]
        return keep_probabilities(self.policy, batch, score, batch.event[GENERATOR_WEIGHT])


def _filters(files: Sequence[KeptFile], scorers: Sequence[EventScorer], *, is_shared: bool) -> list[_Filter]:
    if len(scorers) == 1:
        scorers = list(scorers) * len(files)
    if len(scorers) != len(files):
        raise UsageError(
            f"{len(scorers)} models for {len(files)} files: name one for all, or one per file in their order"
        )
    filters = []
    for file, scorer in zip(files, scorers, strict=True):
        if file.policy is None or file.n_generated is None or file.draws is None:
            raise DatasetError(f"{file.path}: does not say by which policy, draw and from how many events it was kept")
        if file.key is None:
            raise DatasetError(
                f"{file.path}: its events came through several draws or merged files; only those of one filter have a "
                "keep probability under every other: merge before the second filter, or by --method concatenate"
            )
        if is_shared and file.key.method != "independent":
            # The weight of a union needs draws that are independent between keys and share the uniform within one.
            raise DatasetError(
                f"{file.path}: was drawn by '{file.key.method}', a union needs independent draws: filter again with "
                "--draw independent"
            )
        positions = choose_skims(scorer.skims, file.skims)
        filters.append(_Filter(scorer, positions, file.policy, file.n_generated, digest_of_draws(file.draws)))
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


def _check_mixtures(paths: Sequence[Path], sums: Sequence[Mapping[str, tuple[float, float]]]) -> None:
    """The balance heuristic holds for samples of one mixture of processes."""
    filled = [(path, found) for path, found in zip(paths, sums, strict=True) if found]
    for name in sorted({name for _, found in filled for name in found}):
        shares = []
        for _, found in filled:
            total = sum(value for value, _ in found.values())
            value, variance = found.get(name, (0.0, 0.0))
            shares.append((value / total, variance / total**2))
        (first, first_variance), *others = shares
        for (path, _), (share, variance) in zip(filled[1:], others, strict=True):
            if abs(share - first) > 5 * np.sqrt(variance + first_variance) + 1e-12:
                raise PolicyError(
                    f"{path}: {share:.1%} of it is '{name or 'unknown process'}', of {filled[0][0]} {first:.1%}: "
                    "samples of different mixtures are merged by --method concatenate"
                )


def _merged(survey: _Survey, filters: Sequence[_Filter], method: Method, options: ReadOptions) -> Iterator[EventBatch]:
    for index, file in enumerate(survey.files):
        left_out, row = survey.left_out[index], 0
        with open_events(file.path, options) as reader:
            for batch in reader.batches():
                chosen = batch if left_out is None else batch.select(~left_out[row : row + len(batch)])
                row += len(batch)
                yield _weighted(chosen, index, filters, method, survey.columns, str(file.path))


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
            inverse = union_weights(q, [one.draw for one in filters])
        event |= {WEIGHT: inverse * generator_weight, KEEP_PROBABILITY: 1 / inverse}
    return EventBatch.from_columns(batch.counts, event, batch.particle, source=source, originals=batch.originals)
