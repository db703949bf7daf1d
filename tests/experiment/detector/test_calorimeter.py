"""Clusters of single particles: coverage, energies, merging, hypotheses."""

from __future__ import annotations

import numpy as np
import pytest
from experiment.particle_guns import QUIET, gun

from smartbkg.experiment.detector.calorimeter import relative_resolution
from smartbkg.experiment.detector.parameters import BELLE2


def test_energy_resolution_is_the_sum_of_three_terms_in_quadrature() -> None:
    resolution = relative_resolution.py_func
    for energy in (0.05, 0.2, 1.0, 5.0):
        expected = np.sqrt((0.00066 / energy) ** 2 + (0.0081 / energy**0.25) ** 2 + 0.0134**2)
        assert resolution(energy, BELLE2.calorimeter) == pytest.approx(expected)


def largest_energies(code: int, momentum: float, **options: float) -> np.ndarray:
    clusters = gun(code, momentum, **options).clusters  # type: ignore[arg-type]
    return np.array(
        [clusters.energy[a:b].max() for a, b in zip(clusters.offsets, clusters.offsets[1:], strict=False) if b > a]
    )


def test_photon_energies_peak_at_the_true_one_with_a_tail_below() -> None:
    ratio = largest_energies(22, 1.0)
    low, median, high = np.percentile(ratio, [5, 50, 95])
    assert 0.95 < median < 1.0
    assert median - low > 3 * (high - median)


@pytest.mark.parametrize(
    ("theta", "low", "high"), [(10, 0.0, 0.05), (75, 0.93, 1.0), (129.7, 0.2, 0.7), (158, 0, 0.05)]
)
def test_coverage_and_gaps(theta: float, low: float, high: float) -> None:
    clusters = gun(22, 1.0, theta).clusters
    seen = np.mean(np.diff(clusters.offsets) > 0)
    assert low <= seen <= high


def test_no_cluster_is_below_threshold() -> None:
    assert gun(211, 0.5).clusters.energy.min() >= QUIET.calorimeter.threshold * 0.96
    assert len(gun(22, 0.008).clusters.energy) == 0


def test_photons_of_a_fast_pi0_merge() -> None:
    def n_photon_clusters(momentum: float) -> float:
        clusters = gun(111, momentum, n=1000).clusters
        return float(np.sum(clusters.is_photon)) / 1000

    assert n_photon_clusters(1.0) > 1.6
    assert n_photon_clusters(8.0) < 1.45


def test_muons_leave_a_minimum_ionising_cluster_linked_to_their_track() -> None:
    clusters = gun(13, 1.5).clusters
    matched = clusters.energy[(clusters.track >= 0) & clusters.is_photon]
    assert np.median(matched) == pytest.approx(0.195, abs=0.01)
    assert len(matched) > 1700


def test_antiprotons_annihilate_and_protons_do_not() -> None:
    def total(code: int) -> float:
        clusters = gun(code, 0.8).clusters
        return float(clusters.energy[clusters.is_photon].sum()) / 2000

    assert total(-2212) > 2.5 * total(2212)


def test_klong_showers_are_neutral_and_softer_than_their_energy() -> None:
    clusters = gun(130, 1.0).clusters
    assert (clusters.track[clusters.origin == 0] == -1).mean() > 0.97
    assert np.mean(np.diff(clusters.offsets) > 0) == pytest.approx(0.8, abs=0.12)


def test_sum_of_hadron_hypothesis_repeats_the_energy_of_its_photon_clusters() -> None:
    clusters = gun(111, 1.5, n=1000).clusters
    assert (clusters.is_photon | clusters.is_hadron).all()
    for first, last in zip(clusters.offsets, clusters.offsets[1:], strict=False):
        photons = clusters.energy[first:last][clusters.is_photon[first:last]].sum()
        hadrons = clusters.energy[first:last][clusters.is_hadron[first:last]].sum()
        assert hadrons == pytest.approx(photons, rel=0.031)


def test_beam_background_is_as_much_as_asked() -> None:
    noisy = QUIET.replace("noisy", background={"clusters": 3.0})
    clusters = gun(14, 1.0, parameters=noisy).clusters  # type: ignore[arg-type]
    assert np.sum(clusters.is_photon & (clusters.truth < 0)) / 2000 == pytest.approx(3.0, rel=0.08)
