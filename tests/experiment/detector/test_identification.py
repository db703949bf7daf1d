"""Identification of single particles: efficiencies and fake rates as functions of momentum."""

from __future__ import annotations

import numpy as np
import pytest
from experiment.particle_guns import QUIET, gun

from smartbkg.experiment.detector.identification import cherenkov_angle, energy_loss
from smartbkg.experiment.detector.objects import ELECTRON, KAON, MUON, PID_CODES, PION, PROTON
from smartbkg.experiment.detector.parameters import DetectorParameters


def most_probable(kind: int, momentum: float, parameters: DetectorParameters = QUIET) -> np.ndarray:
    """(5,) fraction of the particle's own tracks for which each hypothesis is the most probable."""
    code = PID_CODES[kind] if kind > MUON else -PID_CODES[kind]
    tracks = gun(code, momentum, n=3000, parameters=parameters).tracks
    own = tracks.origin == 0
    return np.bincount(tracks.pid[own].argmax(axis=1), minlength=5) / own.sum()


def test_probabilities_sum_to_one() -> None:
    pid = gun(211, 1.0).tracks.pid
    assert np.allclose(pid.sum(axis=1), 1.0, atol=1e-5)
    assert (pid >= 0).all()


@pytest.mark.parametrize(("momentum", "least", "most_fakes"), [(0.5, 0.9, 0.03), (1.0, 0.85, 0.05), (2.0, 0.75, 0.15)])
def test_kaons_are_told_from_pions(momentum: float, least: float, most_fakes: float) -> None:
    assert most_probable(KAON, momentum)[KAON] > least
    assert most_probable(PION, momentum)[KAON] < most_fakes


def test_separation_of_kaons_and_pions_falls_with_momentum() -> None:
    mistaken = [most_probable(PION, momentum)[KAON] for momentum in (0.5, 1.5, 3.0)]
    assert mistaken[0] < mistaken[1] < mistaken[2]


def test_electrons_protons_and_fast_muons_are_identified() -> None:
    assert most_probable(ELECTRON, 1.0)[ELECTRON] > 0.85
    assert most_probable(PROTON, 1.0)[PROTON] > 0.9
    assert most_probable(MUON, 1.5)[MUON] > 0.8
    assert most_probable(PION, 1.5)[MUON] < 0.1
    assert most_probable(PION, 1.0)[ELECTRON] < 0.02


def test_slow_muons_look_like_pions() -> None:
    assert 0.2 < most_probable(MUON, 0.22)[MUON] < 0.7


def test_worse_time_of_propagation_separates_less() -> None:
    worse = QUIET.replace("worse", identification={"top_resolution": 0.3})
    assert most_probable(PION, 1.5, worse)[KAON] > 1.5 * most_probable(PION, 1.5)[KAON]


def test_energy_loss_has_its_minimum_and_rises_on_both_sides() -> None:
    loss = np.array([energy_loss.py_func(x) for x in (0.5, 3.5, 1000.0)])
    assert loss[0] > 3.0
    assert 0.95 < loss[1] < 1.2
    assert 1.3 < loss[2] < 1.6


def test_cherenkov_angle_vanishes_below_threshold() -> None:
    assert cherenkov_angle.py_func(1.0, 0.4937, 1.05) == 0.0
    assert cherenkov_angle.py_func(10.0, 0.1396, 1.05) == pytest.approx(np.arccos(1 / 1.05), abs=0.001)
