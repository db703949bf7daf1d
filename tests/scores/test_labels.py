"""Fractions as labels: an event passes with the fraction and fails with the rest."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.scores.labels import split_labels


def test_yes_or_no_labels_are_handed_on_as_they_are() -> None:
    score, weight = np.array([0.1, 0.2]), np.array([1.0, -2.0])
    label, same_score, same_weight = split_labels(np.array([1.0, 0.0]), score, weight)
    np.testing.assert_array_equal(label, [True, False])
    assert same_score is score
    assert same_weight is weight


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-5, 5)), min_size=1, max_size=20))
def test_the_weight_of_each_event_is_divided_between_passing_and_failing(events: list[tuple[float, float]]) -> None:
    fraction, weight = np.array(events).T
    score = np.arange(len(events), dtype=float)
    label, repeated, shared = split_labels(fraction, score, weight)
    for row in range(len(events)):
        is_own = repeated == row
        np.testing.assert_allclose(shared[is_own].sum(), weight[row], atol=1e-12)
        np.testing.assert_allclose(shared[is_own & label].sum(), weight[row] * fraction[row], atol=1e-12)
