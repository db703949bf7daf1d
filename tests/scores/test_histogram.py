"""Histograms of scores that a model carries: the shape of all events, the weight of those that were looked at."""

import numpy as np
import pytest

from smartbkg.scores.histogram import (
    BY_PROCESS,
    N_SCORE_BINS,
    TOGETHER,
    even_edges,
    histogram_metrics,
    score_bin,
    score_histogram,
)


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


def test_whole_numbers_fill_every_bin_alike_and_others_are_cut_evenly() -> None:
    edges = even_edges(np.arange(100.0), 0, 99, 30)
    assert set(np.histogram(np.arange(100.0), edges)[0][:-1]) == {4}
    assert edges[0] < 0
    assert edges[-1] > 99
    np.testing.assert_allclose(even_edges(np.array([0.5, 1.0, np.nan]), 0, 1, 4), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(even_edges(np.ones(3), 1, 1, 2), [1, 1, 1])


def test_histograms_of_processes_are_those_of_their_events() -> None:
    random = np.random.default_rng(1)
    score, weight = random.random((90, 2)), np.ones(90)
    process = np.array(["mixed", "charged", "mixed"] * 30)
    found = histogram_metrics(score, weight, ("a", "b"), process)
    assert set(found[BY_PROCESS]) == {"mixed", "charged"}
    parts = [np.array(found[BY_PROCESS][name]["b"]) for name in ("mixed", "charged")]
    np.testing.assert_allclose(parts[0] + parts[1], found[TOGETHER]["b"])
    assert sum(parts[1]) == pytest.approx(30)
