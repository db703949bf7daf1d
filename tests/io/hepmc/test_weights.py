"""Weights in HepMC: which one counts, what they are called, and that a filter's sums survive writing and reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, VARIATION_PREFIX, WEIGHT
from smartbkg.io.hepmc.weights import (
    WEIGHT_LAYOUTS,
    WeightLayout,
    distinct_names,
    filtered_weights,
    layout_names,
    names_of_numbers,
    weight_columns,
    written_names,
)


@given(st.lists(st.text("ab _2", max_size=3), max_size=8))
def test_written_names_are_as_many_all_different_and_without_blanks(names: list[str]) -> None:
    written = written_names(names)
    assert len(written) == len(names) == len(set(written))
    assert all(name and " " not in name for name in written)


def test_names_that_are_distinct_stay() -> None:
    assert distinct_names(["nominal", "MUR2", "0"]) == ("nominal", "MUR2", "0")


@pytest.mark.parametrize("layout", WEIGHT_LAYOUTS)
@pytest.mark.parametrize("names", [("Default",), ("nominal", "up", "down")])
def test_what_is_written_of_kept_events_is_read_as_the_same_weights(
    layout: WeightLayout, names: tuple[str, ...]
) -> None:
    random = np.random.default_rng(4)
    batch = random_events(20, seed=1)
    generator = random.normal(1.0, 0.6, (20, len(names)))
    q = random.uniform(0.05, 1.0, 20).astype(np.float32).astype(np.float64)
    batch.event[GENERATOR_WEIGHT], batch.event[KEEP_PROBABILITY] = generator[:, 0], q
    batch.event[WEIGHT] = generator[:, 0] / q
    if len(names) > 1:
        for place, name in enumerate(names):
            batch.event[VARIATION_PREFIX + name] = generator[:, place] / q
    written = filtered_weights(batch, len(names), layout)
    found = weight_columns(layout_names(names, layout, names[0]), written, names[0])
    np.testing.assert_allclose(found[WEIGHT], generator[:, 0] / q)
    np.testing.assert_allclose(found[GENERATOR_WEIGHT], generator[:, 0])
    for place, name in enumerate(names if len(names) > 1 else ()):
        np.testing.assert_allclose(found[VARIATION_PREFIX + name], generator[:, place] / q, err_msg=name)


def test_the_weight_that_other_programs_read_first_is_the_unbiased_one() -> None:
    batch = random_events(3, seed=2)
    batch.event[WEIGHT], batch.event[KEEP_PROBABILITY] = np.array([4.0, 2.0, 0.0]), np.array([0.25, 0.5, 0.125])
    batch.event[GENERATOR_WEIGHT] = np.array([1.0, 1.0, 0.0])
    written = filtered_weights(batch, 1, "nominal")
    assert written[:, 0].tolist() == [4.0, 2.0, 0.0]
    assert written[:, -1].tolist() == [4.0, 2.0, 8.0], "1/q also where the generator's weight is 0"


def test_a_run_without_weights_weighs_one_and_single_weights_have_a_name() -> None:
    assert weight_columns((), np.empty((3, 0)))[WEIGHT].tolist() == [1, 1, 1]
    assert names_of_numbers(1) == ("Default",)
    assert names_of_numbers(3) == ("0", "1", "2")


def test_the_nominal_weight_is_found_wherever_it_stands() -> None:
    weights = np.array([[2.0, 1.0]])
    assert weight_columns(("up", "nominal"), weights, "nominal")[WEIGHT].tolist() == [1.0]
    assert weight_columns(("up", "nominal"), weights, "absent")[WEIGHT].tolist() == [2.0]
