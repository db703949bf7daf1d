"""Histograms of scores that a model carries: the shape of all events, the weight of those that were looked at."""

import numpy as np
import pytest

from smartbkg.scores.histogram import N_SCORE_BINS, score_bin, score_histogram


def test_a_thinned_sample_has_the_shape_of_the_whole_and_its_effective_number_of_events() -> None:
    random = np.random.default_rng(0)
    score = random.beta(0.5, 3.0, 200_000)
    is_passing = random.random(len(score)) < score
    stays = is_passing | (random.random(len(score)) < 0.1)
    weight = np.where(is_passing, 1.0, 10.0)[stays]
    counts = np.array(score_histogram(score[stays], weight))
    assert counts.sum() == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    whole = np.bincount(score_bin(score), minlength=N_SCORE_BINS) / len(score)
    assert np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(whole)).max() < 0.01


def test_the_ends_have_bins_and_no_event_is_no_error() -> None:
    assert score_bin(np.array([0.0, 1.0])).tolist() == [0, N_SCORE_BINS - 1]
    assert sum(score_histogram(np.empty(0), np.empty(0))) == 0
