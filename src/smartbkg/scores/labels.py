"""Soft labels as yes-or-no ones, for figures that know nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def split_labels(
    label: NDArray[np.float64], score: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """(label, score, weight) of yes-or-no labels; an event with a fraction passes with it and fails with the rest."""
    if np.isin(label, (0.0, 1.0)).all():
        return label > 0, score, weight
    both = np.repeat([True, False], len(label))
    return both, np.tile(score, 2), np.concatenate([weight * label, weight * (1 - label)])
