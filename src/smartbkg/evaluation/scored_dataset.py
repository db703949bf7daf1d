"""What `smartbkg plan` and `evaluate` need of a data set: scores of the events that were not used in training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.membership import membership_keys, share_taught
from smartbkg.datasets.split import TEST, VALIDATION, assign_split
from smartbkg.errors import DatasetError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    EVENT_ID,
    LABEL_PREFIX,
    ORACLE_PREFIX,
    PROCESS,
    SAMPLING_WEIGHT,
    SIMULATION_COST,
    VARIABLE_PREFIX,
    WEIGHT,
)
from smartbkg.events.generator_level import GENERATOR_PREFIX, generator_variables
from smartbkg.events.identity import match_events
from smartbkg.events.skim_choice import choose_skims
from smartbkg.filtering.scoring import EventScorer, score_events
from smartbkg.io import open_events
from smartbkg.io.tables import read_table
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.weights import generator_weights, sampling_weights
from smartbkg.scores.calibration import Calibration
from smartbkg.scores.fit import fit_calibration
from smartbkg.seeds import derive_seed, event_uniforms

#: Hash of each event by which a training record knows it, among the columns here.
_MEMBERSHIP: Final = "membership"


class ScoredDataset(NamedTuple):
    """A data set after a model has scored it."""

    events: LabelledEvents
    """Those that the model was not trained on."""
    note: str
    """Which those are, and why."""
    filter_seconds: float
    """CPU seconds per event that scoring took on this machine."""
    event_id: Mapping[str, NDArray[Any]]
    """experiment, run, evtNum of the events, (n_events,) each."""
    variables: Mapping[str, NDArray[np.float64]]
    """Event-level variables of the events, NaN where undefined, (n_events,) each."""
    calibration: Calibration | None = None
    """A new calibration, fitted on other events than ``events``; None = the model's own was used."""


