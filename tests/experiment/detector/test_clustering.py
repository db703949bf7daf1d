"""From showers to clusters: energy is conserved, near ones merge, tracks are linked, sums are hadron clusters."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.experiment.detector import clustering
from smartbkg.experiment.detector.clustering import NO_TRACK_DISTANCE
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.detector.workspace import (
    CLUSTER_COLUMNS,
    CLUSTER_DISTANCE,
    CLUSTER_ENERGY,
    CLUSTER_IS_HADRON,
    CLUSTER_IS_PHOTON,
    CLUSTER_PHI,
    CLUSTER_THETA,
    CLUSTER_TRACK,
    TRACK_COLUMNS,
    TRACK_PHI_ECL,
    TRACK_THETA_ECL,
)


@numba.njit
def merge(clusters, count, separation):  # type: ignore[no-untyped-def]
    return clustering.merge_showers(clusters, count, separation)


@numba.njit
def link(clusters, count, tracks, n_tracks):  # type: ignore[no-untyped-def]
    clustering.link_tracks(clusters, count, tracks, n_tracks, 0.05, 125.0)


@numba.njit
def add_sums(clusters, count, detector, seed):  # type: ignore[no-untyped-def]
    state, parent = np.full(1, seed, dtype=np.uint64), np.empty(len(clusters), np.int64)
    return clustering.add_hadron_sums(clusters, count, detector[0].calorimeter, parent, state)


def showers(*rows: tuple[float, float, float, float]) -> np.ndarray:
    """(energy, theta, phi, track) of each, with room for more."""
    clusters = np.zeros((2 * len(rows) + 2, CLUSTER_COLUMNS))
    for i, (energy, theta, phi, track) in enumerate(rows):
        clusters[i, [CLUSTER_ENERGY, CLUSTER_THETA, CLUSTER_PHI, CLUSTER_TRACK]] = energy, theta, phi, track
        clusters[i, [CLUSTER_IS_PHOTON, CLUSTER_IS_HADRON]] = 1.0
    return clusters


def test_near_showers_become_one_of_their_energy_at_their_centre() -> None:
    clusters = showers((1.0, 1.5, 0.10, -1), (3.0, 1.5, 0.12, -1), (0.5, 2.0, 0.1, -1))
    assert merge(clusters, 3, 0.05) == 2
    assert clusters[0, CLUSTER_ENERGY] == 4.0
    assert clusters[0, CLUSTER_PHI] == pytest.approx(0.115)
    assert clusters[1, CLUSTER_ENERGY] == 0.5


def test_showers_on_both_sides_of_the_cut_in_azimuth_are_near() -> None:
    clusters = showers((1.0, 1.5, np.pi - 0.01, -1), (1.0, 1.5, -np.pi + 0.01, -1))
    assert merge(clusters, 2, 0.05) == 1
    assert np.cos(clusters[0, CLUSTER_PHI]) == pytest.approx(-1.0)


def test_a_link_to_a_track_survives_a_merge() -> None:
    clusters = showers((1.0, 1.5, 0.1, -1), (3.0, 1.5, 0.11, 4), (2.0, 1.5, 0.12, -1))
    assert merge(clusters, 3, 0.05) == 1
    assert clusters[0, CLUSTER_TRACK] == 4
    assert clusters[0, CLUSTER_ENERGY] == 6.0


def test_a_cluster_knows_its_distance_to_the_nearest_entry() -> None:
    tracks = np.zeros((2, TRACK_COLUMNS))
    tracks[0, TRACK_THETA_ECL] = -1.0  # never reached the calorimeter
    tracks[1, [TRACK_THETA_ECL, TRACK_PHI_ECL]] = 1.5, 0.1
    clusters = showers((1.0, 1.5, 0.12, -1), (1.0, 1.5, 0.5, -1))
    link(clusters, 2, tracks, 2)
    assert clusters[0, CLUSTER_TRACK] == 1
    assert clusters[1, CLUSTER_TRACK] == -1
    assert clusters[1, CLUSTER_DISTANCE] == pytest.approx(125.0 / np.sin(1.5) * 0.4 * np.sin(1.5), rel=1e-3)
    alone = showers((1.0, 1.5, 0.12, -1))
    link(alone, 1, tracks, 1)
    assert alone[0, CLUSTER_DISTANCE] == NO_TRACK_DISTANCE


def test_touching_clusters_get_one_hadron_cluster_and_are_photons_alone() -> None:
    near = BELLE2.calorimeter.region_near
    clusters = showers((1.0, 1.5, 0.1, -1), (2.0, 1.5, 0.1 + 0.5 * near, 3))
    assert add_sums(clusters, 2, BELLE2.to_record(), np.uint64(5)) == 3
    whole = clusters[2]
    assert whole[CLUSTER_IS_PHOTON] == 0
    assert whole[CLUSTER_IS_HADRON] == 1
    assert 0.9 * 3.0 < whole[CLUSTER_ENERGY] <= 3.0
    assert whole[CLUSTER_TRACK] == 3
    assert not clusters[:2, CLUSTER_IS_HADRON].any()
