"""The difference of two samples as a sum over events: its law, its replicas, its bins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from smartbkg.closure.deviations import (
    LEAST_EFFECTIVE_EVENTS,
    Binning,
    Deviations,
    fine_binning,
    histogram_binning,
    pair_binning,
)

Array = NDArray[np.float64]
N = 400


def drawn(seed: int = 0, n: int = N) -> Deviations:
    random = np.random.default_rng(seed)
    q, weight = random.uniform(0.2, 1, n), random.normal(1, 0.4, n)
    kept = random.random(n) < q
    return Deviations.of_draw(weight, q, kept, weight / q)


def test_a_draw_deviates_by_the_stated_weight_of_kept_events_and_by_minus_w_of_others() -> None:
    weight, q = np.array([2.0, 3.0]), np.array([0.5, 0.25])
    found = Deviations.of_draw(weight, q, np.array([True, False]), np.array([4.0, 99.0]))
    np.testing.assert_allclose(found.observed, [4 - 2, -3])
    np.testing.assert_allclose(found.variance, [2**2 * 1, 3**2 * 3])  # w²(1 − q)/q
    assert not found.is_shape_only


def test_events_that_are_always_kept_add_nothing() -> None:
    found = Deviations.of_draw(np.ones(5), np.ones(5), np.ones(5, dtype=bool), np.ones(5))
    assert found.total_pull == 0
    assert not found.variance.any()
    assert not next(found.replicas(3, 0)).any()


def test_a_missing_event_of_probability_one_is_infinitely_unlikely() -> None:
    kept = np.array([True, False, True])
    assert Deviations.of_draw(np.ones(3), np.ones(3), kept, np.ones(3)).total_pull == -np.inf


def test_a_random_part_of_all_events_counts_them_by_the_inverse_of_its_share() -> None:
    weight, is_in = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, True])
    found = Deviations.of_part(weight, is_in)
    np.testing.assert_allclose(found.kept_weight, [2, 0, 0, 8])
    assert found.n_drawn == 2
    assert found.is_shape_only


def test_independent_samples_are_scaled_to_the_same_total() -> None:
    found = Deviations.of_samples(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0]), None)
    assert found.observed.sum() == pytest.approx(0)
    assert found.kept_weight.sum() == pytest.approx(6)
    np.testing.assert_allclose(found.variance, [1, 4, 9, 9, 9])


def test_a_kept_part_of_the_full_sample_is_not_scaled_and_has_the_variance_of_its_draw() -> None:
    found = Deviations.of_samples(np.ones(4), np.array([2.0, 4.0]), np.array([0.5, 0.25]))
    np.testing.assert_allclose(found.observed, [-1, -1, -1, -1, 2, 4])
    np.testing.assert_allclose(found.variance, [0, 0, 0, 0, 2**2 * 0.5, 4**2 * 0.75])


@pytest.mark.parametrize(
    "make",
    [
        drawn,
        lambda: Deviations.of_part(np.ones(N), np.arange(N) % 3 == 0),
        lambda: Deviations.of_samples(np.ones(N), np.ones(N // 2), None),
    ],
)
def test_replicas_have_mean_zero_and_the_stated_variance(make: Callable[[], Deviations]) -> None:
    deviations = make()
    totals = np.concatenate([block.sum(axis=0) for block in deviations.replicas(4000, 1)])
    spread = np.sqrt(deviations.variance.sum())
    assert abs(totals.mean()) < 5 * spread / np.sqrt(4000)
    if deviations.n_drawn is None:
        assert totals.std() == pytest.approx(spread, rel=0.06)
    else:  # so many of equal weight are always drawn
        assert totals.std() < 1e-9


def test_replicas_depend_on_the_seed_alone() -> None:
    first, again, other = (next(drawn().replicas(5, seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sums_in_bins_add_up_to_the_sample_and_leave_missing_values_out() -> None:
    deviations, values = drawn(), np.random.default_rng(5).normal(size=N)
    values[:7] = np.nan
    binning = histogram_binning("x", values, deviations, 8)
    assert binning.all_sum.sum() == pytest.approx(deviations.all_weight[7:].sum())
    assert binning.kept_sum.sum() == pytest.approx(deviations.kept_weight[7:].sum())
    assert (binning.index[:7] == -1).all()
    np.testing.assert_allclose(
        binning.sums(deviations.observed[:, None])[:, 0], binning.kept_sum - binning.all_sum, atol=1e-9
    )


def test_bins_of_a_draw_depend_on_probabilities_not_on_who_was_kept() -> None:
    random = np.random.default_rng(2)
    q, values = random.uniform(0.05, 0.9, N), random.normal(size=N)
    edges = [
        histogram_binning("x", values, Deviations.of_draw(np.ones(N), q, random.random(N) < q, 1 / q), 20).edges
        for _ in range(4)
    ]
    for other in edges[1:]:
        np.testing.assert_array_equal(edges[0], other)


def test_sparse_bins_are_merged_until_each_holds_enough_events() -> None:
    deviations = drawn(n=2000)
    values = np.random.default_rng(3).exponential(size=2000)
    binning = histogram_binning("x", values, deviations, 40)
    assert (np.diff(binning.edges) > 0).all()
    assert binning.n_bins == len(binning.edges) - 1
    assert (binning.effective[:-1] >= LEAST_EFFECTIVE_EVENTS * 0.8).all()


def test_a_histogram_of_nearly_all_equal_values_spans_all_of_them() -> None:
    values = np.zeros(N)
    values[0], values[1] = -4.25, 9.5
    binning = histogram_binning("x", values, drawn(), 5)
    assert binning.edges[0] == -4.25
    assert binning.edges[-1] == 9.5


@pytest.mark.parametrize("largest", [3, 12, 70])
def test_every_bin_of_whole_numbers_holds_as_many_of_them(largest: int) -> None:
    values = np.random.default_rng(4).integers(0, largest + 1, 20_000).astype(np.float64)
    values[7] = np.nan
    edges = histogram_binning("nTracks", values, drawn(n=20_000), 20).edges
    assert (edges % 1 == 0.5).all()
    assert len(set(np.diff(edges))) == 1
    assert edges[0] <= 0.5
    assert edges[-1] >= 0.9 * largest


def test_in_shape_alone_a_common_factor_is_no_difference() -> None:
    deviations = Deviations.of_samples(np.ones(N), np.full(N, 7.0), None)
    values = np.tile(np.linspace(0, 1, N), 2)
    binning = histogram_binning("x", values, deviations, 10)
    change = deviations.binned(binning, deviations.observed[:, None])
    np.testing.assert_allclose(change, 0, atol=1e-9)
    assert binning.chi2(change)[0] == pytest.approx(0, abs=1e-12)
    assert binning.largest_distance(change)[0] == pytest.approx(0, abs=1e-12)
    assert binning.divergence(change)[0] == pytest.approx(0, abs=1e-12)


def test_distance_of_samples_on_two_sides_is_one_and_chi2_grows_with_the_square() -> None:
    deviations = Deviations.of_draw(np.ones(100), np.full(100, 0.5), np.ones(100, dtype=bool), np.ones(100))
    index = (np.arange(100) >= 50).astype(np.int32)
    binning = Binning.of("x", np.array([0.0, 1, 2]), index, deviations)
    moved = np.array([[-50.0], [50.0]])  # all events from the first bin into the second
    assert binning.largest_distance(moved)[0] == pytest.approx(0.5)
    np.testing.assert_allclose(binning.chi2(2 * moved), 4 * binning.chi2(moved))
    assert binning.chi2(moved)[0] == pytest.approx(2 * 50**2 / 50)


def test_divergence_is_that_of_the_formula_and_leaves_empty_bins_out() -> None:
    deviations = Deviations.of_draw(np.ones(8), np.full(8, 0.5), np.ones(8, dtype=bool), np.ones(8))
    binning = Binning.of("x", np.array([0.0, 1, 2]), np.repeat([0, 1], [2, 6]).astype(np.int32), deviations)
    p, r = np.array([2, 6]) / 8, np.array([4, 4]) / 8
    assert binning.divergence(np.array([[2.0], [-2.0]]))[0] == pytest.approx((p * np.log(p / r)).sum())
    assert binning.divergence(np.array([[-2.0], [0.0]]))[0] == pytest.approx(0)


def test_cells_of_a_pair_separate_what_each_variable_alone_cannot() -> None:
    n = 4000
    random = np.random.default_rng(8)
    first, second = random.normal(size=n), random.normal(size=n)
    kept = (first > 0) == (second > 0)
    deviations = Deviations.of_draw(np.ones(n), np.full(n, 0.5), kept, np.full(n, 2.0))
    pair = pair_binning(("a", "b"), (first, second), deviations, 4)
    single = histogram_binning("a", first, deviations, 4)
    of_pair = pair.chi2(pair.sums(deviations.observed[:, None]))[0] / pair.n_bins
    alone = single.chi2(single.sums(deviations.observed[:, None]))[0] / single.n_bins
    assert pair.name == "a × b"
    assert of_pair > 20 * alone


def test_pairs_of_variables_that_are_never_both_there_make_one_cell() -> None:
    values = np.where(np.arange(N) % 2 == 0, np.nan, np.arange(N))
    pair = pair_binning(("a", "b"), (values, np.where(np.isnan(values), 1.0, np.nan)), drawn(), 3)
    assert pair.n_bins == 1


@given(st.integers(0, 2**31), st.integers(2, 300))
def test_cumulative_bins_order_events_as_their_values(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 9, n).astype(float)
    deviations = Deviations.of_draw(np.ones(n), np.full(n, 0.5), random.random(n) < 0.5, np.full(n, 2.0))
    index = fine_binning("x", values, deviations).index
    order = np.argsort(values, kind="stable")
    assert (np.diff(index[order]) >= 0).all()
    assert set(index) == set(range(index.max() + 1)), "an unoccupied bin"


def test_coverage_is_that_of_a_normal_bar_for_full_bins_and_unknown_without_probabilities() -> None:
    n = 6000
    random = np.random.default_rng(4)
    deviations, values = drawn(1, n), random.random(n)
    binning = histogram_binning("x", values, deviations, 5)
    (found,) = deviations.coverage([binning], 400, 0)
    assert found == pytest.approx(0.683, abs=0.04)
    assert deviations.coverage([binning], 0, 0) == [None]
    unknown = Deviations.of_samples(np.ones(4), np.ones(4), None)
    assert unknown.coverage([binning], 10, 0) == [None]
