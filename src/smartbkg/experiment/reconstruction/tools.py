"""What the compiled reconstruction is given: tables, networks and the workspace of an event, as one record."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.experiment.reconstruction.combinations import Store
from smartbkg.experiment.reconstruction.scoring import Recording
from smartbkg.experiment.reconstruction.signal_probability import Classifier


class Tools(NamedTuple):
    """What candidates are made with, and where they are put."""

    store: Store
    """candidates of one event, overwritten by the next"""
    kinds: NDArray[np.void]
    """(n_kinds,) of `smartbkg.experiment.reconstruction.channels.KIND`"""
    channels: NDArray[np.void]
    """(n_channels,) of `smartbkg.experiment.reconstruction.channels.CHANNEL`"""
    classifier: Classifier
    """signal probabilities"""
    recording: Recording
    """filled for training"""
    truth: NDArray[np.void]
    """generated particles; looked at where ``has_truth``"""
    has_truth: bool
    boost: NDArray[np.float64]
    """(4, 4) from the laboratory to the centre-of-mass frame, order px, py, pz, E"""
    energy: float
    """GeV, of a beam in the centre-of-mass frame"""
