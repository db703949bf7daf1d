"""What scores that are no probabilities cost, and that the sample must be able to tell."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.calibration_check import check_calibration, speed_up_of_keeping_all
from smartbkg.sampling.cost import BELLE_II_COSTS
from smartbkg.scores.logistic import expit, logit

N_EVENTS = 20_000


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(4)
    truth = expit(generator.normal(-3, 2, N_EVENTS))
    return truth, (generator.random(N_EVENTS) < truth).astype(float)


def test_probabilities_pass(sample: tuple[np.ndarray, np.ndarray]) -> None:
    truth, label = sample
    check = check_calibration(truth, label, BELLE_II_COSTS, 25.0)
    assert check.is_tolerable
    assert check.scale == pytest.approx(1, abs=0.05)
    assert check.mean_ratio == pytest.approx(1, abs=0.05)


def test_overconfident_scores_are_found_with_their_slope_and_cost(sample: tuple[np.ndarray, np.ndarray]) -> None:
    truth, label = sample
    check = check_calibration(expit(3 * logit(truth) + 4), label, BELLE_II_COSTS, 25.0)
    assert not check.is_tolerable
    assert check.scale == pytest.approx(1 / 3, rel=0.1)
    assert check.lost_speed_up > 0.01
    assert "this costs" in check.warning("feiHadronicB0")


def test_thinned_events_with_multiplicities_tell_what_all_events_tell(sample: tuple[np.ndarray, np.ndarray]) -> None:
    truth, label = sample
    score = expit(0.5 * logit(truth) - 1)
    is_chosen = (label > 0) | (np.arange(N_EVENTS) % 5 == 0)
    multiplicity = np.where(label > 0, 1.0, 5.0)[is_chosen]
    thinned = check_calibration(score[is_chosen], label[is_chosen], BELLE_II_COSTS, 25.0, multiplicity=multiplicity)
    every = check_calibration(score, label, BELLE_II_COSTS, 25.0)
    assert thinned.scale == pytest.approx(every.scale, rel=0.1)
    assert thinned.mean_ratio == pytest.approx(every.mean_ratio, rel=0.1)


def test_one_passing_event_is_enough_and_none_is_not() -> None:
    score, label = np.full(10, 0.1), np.zeros(10)
    with pytest.raises(PolicyError, match="needs passing and failing"):
        check_calibration(score, label, BELLE_II_COSTS, 25.0)
    label[3] = 1
    assert np.isfinite(check_calibration(score, label, BELLE_II_COSTS, 25.0)[:4]).all()


def test_keeping_every_event_costs_the_filter_and_gains_nothing() -> None:
    expected = (0.08 + 97.04) / (0.08 + 0.63 + 97.04)
    assert speed_up_of_keeping_all(BELLE_II_COSTS) == pytest.approx(expected)
