"""Resolutions of both simulations: widths of measured less true values, for pions and photons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.experiment.detector.objects import FROM_PARTICLE, DetectorResponse

#: Ranges of true p_T of pions and of true energy of photons, GeV.
PT_RANGES: Final = ((0.1, 0.3), (0.3, 0.7), (0.7, 5.0))
ENERGY_RANGES: Final = ((0.05, 0.15), (0.15, 0.4), (0.4, 5.0))
#: cm, pions that begin farther from the axis have no true impact parameter here: the helix is taken as straight so far.
_LARGEST_RADIUS: Final = 0.5
_N_BOOTSTRAPS: Final = 200


class Resolution(NamedTuple):
    """The width of a residual in both simulations."""

    label: str
    """residual, unit and range"""
    n_full: int
    """entries in full simulation"""
    full: float
    """half of the central 68 %"""
    full_uncertainty: float
    """its standard deviation, bootstrap over entries"""
    fast: float
    """half of the central 68 % in the embedded simulation"""

    @property
    def ratio(self) -> float:
        """Embedded over full."""
        return self.fast / self.full

    @property
    def ratio_uncertainty(self) -> float:
        """Standard deviation from the full simulation's statistics."""
        return self.ratio * self.full_uncertainty / self.full


def half_width(values: NDArray[np.float64]) -> float:
    """Half of the central 68 %: σ of a Gaussian, little moved by tails.

    >>> round(half_width(np.random.default_rng(1).normal(0.0, 2.0, 100_000)), 1)
    2.0
    """
    low, high = np.percentile(values, [15.865, 84.135])
    return float(high - low) / 2.0


def residuals(batch: EventBatch, response: DetectorResponse) -> dict[str, NDArray[np.float64]]:
    """Measured less true values, by label."""
    tracks, clusters, particle = response.tracks, response.clusters, batch.particle
    is_own = (tracks.origin == FROM_PARTICLE) & (tracks.truth >= 0)
    truth = np.maximum(tracks.truth, 0)
    px, py, pz, x, y, z = (particle[name][truth].astype(np.float64) for name in ("px", "py", "pz", "x", "y", "z"))
    pt = np.hypot(px, py)
    is_own &= (np.abs(particle["PDG"][truth]) == 211) & (np.hypot(x, y) < _LARGEST_RADIUS) & (pt > 0.0)
    px, py, pz, x, y, z, pt = (values[is_own] for values in (px, py, pz, x, y, z, pt))
    measured = {
        "p_T / true - 1": np.hypot(tracks.px[is_own], tracks.py[is_own]) / pt - 1.0,
        "d0 - true [cm]": tracks.d0[is_own] - (x * py - y * px) / pt,
        "z0 - true [cm]": tracks.z0[is_own] - (z - (x * px + y * py) * pz / pt**2),
    }
    found = {
        f"π, {low:g} < p_T < {high:g} GeV: {name}": values[(pt >= low) & (pt < high)]
        for name, values in measured.items()
        for low, high in PT_RANGES
    }
    is_photon = (clusters.track < 0) & clusters.is_photon & (clusters.origin == FROM_PARTICLE) & (clusters.truth >= 0)
    is_photon &= particle["PDG"][np.maximum(clusters.truth, 0)] == 22
    energy = particle["energy"][clusters.truth[is_photon]].astype(np.float64)
    ratio = clusters.energy[is_photon] / energy
    return found | {
        f"γ, {low:g} < E < {high:g} GeV: E / true": ratio[(energy >= low) & (energy < high)]
        for low, high in ENERGY_RANGES
    }


def compare_resolutions(
    batch: EventBatch, full: DetectorResponse, fast: Sequence[DetectorResponse]
) -> tuple[Resolution, ...]:
    """Widths of all residuals; labels without enough entries in full simulation are left out.

    Parameters
    ----------
    batch : generated particles.
    full : what full simulation made of them.
    fast : what the embedded detector made of them, each replica.
    """
    random = np.random.default_rng(1)
    expected, found = residuals(batch, full), [residuals(batch, response) for response in fast]
    compared = []
    for label, values in expected.items():
        embedded = np.concatenate([one[label] for one in found])
        if min(len(values), len(embedded)) < 10:
            continue
        draws = [half_width(random.choice(values, len(values))) for _ in range(_N_BOOTSTRAPS)]
        compared.append(
            Resolution(label, len(values), half_width(values), float(np.std(draws, ddof=1)), half_width(embedded))
        )
    return tuple(compared)
