"""What the weight columns of an event mean, whatever kind of file it comes from: one rule for all readers.

``weight`` of a generated event, and of the row of a data set, is the generator's; of a kept event it is the generator's
divided by ``keep_probability``, and ``generator_weight`` stands beside it. ``sampling_weight`` says how many generated
events the row of a data set stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.events.batch import EventBatch
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, SAMPLING_WEIGHT, VARIATION_PREFIX, WEIGHT


def generator_weights(event: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(n_events,) the generator's weights: ``generator_weight`` of events that a filter has kept, else ``weight``.

    Parameters
    ----------
    event : event columns by name.
    """
    return np.asarray(event[GENERATOR_WEIGHT if GENERATOR_WEIGHT in event else WEIGHT], dtype=np.float64)


def total_keep_probability(
    event: Mapping[str, NDArray[Any]], keep_probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n_events,) the product of the keep probabilities of all draws: this one's, and those before in the columns.

    With it ``weight`` · ``keep_probability`` = ``generator_weight`` however often events were filtered.
    """
    before = event.get(KEEP_PROBABILITY)
    return keep_probability if before is None else keep_probability * before.astype(np.float64)


def sampling_weights(event: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(n_events,) how many generated events each row stands for, whatever kind of file it comes from.

    ``sampling_weight`` of a data set, 1 / ``keep_probability`` of kept events, 1 of generated ones. Times the
    generator's weight it is what sums over generated events are made with.
    """
    stands_for = np.asarray(event.get(SAMPLING_WEIGHT, np.ones(len(event[WEIGHT]))), dtype=np.float64)
    # both are there in data sets that earlier versions made of kept events: they took w/q for the generator's weight
    return stands_for / event[KEEP_PROBABILITY].astype(np.float64) if KEEP_PROBABILITY in event else stands_for


def as_kept(batch: EventBatch) -> EventBatch:
    """The rows of a data set as what they are: events kept with a probability of 1 / ``sampling_weight``.

    Whoever passes events on to what knows no ``sampling_weight`` passes on these. Other batches come back as they are.
    """
    if SAMPLING_WEIGHT not in batch.event:
        return batch
    stands_for, generator_weight = sampling_weights(batch.event), generator_weights(batch.event)
    event = {name: column for name, column in batch.event.items() if name != SAMPLING_WEIGHT}
    event |= {name: column * stands_for for name, column in event.items() if name.startswith(VARIATION_PREFIX)}
    event |= {WEIGHT: generator_weight * stands_for, GENERATOR_WEIGHT: generator_weight}
    return replace(batch, event={**event, KEEP_PROBABILITY: 1 / stands_for})


__all__ = ["as_kept", "generator_weights", "sampling_weights", "total_keep_probability"]
