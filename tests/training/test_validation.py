"""What a network is worth, from its scores on events whose labels are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.sampling import Costs
from smartbkg.scores.calibration import Affine
from smartbkg.scores.logistic import expit
from smartbkg.training.validation import (
    calibrated_where_possible,
    full_metrics,
    natural_sample,
    quick_metrics,
    solve_policy,
    subsample,
)

COSTS = Costs(0.1, 0.5, 100.0)


def sample(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1) calibrated scores and labels drawn with them."""
    random = np.random.default_rng(seed)
    score = expit(random.normal(-2.5, 1.5, (n, 1)))
    return score, (random.random((n, 1)) < score).astype(float)


def fake_data(label: np.ndarray, weight: np.ndarray) -> Any:
    return SimpleNamespace(label=label, weight=weight)


def test_a_part_that_is_small_enough_is_taken_whole() -> None:
    data = fake_data(np.array([[1.0], [0.0], [0.0]]), np.array([1.0, 2.0, 3.0]))
    chosen = subsample(data, np.array([0, 2]), 2)
    np.testing.assert_array_equal(chosen.events, [0, 2])
    np.testing.assert_array_equal(chosen.weight, [1.0, 3.0])


@given(st.integers(0, 50), st.integers(0, 400), st.integers(4, 60))
def test_some_events_stand_for_all_of_each_class(n_passing: int, n_failing: int, n_most: int) -> None:
    label = np.repeat([1.0, 0.0], [n_passing, n_failing])[:, None]
    data = fake_data(label, np.ones(len(label)))
    chosen = subsample(data, np.arange(len(label)), n_most)
    assert len(chosen.events) <= max(n_most, 0)
    assert len(np.unique(chosen.events)) == len(chosen.events)
    is_passing = label[chosen.events, 0] > 0
    assert chosen.weight[is_passing].sum() == pytest.approx(n_passing)
    assert chosen.weight[~is_passing].sum() == pytest.approx(n_failing)


def test_a_natural_sample_takes_each_event_as_often_as_its_weight_says() -> None:
    weight = np.array([1.0, 0.0, 3.0, 0.5])
    counts = np.bincount(natural_sample(weight, 9000), minlength=4)
    np.testing.assert_allclose(counts / 9000, weight / weight.sum(), atol=2e-4)
    assert counts[1] == 0


def test_weights_that_stand_for_events_move_the_policy_as_copies_would() -> None:
    score, _ = sample(600)
    weight = np.random.default_rng(1).integers(1, 4, 600).astype(float)
    weighted = solve_policy(score, weight, COSTS, 100.0)
    copies = solve_policy(np.repeat(score, weight.astype(int), axis=0), np.ones(int(weight.sum())), COSTS, 100.0)
    grid = np.linspace(0.001, 0.9, 50)
    np.testing.assert_allclose(weighted.keep_probability(grid), copies.keep_probability(grid), rtol=1e-3)


def test_generator_weights_of_one_size_are_not_used() -> None:
    score, _ = sample(500)
    plain = solve_policy(score, np.ones(500), COSTS, 100.0)
    signs = solve_policy(score, np.ones(500), COSTS, 100.0, generator_weight=np.where(np.arange(500) % 2, 1.0, -1.0))
    grid = np.linspace(0.001, 0.9, 20)
    np.testing.assert_array_equal(plain.keep_probability(grid), signs.keep_probability(grid))


def test_separation_and_gain_rise_with_what_the_scores_know() -> None:
    score, label = sample()
    shuffled = np.random.default_rng(5).permutation(score)
    weight, importance = np.ones(len(score)), np.ones(1)
    good = quick_metrics(score, label, weight, COSTS, 100.0, importance)
    bad = quick_metrics(shuffled, label, weight, COSTS, 100.0, importance)
    assert good[0] > 0.75 > 0.55 > bad[0] > 0.45
    assert good[1] > bad[1]


def test_the_speed_up_of_an_epoch_does_not_suffer_from_a_network_that_is_too_sure_of_itself() -> None:
    score, label = sample()
    weight, prior = np.ones(len(score)), label.mean(axis=0)
    sure = 4 * np.log(score / (1 - score)) - 1
    speed_up = [
        quick_metrics(calibration.apply(sure), label, weight, COSTS, 100.0, np.ones(1))[1]
        for calibration in (
            calibrated_where_possible(sure, label, weight, prior),
            Affine.for_prior(prior, np.full(1, 0.5)),
        )
    ]
    assert speed_up[0] == pytest.approx(quick_metrics(score, label, weight, COSTS, 100.0, np.ones(1))[1], rel=0.02)
    assert speed_up[1] < 0.9 * speed_up[0]
    passing_alone = calibrated_where_possible(sure, np.ones_like(label), weight, prior)
    np.testing.assert_array_equal(passing_alone.apply(sure), Affine.for_prior(prior, np.full(1, 0.5)).apply(sure))


def test_a_skim_without_importance_does_not_count() -> None:
    score, label = sample()
    noise = np.random.default_rng(6).permutation(score)
    both, labels = np.concatenate([score, noise], axis=1), np.concatenate([label, label], axis=1)
    weight = np.ones(len(score))
    alone = quick_metrics(both, labels, weight, COSTS, 100.0, np.array([1.0, 1e-12]))
    first = quick_metrics(score, label, weight, COSTS, 100.0, np.ones(1))
    assert alone[0] == pytest.approx(first[0], abs=1e-6)


def test_metrics_of_a_skim_leave_out_events_on_which_it_was_not_run() -> None:
    score, label = sample()
    both, labels = np.repeat(score, 2, axis=1), np.repeat(label, 2, axis=1)
    labels[1000:, 1] = np.nan
    weight = np.ones(len(score))
    policy = solve_policy(both, weight, COSTS, 100.0, np.ones(2))
    first, second = full_metrics(both, labels, weight, policy, COSTS, ("a", "b"), np.ones(len(score)))
    assert first.n_passing == int(label.sum())
    assert second.n_passing == int(label[:1000].sum())
    assert second.retention == pytest.approx(label[:1000].mean())
    assert first.calibration_error < 0.02
    assert first.speed_up.error > 0
    content = first.to_dict()
    assert content["speed_up"] == first.speed_up.value
    assert content["speed_up_error"] == first.speed_up.error


def test_overconfident_scores_have_a_large_calibration_error() -> None:
    score, label = sample()
    weight = np.ones(len(score))
    policy = solve_policy(score, weight, COSTS, 100.0)
    (figures,) = full_metrics(np.minimum(2 * score, 1), label, weight, policy, COSTS, ("a",), np.ones(len(score)))
    assert figures.calibration_error == pytest.approx(label.mean(), abs=0.05)
