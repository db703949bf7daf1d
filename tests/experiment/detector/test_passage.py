"""The way through the detector: conversions, radiation and decays conserve what they must, seen from outside."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.experiment.detector import passage, workspace
from smartbkg.experiment.detector.objects import ELECTRON, KAON, MUON, PION, PROTON
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.detector.workspace import STACKED, WORKSPACE, Particle


@numba.njit
def convert_many(record, detector, photon, energy, n):  # type: ignore[no-untyped-def]
    """Share that converts, and the largest violation of energy by a pair."""
    work, n_converted, worst = record[0], 0, 0.0
    for _ in range(n):
        if passage.convert(work, detector[0], energy, photon):
            n_converted += 1
            total = 0.0
            while work.count[STACKED] > 0:
                electron = workspace.pop(work)
                total += np.sqrt(electron.px**2 + electron.py**2 + electron.pz**2 + 0.000511**2)
            worst = max(worst, abs(total - energy))
    return n_converted / n, worst


@numba.njit
def radiate_many(record, detector, electron, n):  # type: ignore[no-untyped-def]
    """Mean share kept, and the largest difference between what is lost and what the photons carry."""
    work, kept_sum, worst = record[0], 0.0, 0.0
    p = np.sqrt(electron.px**2 + electron.py**2 + electron.pz**2)
    for _ in range(n):
        kept = passage.radiate(work, detector[0], electron)
        kept_sum += kept
        carried = 0.0
        while work.count[STACKED] > 0:
            photon = workspace.pop(work)
            carried += np.sqrt(photon.px**2 + photon.py**2 + photon.pz**2) / p
        worst = max(worst, abs(1.0 - kept - carried))
    return kept_sum / n, worst


def particle(code: int, px: float = 1.0, **changes: float) -> Particle:
    return Particle(code, px, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0)._replace(**changes)  # type: ignore[arg-type]


def workspace_of(seed: int) -> np.ndarray:
    record = np.zeros(1, WORKSPACE)
    record["state"] = seed
    return record


def test_photons_convert_by_the_thickness_and_share_their_energy() -> None:
    share, worst = convert_many(workspace_of(1), BELLE2.to_record(), particle(22), 1.0, 20_000)
    assert share == pytest.approx(7 / 9 * BELLE2.tracking.conversion_thickness, rel=0.15)
    assert worst < 2e-3, "a pair has another energy than its photon (an electron below threshold is dropped)"


def test_photons_made_behind_the_material_do_not_convert() -> None:
    share, _ = convert_many(workspace_of(1), BELLE2.to_record(), particle(22, x=30.0), 1.0, 2000)
    assert share == 0.0


def test_electrons_lose_what_their_photons_carry() -> None:
    kept, worst = radiate_many(workspace_of(2), BELLE2.to_record(), particle(11), 20_000)
    assert worst < 1e-9
    assert kept == pytest.approx(1 - 4 / 3 * BELLE2.tracking.conversion_thickness, abs=0.02)
    slow, _ = radiate_many(workspace_of(2), BELLE2.to_record(), particle(11, 1e-3), 100)
    assert slow == 1.0


@pytest.mark.parametrize(
    ("code", "kind"), [(11, ELECTRON), (13, MUON), (211, PION), (321, KAON), (2212, PROTON), (22, -1)]
)
def test_charged_particles_that_live_long_have_a_hypothesis(code: int, kind: int) -> None:
    assert passage.kind_of.py_func(code) == kind
