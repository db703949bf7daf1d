"""Which events an epoch shows, in which order, and what each then weighs in the loss.

A pure function of (seed, epoch): nothing has to be remembered to resume. Passing and failing events come from two
endless sequences of permutations, so that all failing events are seen in the course of the epochs even though each
epoch shows only as many as there are passing ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.split import TRAINING
from smartbkg.seeds import derive_seed
from smartbkg.training.config import SamplingSection
from smartbkg.training.input.data import TrainingData

#: Fewest events of an epoch, so that small samples are not validated more than trained.
LEAST_EPOCH_EVENTS: Final = 8192


def endless_permutation(n: int, start: int, stop: int, seed: int) -> NDArray[np.int64]:
    """Elements ``start:stop`` of the permutations of range(n) one after the other, each with a seed of its own."""
    parts = []
    for number in range(start // n, -(-stop // n)):
        order = np.random.default_rng(derive_seed(seed, "permutation", number)).permutation(n)
        parts.append(order[max(start - number * n, 0) : stop - number * n])
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


class Sampler:
    """Draws the events of each epoch from the training part.

    Attributes
    ----------
    n_events : events of an epoch.
    rate : (n_data_events,) expected number of times that an epoch shows each event.
    retention : (n_skims,) natural pass fraction of the training part.
    training_fraction : (n_skims,) pass fraction among the events shown.
    """

    def __init__(self, data: TrainingData, settings: SamplingSection, seed: int) -> None:
        self.seed = seed
        events = data.part(TRAINING)
        is_passing = np.any(np.nan_to_num(data.label[events]) > 0, axis=1)
        self._groups: list[NDArray[np.int64]]
        if settings.mode == "natural":
            self._groups, fractions = [events], [1.0]
            usual = len(events)
        else:
            self._groups = [events[is_passing], events[~is_passing]]
            fractions = [settings.passing_fraction, 1 - settings.passing_fraction]
            usual = max(round(len(self._groups[0]) / settings.passing_fraction), LEAST_EPOCH_EVENTS)
            if not len(self._groups[1]):
                self._groups, fractions = [events], [1.0]
        self.n_events = usual if settings.events_per_epoch is None else settings.events_per_epoch
        self._n_shown = [max(1, round(self.n_events * fraction)) for fraction in fractions]
        self.n_events = sum(self._n_shown)
        self.rate = np.zeros(len(data))
        for group, n_shown in zip(self._groups, self._n_shown, strict=True):
            self.rate[group] = n_shown / len(group)
        self.retention = data.retention(events)
        shown = self.rate[events, np.newaxis] * np.isfinite(data.label[events])
        self.training_fraction = (np.nan_to_num(data.label[events]) * shown).sum(axis=0) / shown.sum(axis=0)
        self.weight = self._importance(data, events)

    def _importance(self, data: TrainingData, events: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n_data_events,) natural weight over rate of being shown, with mean 1 over the events shown."""
        weight = np.zeros(len(data))
        weight[events] = data.weight[events] / self.rate[events]
        return (weight / np.average(weight[events], weights=self.rate[events])).astype(np.float32)

    def epoch(self, number: int) -> NDArray[np.int64]:
        """(n_events,) positions in the data, in the order of the epoch."""
        parts = [
            group[
                endless_permutation(len(group), number * n, (number + 1) * n, derive_seed(self.seed, "sampler", which))
            ]
            for which, (group, n) in enumerate(zip(self._groups, self._n_shown, strict=True))
        ]
        shown = np.concatenate(parts)
        np.random.default_rng(derive_seed(self.seed, "epoch order", number)).shuffle(shown)
        return shown
