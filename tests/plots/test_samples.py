"""Figures of a sample: every event is in them, also where the sample is odd."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from smartbkg.plots.samples import plot_multiplicity, plot_pass_fractions, plot_score_distribution


@pytest.mark.parametrize("counts", [[3, 3, 5, 0], [1] * 4, [], [0, 950], list(range(300))])
def test_each_event_is_in_one_bin_of_the_multiplicity(counts: list[int]) -> None:
    particles = pa.chunked_array([pa.array([[0] * n for n in counts], type=pa.list_(pa.int8()))])
    (axes,) = plot_multiplicity(particles).axes
    (steps,) = axes.patches
    assert steps.get_data().values.sum() == len(counts)
    assert len(steps.get_data().values) <= 102


def test_fractions_are_in_per_cent_the_first_skim_on_top() -> None:
    passes = {"a": np.array([True] + [False] * 39), "b": np.array([True] * 5 + [False] * 5)}
    (axes,) = plot_pass_fractions(passes).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "a"]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [50, 2.5])
    assert axes.get_xscale() == "log"


def test_fractions_of_one_size_have_an_axis_from_zero_whose_labels_can_be_read() -> None:
    (axes,) = plot_pass_fractions({"a": np.array([True] + [False] * 9)}).axes
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim() == pytest.approx((0, 12))


def test_a_skim_that_nothing_passes_keeps_the_axis_linear() -> None:
    (axes,) = plot_pass_fractions({"a": np.zeros(5, bool), "b": np.empty(0, bool)}).axes
    assert axes.get_xscale() == "linear"


def test_scores_below_and_above_the_axis_are_counted_at_its_ends() -> None:
    scores = {"score_a": np.array([0.0, 1e-9, 0.01, 0.5]), "score_b": np.array([0.2, 0.3])}
    (axes,) = plot_score_distribution(scores).axes
    assert sum(steps.get_data().values.sum() for steps in axes.patches) == 6
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
