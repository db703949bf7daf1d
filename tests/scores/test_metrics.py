"""Metrics against closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from smartbkg.errors import DatasetError
from smartbkg.scores.metrics import area_under_curve, calibration_curve, roc


def test_area_of_two_shifted_gaussians_is_the_closed_form():
    random = np.random.default_rng(1)
    label = np.repeat([True, False], 40_000)
    score = random.normal(size=80_000) + label * 1.2
    curve = roc(label, score)
    expected = norm.cdf(1.2 / np.sqrt(2))
    assert abs(curve.area - expected) < 5 * curve.area_error
    assert curve.area_error == pytest.approx(0.0016, rel=0.5)


def test_area_counts_ties_half_and_reversal_mirrors_it():
    assert area_under_curve([True, False], [0.5, 0.5]) == 0.5
    assert area_under_curve([True, True, False], [3, 1, 2]) == pytest.approx(0.5)
    assert area_under_curve([True, False, False], [3, 1, 2]) == 1.0


def test_integer_weights_count_as_repeated_events():
    label, score, weight = [True, False, True, False], [0.9, 0.8, 0.3, 0.1], [1, 3, 2, 1]
    repeated = area_under_curve(np.repeat(label, weight), np.repeat(score, weight))
    assert area_under_curve(label, score, weight) == pytest.approx(repeated)


def test_true_probabilities_are_calibrated_and_wrong_ones_are_not():
    random = np.random.default_rng(2)
    score = random.beta(0.5, 8, 100_000)
    label = random.random(100_000) < score
    good = calibration_curve(label, score)
    assert good.expected_calibration_error < 0.004
    assert good.chi2 < 45  # 15 bins, false alarm rate 1e-4
    bad = calibration_curve(label, score**0.5)
    assert bad.expected_calibration_error > 0.05
    assert bad.chi2 > 1000


@pytest.mark.parametrize("label", [[True, True], [False, False]])
def test_labels_of_one_class_are_an_error(label):
    with pytest.raises(DatasetError, match="all 2 events"):
        area_under_curve(label, [0.1, 0.2])


def test_a_bin_without_weight_and_arrays_of_other_shapes_are_refused():
    label, score = np.array([1, 0] * 10), np.linspace(0, 1, 20)
    with pytest.raises(DatasetError, match="use fewer bins"):
        calibration_curve(label, score, np.where(score < 0.5, 0.0, 1.0), n_bins=5)
    with pytest.raises(DatasetError, match="one number per event"):
        area_under_curve(label, score[:5])
    with pytest.raises(DatasetError, match="one number per event"):
        area_under_curve(label[:, None], score[:, None])
