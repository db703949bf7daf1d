"""The page of the comparison: a panel per quantity and efficiency."""

from __future__ import annotations

import numpy as np

from smartbkg.experiment.comparison.detector import ComparedQuantity, Efficiency
from smartbkg.experiment.comparison.page import KNOWN_DIFFERENCES, draw_efficiencies, draw_quantities


def test_each_quantity_has_a_panel_with_its_distance_and_the_rest_are_empty() -> None:
    random = np.random.default_rng(0)
    one = ComparedQuantity(
        "n", "tracks", random.poisson(9, 60), random.poisson(9, 900), 9, 9, 1, 0.1, 0.0432, 0.21, 0.1
    )
    figure = draw_quantities([one] * 5, n_columns=3)
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:5]] == ["KS 0.043, p = 0.21"] * 5
    assert not figure.axes[5].axison
    assert figure.axes[0].get_xlabel() == "tracks"


def test_efficiencies_lie_between_zero_and_one_on_a_logarithmic_axis() -> None:
    one = Efficiency("π found", "p_T [GeV]", np.array([0.1, 0.3, 1.0]), np.array([0.5, np.nan]), np.array([0.1, 0.2]),
                     np.array([0.55, 0.9]), 30, 0.5, 0.1, 0.6)  # fmt: skip
    figure = draw_efficiencies([one], n_columns=2)
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_title() == "π found"
    assert not figure.axes[1].axison


def test_what_does_not_agree_is_said_in_whole_sentences() -> None:
    assert all(text.rstrip().endswith(".") for text in KNOWN_DIFFERENCES)
