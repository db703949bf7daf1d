"""A surrogate without physics: each event has a pass probability of its own, a function of its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from synthetic import random_events

from smartbkg.events import EventBatch
from smartbkg.seeds import derive_seed, event_uniforms


def pass_probability(batch: EventBatch, shift: float = 0.0) -> NDArray[np.float64]:
    """(n_events,) of logits that are normal around -2.5 + shift with a width of 2."""
    uniform = event_uniforms(12345, *(batch.event[name] for name in ("experiment", "run", "evtNum")))
    uniform_2 = event_uniforms(54321, *(batch.event[name] for name in ("experiment", "run", "evtNum")))
    normal = np.sqrt(-2 * np.log(1 - uniform)) * np.cos(2 * np.pi * uniform_2)
    return np.asarray(1 / (1 + np.exp(2.5 - shift - 2 * normal)))


def passes(batch: EventBatch, seed: int, replica: int, shift: float = 0.0) -> NDArray[np.bool_]:
    """(n_events,) one simulation."""
    ids = [batch.event[name] for name in ("experiment", "run", "evtNum")]
    return event_uniforms(derive_seed(seed, "toy", replica), *ids) < pass_probability(batch, shift)


@dataclass(frozen=True)
class ToySurrogate:
    """Passes by chance; several skims are shifted by 1 in the logit from one to the next."""

    name: str = "toy"
    kind: str = "toy"
    version: str = "1"
    events_at_once: int = 64

    @property
    def settings(self) -> Mapping[str, Any]:
        return {}

    def check(self, skims: Sequence[str]) -> None:
        """Knows every skim."""

    def count(
        self, batch: EventBatch, skims: Sequence[str], seed: int, first: int, n_replicas: int
    ) -> NDArray[np.int32]:
        counts = np.zeros((len(batch), len(skims)), dtype=np.int32)
        for replica in range(first, first + n_replicas):
            for column in range(len(skims)):
                counts[:, column] += passes(batch, derive_seed(seed, "skim", column), replica, -float(column))
        return counts


def toy_events(n_events: int, first_event: int = 0) -> EventBatch:
    """Small events."""
    return random_events(n_events, seed=3, first_event=first_event, max_particles=4)
