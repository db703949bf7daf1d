"""Signal probability of a candidate (compiled), and the record of it that training reads."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import borrowing_part
from smartbkg.experiment.reconstruction.signal_probability import N_FEATURES, log_odds

#: A candidate written down for training.
EXAMPLE: Final = np.dtype(
    [
        ("feature", np.float32, (N_FEATURES,)),
        ("kind", np.int64),  # position in KINDS
        ("channel", np.int64),  # channel within its kind
        ("event", np.int64),  # position of the event in the batch
        ("is_right", np.bool_),
    ],
    align=True,
)


class Recording(NamedTuple):
    """Candidates written down for training, before any is dropped for its signal probability."""

    state: NDArray[np.int64]
    """(3,) first kind to record, the kind after the last, rows wanted so far (maybe more than there is room for)"""
    example: NDArray[np.void]
    """(capacity,) of `EXAMPLE`"""


def new_recording(first_kind: int = 0, stop_kind: int = 0, capacity: int = 1) -> Recording:
    """An empty recording of the kinds ``first_kind:stop_kind``."""
    return Recording(np.array([first_kind, stop_kind, 0]), np.zeros(capacity, dtype=EXAMPLE))


@borrowing_part
def score_candidate(tools, kind, row, event):  # type: ignore[no-untyped-def]
    """Signal probability of the candidate in ``row`` from ``store.feature``; written down if asked for.

    Parameters
    ----------
    tools : `smartbkg.experiment.reconstruction.tools.Tools`.
    kind : position in `smartbkg.experiment.reconstruction.channels.KINDS`.
    row : position in ``tools.store.candidate``.
    event : position of the event in the batch.
    """
    store, recording = tools.store, tools.recording
    value = log_odds(tools.classifier, kind, store.candidate[row].channel, store.feature, store.hidden)
    probability = 1.0 / (1.0 + math.exp(-min(max(value, -30.0), 30.0)))
    store.candidate[row].probability = probability
    store.candidate[row].log_probability = math.log(probability)
    if tools.has_truth and recording.state[0] <= kind < recording.state[1]:
        place = recording.state[2]
        recording.state[2] += 1
        if place < len(recording.example):
            example = recording.example[place]
            for k in range(N_FEATURES):
                example.feature[k] = store.feature[k]
            example.kind = kind
            example.channel = store.candidate[row].channel
            example.event = event
            example.is_right = store.candidate[row].truth >= 0


@borrowing_part
def set_candidate(store, row, momentum, tracks, photons, channel, sign):  # type: ignore[no-untyped-def]
    """Begin a candidate in ``row``, not matched to the truth, and clear the features.

    Parameters
    ----------
    momentum : `smartbkg.experiment.reconstruction.combinations.Momentum`.
    tracks, photons : uint64, bits of what it is made of.
    channel : decay channel within its kind.
    sign : 0 for the particle, 1 for the antiparticle.
    """
    new = store.candidate[row]
    new.px = momentum.px
    new.py = momentum.py
    new.pz = momentum.pz
    new.energy = momentum.energy
    new.tracks = tracks
    new.photons = photons
    new.channel = channel
    new.sign = sign
    new.residual = 0.0
    new.truth = -1
    new.truth_energy = 0.0
    store.feature[:] = 0.0
