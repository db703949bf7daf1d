"""From statistics to p-values: ranks, ties, the smallest of many, and the share of the yield."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.closure.verdict import YIELD_SHARE, at_least, pool_p_values, reach_verdict


def test_a_value_counts_itself_and_what_is_larger() -> None:
    pool = np.array([3.0, 1.0, 2.0, 2.0])
    np.testing.assert_array_equal(at_least(pool, np.array([3.0, 2.0, 1.0, 0.0, 4.0])), [1, 3, 4, 4, 0])


def test_values_that_differ_by_rounding_are_ties() -> None:
    pool = np.array([1.0, 1.0 + 1e-12, 2.0])
    np.testing.assert_array_equal(at_least(pool, np.array([1.0 + 1e-12])), [3])
    np.testing.assert_array_equal(at_least(pool, np.array([np.inf])), [0])


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=60))
def test_larger_statistics_have_smaller_p_values(values: list[float]) -> None:
    row = np.array(values)
    p_values = pool_p_values(row[None])[0]
    assert ((p_values > 0) & (p_values <= 1)).all()
    order = np.argsort(row, kind="stable")
    assert (np.diff(p_values[order]) <= 1e-12).all()


def test_the_tail_is_continued_below_the_resolution_of_ranks() -> None:
    row = np.random.default_rng(0).exponential(size=1000)
    row[0] = 30.0
    p_values = pool_p_values(row[None])[0]
    assert p_values[0] < 1e-3 / 100
    assert p_values[1:].min() > 1e-6


def test_an_infinite_statistic_is_the_least_likely_of_its_pool() -> None:
    row = np.append(np.linspace(0, 1, 99), np.inf)
    p_values = pool_p_values(row[None])[0]
    assert p_values[-1] < p_values[:-1].min()


def pool(seed: int, n_tests: int = 6, n_replicas: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.chisquare(3, n_tests), random.chisquare(3, (n_tests, n_replicas))


def test_p_values_of_right_samples_are_uniform() -> None:
    """The claim behind every verdict: below 0.2 one time in five, whatever the number of tests."""
    found = []
    for seed in range(300):
        observed, replicas = pool(seed, n_replicas=99)
        found.append(reach_verdict(observed, replicas, np.ones(6, dtype=bool), None).global_p_value)
    assert np.mean(np.array(found) <= 0.2) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 300))


def test_the_worst_test_is_the_one_that_stands_out_and_tests_that_do_not_count_are_never_it() -> None:
    observed, replicas = pool(1)
    observed[4] = 60.0
    counts = np.ones(6, dtype=bool)
    verdict = reach_verdict(observed, replicas, counts, None)
    assert verdict.worst == 4
    assert verdict.global_p_value == pytest.approx(1 / 401)
    assert verdict.yield_p_value is None
    counts[4] = False
    assert reach_verdict(observed, replicas, counts, None).worst != 4
    assert reach_verdict(observed, replicas, counts, None).global_p_value > 1 / 401
    assert reach_verdict(observed, replicas, counts, None).p_values[4] == pytest.approx(1 / 401), (
        "reported all the same"
    )


def test_the_yield_alone_can_fail_a_sample_of_right_shape() -> None:
    observed, replicas = pool(3)
    observed[:5] = np.median(replicas[:5], axis=1)
    observed[5] = 80.0
    verdict = reach_verdict(observed, replicas, np.ones(6, dtype=bool), 5)
    assert verdict.worst == 5
    assert verdict.shape_p_value > 0.05
    assert verdict.yield_p_value == pytest.approx(1 / 401)
    assert verdict.global_p_value == pytest.approx(1 / 401 / YIELD_SHARE)


def test_a_global_p_value_is_never_above_one() -> None:
    replicas = np.ones((3, 50))
    assert reach_verdict(np.zeros(3), replicas, np.ones(3, dtype=bool), 2).global_p_value == 1.0
