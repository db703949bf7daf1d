"""A surrogate against full simulation: which of the fully simulated events pass, and what the surrogate says of them.

The reconstruction of the embedded experiment runs on the objects that basf2 stored (tracks, clusters, identification):
the simulation of the detector is what differs, reconstruction and skim are the same. Vertices of V0s are not in an mDST
file: candidates that need one are missing on the side of the full simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.experiment.comparison.full_simulation import read_full_simulation
from smartbkg.experiment.reconstruction.reconstruct import reconstruct
from smartbkg.experiment.simulation import DEFAULT_SKIMS
from smartbkg.experiment.skims.registry import apply_skim, find_skim
from smartbkg.sampling.statistics import Estimate
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.replicas import surrogate_seed


class SurrogateAgainstFullSimulation(NamedTuple):
    """One skim."""

    skim: str
    n_events: int
    n_found: int
    """fully simulated events that pass"""
    expected: Estimate
    """sum of the surrogate's pass fractions; the error is the scatter of the number found if they were right"""
    area: Estimate | None
    """AUC of the pass fraction for the flag of the full simulation, None where one class is empty"""


def compare_surrogate(
    path: Path, surrogate: Surrogate, n_replicas: int = 64, skims: Sequence[str] = DEFAULT_SKIMS, seed: int = 0
) -> list[SurrogateAgainstFullSimulation]:
    """Number of passing events expected and found, and how well the surrogate ranks them.

    Parameters
    ----------
    path : mDST file of basf2 with generated particles and reconstructed objects.
    n_replicas : of each event.

    Raises
    ------
    FileFormatError
        Not such a file.
    """
    full = read_full_simulation(path)
    events = reconstruct(full.response)
    fraction = surrogate.count(full.batch, skims, surrogate_seed(seed), 1, n_replicas) / n_replicas
    found = []
    for column, name in enumerate(skims):
        passes, p = apply_skim(find_skim(name), events), fraction[:, column]
        expected = Estimate(float(p.sum()), float(np.sqrt((p * (1 - p)).sum())))
        found.append(
            SurrogateAgainstFullSimulation(name, len(p), int(passes.sum()), expected, _area(p[passes], p[~passes]))
        )
    return found


def _area(passing: NDArray[np.float64], failing: NDArray[np.float64]) -> Estimate | None:
    """AUC with the error of Hanley and McNeil (doi:10.1148/radiology.143.1.7063747)."""
    n, m = len(passing), len(failing)
    if not n or not m:
        return None
    above = (passing[:, None] > failing).mean() + 0.5 * (passing[:, None] == failing).mean()
    q1, q2 = above / (2 - above), 2 * above**2 / (1 + above)
    variance = (above * (1 - above) + (n - 1) * (q1 - above**2) + (m - 1) * (q2 - above**2)) / (n * m)
    return Estimate(float(above), float(np.sqrt(max(variance, 0.0))))