def score_dataset(
    path: Path,
    scorer: EventScorer,
    skims: Sequence[str] = (),
    *,
    training: Mapping[str, Any] | None = None,
    oracle: Path | None = None,
    is_recalibrated: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> ScoredDataset:
    """Scores and labels of a data set for planning.

    Parameters
    ----------
    path : a data set of `smartbkg dataset`.
    skims : to plan for, all of the model's if none is named.
    training : the model's training record. Where the file holds events that it was trained on, only events that it
        did not learn from are used: the test part, or else the validation part.
    oracle : table of `smartbkg oracle` with the true pass probabilities.
    is_recalibrated : fit the calibration of all the model's skims again on half of the events; the rest is evaluated.
    progress : called after each batch with the number of events scored so far.

    Raises
    ------
    DatasetError, ModelError
        A skim that the model or the data set does not have, or no events left to evaluate on.
    """
    positions = choose_skims(scorer.skims, skims)
    names = tuple(scorer.skims[position] for position in positions)
    read = _read(path, scorer, scorer.skims if is_recalibrated else names, progress)
    columns = read.columns
    label = np.stack([columns[LABEL_PREFIX + name] for name in names], axis=1)
    chosen, note = _unseen(path, columns, training)
    chosen &= np.isfinite(label).all(axis=1)
    if not chosen.any():
        raise DatasetError(f"{path}: no event has labels of {', '.join(names)} and was kept from training")
    score, calibration = read.score, None
    if is_recalibrated:
        calibration, score, chosen = _recalibrate(read.logit, columns, scorer.skims, chosen)
        note += f", {int(chosen.sum())} of them after the others calibrated it"
    events = LabelledEvents.from_arrays(
        score[chosen][:, positions],
        label[chosen],
        skims=names,
        weight=columns[WEIGHT][chosen],
        multiplicity=columns[SAMPLING_WEIGHT][chosen],
        process=columns[PROCESS][chosen],
        simulation_cost=columns[SIMULATION_COST][chosen] if SIMULATION_COST in columns else None,
        oracle=None if oracle is None else _oracle(oracle, columns, names)[chosen],
    )
    return ScoredDataset(
        events,
        note,
        read.filter_seconds,
        {name: columns[name][chosen] for name in EVENT_ID},
        {
            name.removeprefix(VARIABLE_PREFIX): values[chosen].astype(np.float64)
            for name, values in columns.items()
            if name.startswith(VARIABLE_PREFIX)
        },
        calibration,
    )


class _Read(NamedTuple):
    """All events of a data set with what a scorer says of them."""

    columns: dict[str, NDArray[Any]]
    score: NDArray[np.float64]
    logit: NDArray[np.float32]
    filter_seconds: float


def _read(path: Path, scorer: EventScorer, skims: Sequence[str], progress: Callable[[int], None]) -> _Read:
    """Score the events of a file and keep the columns that planning needs, with the labels of these skims."""
    parts: list[dict[str, NDArray[Any]]] = []
    scores: list[NDArray[np.float64]] = []
    logits: list[NDArray[np.float32]] = []
    seconds, n_events = 0.0, 0
    with open_events(path) as reader:
        for batch in reader.batches():
            before = time.process_time()
            scored = score_events(scorer, batch)
            seconds += time.process_time() - before
            scores.append(scored.score)
            logits.append(scored.logit)
            n_events += len(batch)
            parts.append(_columns(batch, skims, str(path)))
            progress(n_events)
    if not n_events:
        raise DatasetError(f"{path}: no events")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _Read(columns, np.concatenate(scores), np.concatenate(logits), seconds / n_events)


def _recalibrate(
    logits: NDArray[np.float32],
    columns: Mapping[str, NDArray[Any]],
    skims: Sequence[str],
    usable: NDArray[np.bool_],
) -> tuple[Calibration, NDArray[np.float64], NDArray[np.bool_]]:
    """A calibration from half of the usable events, all scores under it, and the other half."""
    is_fitted = event_uniforms(derive_seed(0, "recalibration"), *(columns[name] for name in EVENT_ID)) < 0.5
    fit = usable & is_fitted
    label = np.stack([columns[LABEL_PREFIX + skim] for skim in skims], axis=1)
    weight, raw = columns[SAMPLING_WEIGHT], logits.astype(np.float64)
    if not fit.any():
        raise DatasetError("no events to calibrate on")
    retention = np.average(np.nan_to_num(label[fit]), axis=0, weights=weight[fit])
    calibration = fit_calibration(raw[fit], label[fit], weight[fit], retention)
    return calibration, calibration.apply(raw), usable & ~is_fitted


def _columns(batch: EventBatch, skims: Sequence[str], source: str) -> dict[str, NDArray[Any]]:
    available = [name.removeprefix(LABEL_PREFIX) for name in batch.event if name.startswith(LABEL_PREFIX)]
    for skim in skims:
        if skim not in available:
            raise DatasetError(f"{source}: no labels of the skim '{skim}' of the model: {nearest(skim, available)}")
    columns: dict[str, NDArray[Any]] = {_MEMBERSHIP: membership_keys(batch)}
    columns |= {name: batch.event[name] for name in (*EVENT_ID, PROCESS)} | {WEIGHT: generator_weights(batch.event)}
    columns |= {LABEL_PREFIX + skim: batch.event[LABEL_PREFIX + skim].astype(np.float64) for skim in skims}
    columns[SAMPLING_WEIGHT] = sampling_weights(batch.event)
    if SIMULATION_COST in batch.event:
        columns[SIMULATION_COST] = batch.event[SIMULATION_COST]
    variables = {name: values for name, values in batch.event.items() if name.startswith(VARIABLE_PREFIX)}
    if not variables:
        at_generator = generator_variables(batch).items()
        variables = {VARIABLE_PREFIX + GENERATOR_PREFIX + name: values for name, values in at_generator}
    return columns | variables


def _unseen(
    path: Path, columns: Mapping[str, NDArray[Any]], training: Mapping[str, Any] | None
) -> tuple[NDArray[np.bool_], str]:
    """Which events may evaluate a model: those it has not learned from, whatever file they come in.

    Those that taught the models from whose weights its training started do not evaluate it either.
    """
    may_evaluate, note = _unseen_by(path, columns, training)
    for ancestor in () if training is None else training.get("ancestors", ()):
        also, of_ancestor = _unseen_by(path, columns, ancestor)
        if not also.all():
            may_evaluate = may_evaluate & also
            note = f"{of_ancestor.replace('the model was', 'the model that its training started from was')}"
    if not may_evaluate.any():
        raise DatasetError(f"{path}: every event has taught the model or one that it started from: {note}")
    return may_evaluate, note


def _unseen_by(
    path: Path, columns: Mapping[str, NDArray[Any]], training: Mapping[str, Any] | None
) -> tuple[NDArray[np.bool_], str]:
    """Which events one training has not looked at, and what to say of that."""
    n_events = len(columns[WEIGHT])
    share = share_taught(path, columns[_MEMBERSHIP], training)
    if training is None or "split" not in training or share == 0:
        return np.ones(n_events, dtype=bool), f"evaluated on all {n_events} events of {path.name}"
    split = training["split"]
    parts = assign_split(
        {name: columns[name] for name in EVENT_ID},
        float(split["validation_fraction"]),
        float(split["test_fraction"]),
        int(split["split_seed"]),
    )
    which, name = (TEST, "test") if split["test_fraction"] > 0 else (VALIDATION, "validation")
    chosen = parts == which
    what = "was trained on" if share is None or share > 0.99 else f"was trained on some {share:.0%} of"
    note = f"the model {what} {path.name}: evaluated on its {int(chosen.sum())} {name} events"
    if which == VALIDATION:
        note += ", which also chose its calibration: figures may be some per cent too good"
    return chosen, note


def _oracle(path: Path, columns: Mapping[str, NDArray[Any]], skims: Sequence[str]) -> NDArray[np.float64]:
    """(n_events, n_skims) true probabilities in the order of the events."""
    table = read_table(path)
    position = match_events(columns, table, str(path))
    return np.stack([table[ORACLE_PREFIX + skim][position].astype(np.float64) for skim in skims], axis=1)
