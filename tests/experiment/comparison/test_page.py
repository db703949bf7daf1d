"""The page of the comparison: a panel per quantity and efficiency."""

from __future__ import annotations

import numpy as np

from smartbkg.experiment.comparison.detector import ComparedQuantity, Efficiency
from smartbkg.experiment.comparison.page import KNOWN_DIFFERENCES, draw_efficiency, draw_quantity


def test_a_quantity_shows_its_distance_and_whole_numbers_in_bins_of_whole_numbers() -> None:
    random = np.random.default_rng(0)
    one = ComparedQuantity(
        "n", "tracks", random.poisson(9, 60), random.poisson(9, 900), 9, 9, 1, 0.1, 0.0432, 0.21, 0.1
    )
    axes = draw_quantity(one).axes[0]
    assert axes.get_title() == "KS 0.043, p = 0.21"
    assert axes.get_xlabel() == "tracks"
    edges = axes.patches[0].get_data().edges
    assert (edges % 1 == 0.5).all()
    assert axes.get_ylim()[1] > 1.1 * axes.patches[0].get_data().values.max(), "room for the legend above the data"


def test_efficiencies_lie_between_zero_and_one_on_a_logarithmic_axis() -> None:
    one = Efficiency("π found", "p_T [GeV]", np.array([0.1, 0.3, 1.0]), np.array([0.5, np.nan]), np.array([0.1, 0.2]),
                     np.array([0.55, 0.9]), 30, 0.5, 0.1, 0.6)  # fmt: skip
    axes = draw_efficiency(one).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_title() == "π found"


def test_what_does_not_agree_is_said_in_whole_sentences() -> None:
    assert all(text.rstrip().endswith(".") for text in KNOWN_DIFFERENCES)
