"""Speed-up, effective sample size and bound against closed forms and against simulated campaigns."""

import numpy as np
import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.statistics import (
    bootstrap,
    effective_sample_size,
    free_bound,
    speed_up,
    speed_up_estimate,
    speed_up_terms,
)

COSTS = Costs(0.08, 0.63, 97.04)


def test_effective_sample_size_of_equal_weights_is_their_number() -> None:
    assert effective_sample_size(np.full(17, 3.5)) == pytest.approx(17)


def test_effective_sample_size_has_its_closed_form() -> None:
    assert effective_sample_size([1, 2, 3]) == pytest.approx(36 / 14)
    assert effective_sample_size([1, -1, 2]) == pytest.approx(4 / 6)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0]])
def test_weights_that_are_all_zero_are_refused(weights: list[float]) -> None:
    with pytest.raises(PolicyError, match="all zero"):
        effective_sample_size(weights)


def test_a_weight_that_is_nan_is_named() -> None:
    with pytest.raises(PolicyError, match="weight 1 is nan"):
        effective_sample_size([1.0, np.nan])


def test_keeping_everything_costs_the_decision_and_gains_nothing() -> None:
    p = np.array([0.1, 0.2, 0.9])
    assert speed_up(p, np.ones(3), COSTS) == pytest.approx((0.08 + 97.04) / (0.08 + 0.63 + 97.04))


def test_speed_up_at_two_kinds_of_events_has_its_closed_form() -> None:
    # A tenth of the events pass with certainty, the others never; these are kept with q = 0.2.
    p = np.array([1.0] + [0.0] * 9)
    q = np.array([1.0] + [0.2] * 9)
    expected = (0.08 + 97.04) / (0.71 + 0.28 * 97.04)
    assert speed_up(p, q, COSTS) == pytest.approx(expected)


def test_free_bound_is_reached_where_deciding_is_free() -> None:
    p = np.random.default_rng(3).beta(0.3, 5, 1000)
    free = Costs(1e-12, 1e-12, 1.0)
    assert speed_up(p, np.sqrt(p / p.max()), free) == pytest.approx(free_bound(p), rel=1e-6)


def test_free_bound_with_weights_and_times_is_reached_by_its_own_rule() -> None:
    generator = np.random.default_rng(4)
    p, w, t = generator.beta(0.3, 5, 1000), generator.normal(size=1000), generator.gamma(2, 40, 1000)
    q = np.abs(w) * np.sqrt(p / t)
    reached = speed_up(p, q / q.max(), Costs(1e-12, 1e-12, 1.0), weight=w, simulation_cost=t)
    assert reached == pytest.approx(free_bound(p, w, t), rel=1e-6)


def test_free_bound_of_a_perfect_score_is_one_over_the_retention() -> None:
    assert free_bound([1.0, 0.0, 0.0, 0.0, 0.0]) == pytest.approx(5.0)


def test_speed_up_predicts_effective_events_per_second_of_simulated_campaigns() -> None:
    generator = np.random.default_rng(5)
    p = generator.beta(0.4, 4, 200_000)
    q = np.clip(np.sqrt(p), 0.05, 1)
    passes, kept = generator.random(p.size) < p, generator.random(p.size) < q
    with_filter = effective_sample_size(1 / q[passes & kept]) / (p.size * 0.71 + kept.sum() * 97.04)
    without = passes.sum() / (p.size * (0.08 + 97.04))
    assert with_filter / without == pytest.approx(speed_up(p, q, COSTS), rel=0.02)


def test_labels_give_the_speed_up_of_probabilities() -> None:
    generator = np.random.default_rng(6)
    p = generator.beta(0.4, 4, 400_000)
    q = np.clip(np.sqrt(p), 0.05, 1)
    label = generator.random(p.size) < p
    assert speed_up(label, q, COSTS) == pytest.approx(speed_up(p, q, COSTS), rel=0.015)


def test_events_simulated_for_other_skims_cost_time_but_add_no_events() -> None:
    p, q = np.array([0.5, 0.1]), np.array([0.5, 0.2])
    more = speed_up(p, q, COSTS, simulated_probability=np.array([0.9, 0.6]))
    assert more == pytest.approx(speed_up(p, q, COSTS) * (0.71 + 0.35 * 97.04) / (0.71 + 0.75 * 97.04))


def test_a_threshold_that_loses_passing_events_has_no_speed_up() -> None:
    assert speed_up([1, 1, 0], [1, 0, 0], COSTS) == 0.0


def test_no_passing_event_is_an_error() -> None:
    with pytest.raises(PolicyError, match="none of 3 events passes"):
        speed_up([0, 0, 0], [1, 1, 1], COSTS)
    with pytest.raises(PolicyError, match="none of 0 events"):
        speed_up([], [], COSTS)
    with pytest.raises(PolicyError, match="bound"):
        free_bound([0.0, 0.0])


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_a_probability_out_of_range_names_the_event(bad: float) -> None:
    with pytest.raises(PolicyError, match="keep probability of event 1"):
        speed_up([1, 0], [1, bad], COSTS)


def test_bootstrap_error_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(7).normal(size=2000)
    means = bootstrap(values, 2000, seed=1)
    assert means.std() == pytest.approx(values.std() / np.sqrt(2000), rel=0.07)


def test_bootstrap_gives_equal_replicas_for_equal_seeds_in_any_block() -> None:
    values = np.random.default_rng(8).normal(size=(500, 2))
    np.testing.assert_array_equal(bootstrap(values, 50, 3), bootstrap(values, 50, 3))
    assert bootstrap(values, 50, 3).shape == (50, 2)
    assert not np.array_equal(bootstrap(values, 50, 3), bootstrap(values, 50, 4))


def test_one_replica_gives_no_uncertainty() -> None:
    with pytest.raises(PolicyError, match="at least 2"):
        bootstrap([1.0, 2.0], 1)


def test_bootstrap_error_of_the_speed_up_is_the_spread_over_samples() -> None:
    generator = np.random.default_rng(9)
    estimates = []
    for _ in range(150):
        p = generator.beta(0.4, 4, 3000)
        q = np.clip(np.sqrt(p), 0.05, 1)
        terms = speed_up_terms(generator.random(p.size) < p, q, COSTS)
        estimates.append(speed_up_estimate(terms, COSTS, 100))
    spread = np.std([estimate.value for estimate in estimates])
    # 150 samples fix a standard deviation to 6 %; 20 % is more than three of those.
    assert np.mean([estimate.error for estimate in estimates]) == pytest.approx(spread, rel=0.2)
    assert "±" in str(estimates[0])
