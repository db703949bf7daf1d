"""λ: the root of its equation, the maximum of the speed-up, and better than any other policy."""

import numpy as np
import pytest
from scipy.optimize import minimize

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.optimal import OptimalPolicy, UnsolvedOptimal, solve_optimal
from smartbkg.sampling.statistics import free_bound, speed_up

COSTS = Costs()


def scores(n: int = 5000, seed: int = 0) -> np.ndarray:
    return 1 / (1 + np.exp(-np.random.default_rng(seed).normal(-4, 2, n)))


@pytest.mark.parametrize("max_weight", [1.0, 2.0, 10.0, 25.0, 1e6])
@pytest.mark.parametrize("costs", [COSTS, Costs(1, 1, 1), Costs(1e-9, 1e-9, 1), Costs(50, 1, 1)])
def test_lambda_solves_the_stationarity_equation(max_weight: float, costs: Costs) -> None:
    p = scores()
    z = solve_optimal(p, costs, max_weight).lambda_ * np.sqrt(p)
    c = z.clip(1 / max_weight, 1)
    assert np.mean(costs.simulation * (z**2 - c**2) / c) == pytest.approx(costs.before_decision, rel=1e-6)


@pytest.mark.parametrize("max_weight", [2.0, 25.0, 1e4])
def test_lambda_maximises_the_speed_up(max_weight: float) -> None:
    p = scores()
    best = solve_optimal(p, COSTS, max_weight)
    top = speed_up(p, best.keep_probability(p), COSTS)
    for factor in np.geomspace(0.05, 20, 61):
        other = OptimalPolicy(best.lambda_ * factor, max_weight).keep_probability(p)
        assert speed_up(p, other, COSTS) <= top * (1 + 1e-12)


def test_no_numerical_optimiser_finds_a_better_policy() -> None:
    p = scores(12, seed=2)
    costs = Costs(1, 5, 50)
    best = solve_optimal(p, costs, 20.0)
    found = minimize(
        lambda log_q: -np.log(speed_up(p, np.exp(log_q), costs)),
        np.full(12, np.log(0.3)),
        bounds=[(np.log(0.05), 0.0)] * 12,
        tol=1e-14,
    )
    assert np.exp(-found.fun) == pytest.approx(speed_up(p, best.keep_probability(p), costs), rel=1e-8)
    np.testing.assert_allclose(np.exp(found.x), best.keep_probability(p), rtol=1e-3)


def test_weights_and_simulation_costs_enter_the_optimum() -> None:
    generator = np.random.default_rng(3)
    p = scores(10, seed=3)
    w, t = generator.normal(size=10) + 0.1, generator.gamma(3, 30, 10)
    best = solve_optimal(p, COSTS, 20.0, weight=w, simulation_cost=t)
    q = best.keep_probability(p, weight=w, simulation_cost=t)
    found = minimize(
        lambda log_q: -np.log(speed_up(p, np.exp(log_q), COSTS, w, t)),
        np.full(10, np.log(0.3)),
        bounds=[(np.log(0.05), 0.0)] * 10,
        tol=1e-14,
    )
    assert np.exp(-found.fun) == pytest.approx(speed_up(p, q, COSTS, w, t), rel=1e-8)


def test_ignoring_the_simulation_cost_of_each_event_costs_speed_up() -> None:
    generator = np.random.default_rng(4)
    p, t = scores(20_000), generator.gamma(1.5, 60, 20_000)
    knowing = solve_optimal(p, COSTS, simulation_cost=t).keep_probability(p, simulation_cost=t)
    ignoring = solve_optimal(p, COSTS).keep_probability(p)
    assert speed_up(p, knowing, COSTS, simulation_cost=t) > 1.05 * speed_up(p, ignoring, COSTS, simulation_cost=t)


def test_several_skims_minimise_the_sum_of_importance_over_speed_up() -> None:
    p = np.stack([scores(12, 5), scores(12, 6) ** 1.5], axis=1)
    importance = np.array([1.0, 3.0])

    def objective(q: np.ndarray) -> float:
        return float(sum(a / speed_up(p[:, i], q, COSTS) for i, a in enumerate(importance)))

    best = solve_optimal(p, COSTS, 20.0, importance=importance)
    found = minimize(
        lambda log_q: np.log(objective(np.exp(log_q))),
        np.full(12, np.log(0.3)),
        bounds=[(np.log(0.05), 0.0)] * 12,
        tol=1e-14,
    )
    assert np.exp(found.fun) == pytest.approx(objective(best.keep_probability(p)), rel=1e-8)


def test_with_free_decisions_the_free_bound_is_reached() -> None:
    p = scores()
    costs = Costs(1e-12, 1e-12, 1.0)
    assert speed_up(p, solve_optimal(p, costs, 1e9).keep_probability(p), costs) == pytest.approx(free_bound(p))


def test_a_useless_score_is_recognised_and_everything_kept() -> None:
    p = np.full(100, 0.05)
    q = solve_optimal(p, COSTS).keep_probability(p)
    np.testing.assert_array_equal(q, 1.0)


def test_the_optimum_does_not_depend_on_the_scale_of_weights_or_times() -> None:
    p = scores(1000)
    w = np.random.default_rng(1).exponential(size=1000)
    q = solve_optimal(p, COSTS, weight=w).keep_probability(p, weight=w)
    scaled = solve_optimal(p, COSTS, weight=1e-6 * w).keep_probability(p, weight=1e-6 * w)
    np.testing.assert_allclose(q, scaled, rtol=1e-9)
    minutes = Costs(COSTS.generation / 60, COSTS.filtering / 60, COSTS.simulation / 60)
    assert solve_optimal(p, minutes).lambda_ == pytest.approx(solve_optimal(p, COSTS).lambda_)


def test_one_column_of_scores_is_one_skim() -> None:
    p = scores(1000)
    assert solve_optimal(p[:, None], COSTS) == solve_optimal(p, COSTS)


def test_an_unsolved_wish_is_solved_with_its_settings() -> None:
    p = scores(1000)
    assert UnsolvedOptimal(30.0).solve(p, COSTS) == solve_optimal(p, COSTS, 30.0)


@pytest.mark.parametrize(
    ("score", "options", "message"),
    [
        ([], {}, "no scores"),
        ([0.0, 0.0], {}, "all 2 scores or weights are zero"),
        ([0.1, 0.2], {"weight": [0.0, 0.0]}, "scores or weights are zero"),
        ([0.1, np.nan], {}, "score of event 1 is nan"),
        ([0.1, 1.2], {}, "score of event 1"),
        ([0.1, 0.2], {"max_weight": 0.5}, "largest weight"),
        ([0.1, 0.2], {"simulation_cost": [1.0, 0.0]}, "simulation cost of event 1"),
        ([[0.1, 0.0], [0.2, 0.0]], {}, "scores of skim 1 are zero"),
        ([[0.1, 0.3], [0.2, 0.1]], {"importance": [1.0]}, "1 importances for 2 skims"),
    ],
)
def test_what_cannot_be_solved_is_refused(score: list[float], options: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        solve_optimal(score, COSTS, **options)  # type: ignore[arg-type]


def test_the_default_floor_costs_half_a_per_cent_for_sharp_scores() -> None:
    p = 1 / (1 + np.exp(-np.random.default_rng(1).normal(-5, 2.2, 200_000)))
    gains = [speed_up(p, solve_optimal(p, COSTS, w).keep_probability(p), COSTS) for w in (20, 25, 100 / 3, 1e6)]
    np.testing.assert_allclose(gains, [2.106, 2.114, 2.120, 2.125], atol=0.001)
