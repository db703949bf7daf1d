"""Labelled events with what the network and the surrogate say of them: what the combined score is fitted to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.datasets.header import read_header
from smartbkg.datasets.membership import membership_keys, share_taught
from smartbkg.datasets.split import TRAINING, VALIDATION, assign_split
from smartbkg.errors import DatasetError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, LABEL_PREFIX, PROCESS
from smartbkg.events.weight_columns import generator_weights, sampling_weights
from smartbkg.io import open_events
from smartbkg.networks.bundle import ModelBundle
from smartbkg.networks.scorer import scorer_of
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.scores.logistic import logit
from smartbkg.seeds import derive_seed, event_uniforms
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.replicas import count_stages, surrogate_seed

#: Parts of the events; each is scored by what the others fitted.
N_FOLDS: Final = 5


@dataclass(frozen=True)
class AskedEvents:
    """Labelled events that the network has not learned from, after the surrogate was asked.

    Attributes
    ----------
    network_logit : (n_events, n_skims) of the network's calibrated scores; 0 where there is no network.
    passed : (n_events, n_stages, n_skims) passes of the surrogate after each stage.
    label : (n_events, n_skims) 1 where it passed, NaN where the skim was not run.
    multiplicity : (n_events,) natural events each stands for.
    weight : (n_events,) the generator's.
    fold : (n_events,) 0 to `N_FOLDS` - 1, a function of the event's id.
    process : (n_events,) names.
    """

    network_logit: NDArray[np.float64]
    passed: NDArray[np.int32]
    label: NDArray[np.float64]
    multiplicity: NDArray[np.float64]
    weight: NDArray[np.float64]
    fold: NDArray[np.int64]
    process: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    def part(self, chosen: ArrayLike) -> AskedEvents:
        """The chosen events."""
        is_chosen = np.asarray(chosen)
        return AskedEvents(*(getattr(self, column.name)[is_chosen] for column in fields(self)))

    @property
    def n_passing(self) -> tuple[int, ...]:
        """Passing events of each skim."""
        return tuple((self.label > 0).sum(axis=0).tolist())

    def scored(self, score: NDArray[np.float64], label: NDArray[np.float64]) -> LabelledEvents:
        """The events for a plan, with scores and labels (n_events, n_skims)."""
        skims = tuple(f"skim {position + 1}" for position in range(score.shape[1]))
        return LabelledEvents.from_arrays(score, label, skims=skims, weight=self.weight, multiplicity=self.multiplicity)


def ask_datasets(
    bundle: ModelBundle,
    source: str,
    datasets: Sequence[Path],
    surrogate: Surrogate,
    stages: Sequence[int],
    *,
    seed: int,
    max_events: int,
    threads: int,
    progress: Callable[[int], None],
) -> tuple[AskedEvents, float]:
    """The network's logits and the surrogate's counts for the labelled events of data sets.

    Parameters
    ----------
    bundle, source : the model without a surrogate, and its file for messages.
    stages : replicas after which passes are counted.
    max_events : about so many are asked, chosen by their ids.

    Returns
    -------
    The events, and the CPU seconds of one replica of one event.

    Raises
    ------
    DatasetError
        A data set has no labels of a skim, or no event is left.
    """
    network = scorer_of(bundle, threads=threads, source=source)
    own_seed, seconds, n_asked = surrogate_seed(seed), 0.0, 0
    parts: list[AskedEvents] = []
    learned = {path: _learned(bundle, path) for path in datasets}
    share = _share(sum(_n_usable(path, learned[path]) for path in datasets), max_events)
    for path in datasets:
        with open_events(path) as reader:
            for batch in reader.batches():
                chosen = batch.select(_usable(batch, learned[path], share))
                if not len(chosen):
                    continue
                label = _labels(chosen, bundle.skims, path)
                before = time.process_time()
                passed = count_stages(surrogate, chosen, bundle.skims, own_seed, stages, threads)
                seconds += time.process_time() - before
                n_asked += len(chosen) * stages[-1]
                uniform = event_uniforms(
                    derive_seed(seed, "surrogate fold"), *(chosen.event[name] for name in EVENT_ID)
                )
                multiplicity, weight = sampling_weights(chosen.event), generator_weights(chosen.event)
                fold = (uniform * N_FOLDS).astype(np.int64)
                logits, process = logit(network.scores(chosen)), chosen.event[PROCESS].astype(np.str_)
                parts.append(AskedEvents(logits, passed, label, multiplicity, weight, fold, process))
                progress(len(chosen))
    if not parts:
        raise DatasetError(f"{datasets[0]}: no event that the network has not learned from: give further events")
    columns = (np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(AskedEvents))
    return AskedEvents(*columns), seconds / n_asked


def _learned(bundle: ModelBundle, path: Path) -> tuple[dict[str, Any], ...]:
    """How a file was divided by the trainings that learned from its events: the network's own, then its ancestors'."""
    trainings = [bundle.training, *bundle.training.get("ancestors", ())]
    if not any("split" in training for training in trainings):
        return ()
    with open_events(path) as reader:
        keys = np.concatenate([np.empty(0, np.uint64), *(membership_keys(batch) for batch in reader.batches())])
    return tuple(
        {**training["split"], "is_own": position == 0}
        for position, training in enumerate(trainings)
        if "split" in training and share_taught(path, keys, training) != 0
    )


def _share(n_usable: float, max_events: int) -> float:
    """Share of the usable events that is asked."""
    return min(1.0, max_events / max(1.0, n_usable))


def _n_usable(path: Path, learned: Sequence[dict[str, Any]]) -> float:
    """About how many events of a file the network has not learned from."""
    n_events = read_header(path).summary.total.n_written
    return n_events * min([float(split["validation_fraction"]) for split in learned if split["is_own"]], default=1.0)


def _usable(batch: EventBatch, learned: Sequence[dict[str, Any]], share: float) -> NDArray[np.bool_]:
    """(n_events,) True for events that the network has not learned from, a share of them chosen by their ids."""
    ids = {name: batch.event[name] for name in EVENT_ID}
    chosen = event_uniforms(derive_seed(0, "surrogate events"), *ids.values()) < share
    for split in learned:
        fractions = float(split["validation_fraction"]), float(split["test_fraction"])
        part = assign_split(ids, *fractions, int(split["split_seed"]))
        chosen &= part == VALIDATION if split["is_own"] else part != TRAINING
    return chosen


def _labels(batch: EventBatch, skims: Sequence[str], path: Path) -> NDArray[np.float64]:
    """(n_events, n_skims) labels, NaN where a skim was not run."""
    available = [name.removeprefix(LABEL_PREFIX) for name in batch.event if name.startswith(LABEL_PREFIX)]
    for skim in skims:
        if skim not in available:
            raise DatasetError(f"{path}: no labels of the skim '{skim}': {nearest(skim, available)}")
    return np.stack([batch.event[LABEL_PREFIX + skim].astype(np.float64) for skim in skims], axis=1)
