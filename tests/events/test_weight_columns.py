"""Weights mean the same whatever file they come from: generated, kept once or twice, or the rows of a data set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, SAMPLING_WEIGHT, VARIATION_PREFIX, WEIGHT
from smartbkg.events.weight_columns import as_kept, generator_weights, sampling_weights, total_keep_probability


def test_of_kept_events_the_generators_weight_stands_beside() -> None:
    assert generator_weights({WEIGHT: np.array([2.0])}).tolist() == [2.0]
    assert generator_weights({WEIGHT: np.array([8.0]), GENERATOR_WEIGHT: np.array([2.0])}).tolist() == [2.0]


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_draws_after_one_another_multiply(first: float, second: float) -> None:
    event = {WEIGHT: np.ones(1), KEEP_PROBABILITY: np.array([first])}
    assert total_keep_probability(event, np.array([second]))[0] == pytest.approx(first * second)
    assert total_keep_probability({WEIGHT: np.ones(1)}, np.array([second])).tolist() == [second]


def test_a_row_stands_for_as_many_events_as_its_sampling_or_its_filter_left_out() -> None:
    one = np.ones(2)
    assert sampling_weights({WEIGHT: one}).tolist() == [1, 1]
    assert sampling_weights({WEIGHT: one, SAMPLING_WEIGHT: np.array([4.0, 1.0])}).tolist() == [4, 1]
    assert sampling_weights({WEIGHT: one, KEEP_PROBABILITY: np.array([0.25, 1.0])}).tolist() == [4, 1]


def test_a_data_set_as_kept_events_has_the_same_sums_in_every_variation() -> None:
    random = np.random.default_rng(3)
    batch = random_events(50)
    batch.event[WEIGHT], batch.event[SAMPLING_WEIGHT] = random.normal(1, 1, 50), random.uniform(1, 9, 50)
    batch.event[VARIATION_PREFIX + "up"] = random.normal(1, 1, 50)
    kept = as_kept(batch).event
    assert SAMPLING_WEIGHT not in kept
    for name in (WEIGHT, VARIATION_PREFIX + "up"):
        np.testing.assert_allclose(kept[name], batch.event[name] * batch.event[SAMPLING_WEIGHT])
    np.testing.assert_allclose(kept[WEIGHT] * kept[KEEP_PROBABILITY], kept[GENERATOR_WEIGHT])
    np.testing.assert_allclose(generator_weights(kept), batch.event[WEIGHT])
    generated = random_events(3)
    assert as_kept(generated) is generated
