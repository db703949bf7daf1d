"""Tracks of single particles: acceptance, efficiency, resolution, decay in flight, propagation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from experiment.particle_guns import QUIET, gun


def n_tracks(**options: float) -> float:
    response = gun(**options)  # type: ignore[arg-type]
    return len(response.tracks.px) / response.n_events


@pytest.mark.parametrize(("theta", "low", "high"), [(90, 0.97, 1.0), (10, 0.0, 0.0), (160, 0.0, 0.0), (16, 0.4, 0.9)])
def test_acceptance_is_17_to_150_degrees(theta: float, low: float, high: float) -> None:
    assert low <= n_tracks(code=13, momentum=1.0, theta=theta) <= high


def test_efficiency_rises_with_transverse_momentum() -> None:
    found = [n_tracks(code=13, momentum=p, theta=90.0) for p in (0.03, 0.055, 0.1, 0.3, 1.0)]
    assert found[0] == 0.0
    assert all(low < high + 0.01 for low, high in itertools.pairwise(found))
    assert found[-1] > 0.97


def test_efficiency_falls_with_production_radius() -> None:
    found = [n_tracks(code=13, momentum=1.0, vertex=r) for r in (0.0, 10.0, 40.0, 100.0)]
    assert found[0] > found[1] > found[2] > 0.3
    assert found[3] == 0.0


def test_momentum_resolution_is_that_of_the_parameters() -> None:
    tracks = gun(13, 1.0, 90.0, n=8000).tracks
    residual = np.hypot(tracks.px, tracks.py) - 1.0
    core = np.percentile(np.abs(residual), 50) / 0.6745
    expected = np.interp(1.0, QUIET.tracking.resolution_pt, QUIET.tracking.momentum_resolution)
    assert core == pytest.approx(expected, rel=0.25)
    assert np.mean(residual) == pytest.approx(0.0, abs=5 * expected / np.sqrt(len(residual)) * 3)


def test_slow_and_forward_tracks_are_measured_worse() -> None:
    def spread(momentum: float, theta: float) -> float:
        tracks = gun(13, momentum, theta).tracks
        true = momentum * np.sin(np.radians(theta))
        return float(np.percentile(np.abs(np.hypot(tracks.px, tracks.py) / true - 1.0), 68))

    assert spread(0.15, 90.0) > 2 * spread(1.0, 90.0)
    assert spread(1.0, 25.0) > 1.5 * spread(1.0, 90.0)


def test_impact_parameters_of_prompt_tracks_are_small() -> None:
    tracks = gun(13, 1.5, 90.0).tracks
    assert np.percentile(np.abs(tracks.d0), 68) < 0.003
    assert np.percentile(np.abs(tracks.z0), 68) < 0.003


def test_charges_are_those_of_the_particles() -> None:
    for code, charge in ((211, 1), (-211, -1), (11, -1), (-11, 1), (13, -1), (321, 1), (-2212, -1)):
        tracks = gun(code, 0.8, n=300).tracks
        own = tracks.origin == 0
        assert np.mean(tracks.charge[own] == charge) == 1.0


def test_slow_kaons_decay_in_flight_more_often_than_pions() -> None:
    found = {}
    for code in (211, 321):
        response = gun(code, 0.4, 90.0, n=4000)
        found[code] = np.mean(response.tracks.origin == 0) * len(response.tracks.px) / response.n_events
    decayed = 1.0 - np.exp(-40.0 / (371.1 * 0.4 / 0.4937))  # at 40 cm, where a decay loses the track for certain
    assert found[211] > found[321]
    assert found[321] < found[211] - 0.3 * decayed


def test_conversions_give_pairs_of_electron_tracks() -> None:
    response = gun(22, 1.0, 60.0, n=8000)
    n_converted = np.sum(np.diff(response.tracks.offsets) == 2)
    expected = 7.0 / 9.0 * QUIET.tracking.conversion_thickness / np.sin(np.radians(60.0))
    assert n_converted / 8000 == pytest.approx(expected, rel=0.45)
    assert (response.tracks.origin == 1).all()
