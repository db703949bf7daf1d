"""Training, validation and test parts, assigned by a hash of the event id: stable when files are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.events.columns import EVENT_ID
from smartbkg.seeds import derive_seed, event_uniforms

TRAINING: Final = 0
VALIDATION: Final = 1
TEST: Final = 2

SPLIT_NAMES: Final = ("training", "validation", "test")


def assign_split(
    event: Mapping[str, NDArray[Any]], validation_fraction: float, test_fraction: float = 0.0, seed: int = 0
) -> NDArray[np.uint8]:
    """The part each event belongs to.

    Depends on (seed, experiment, run, evtNum) alone: an event stays in its part when files are added, reordered or
    split, so that no event is ever in two parts.

    Parameters
    ----------
    event : columns of `smartbkg.events.columns.EVENT_ID`, (n_events,) each.
    validation_fraction, test_fraction : parts of all events.
    seed : of the split alone, so that networks trained with other seeds share it.

    Returns
    -------
    (n_events,) uint8: `TRAINING`, `VALIDATION` or `TEST`.
    """
    experiment, run, number = (event[name] for name in EVENT_ID)
    uniform = event_uniforms(derive_seed(seed, "split"), experiment, run, number)
    part = np.full(len(uniform), TRAINING, dtype=np.uint8)
    part[uniform < validation_fraction + test_fraction] = TEST
    part[uniform < validation_fraction] = VALIDATION
    return part
