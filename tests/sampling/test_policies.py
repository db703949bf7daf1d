"""Policies against their closed forms; what a user writes and what a model file stores."""

import math

import numpy as np
import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.policies import (
    ExponentialPolicy,
    OptimalPolicy,
    Policy,
    ScorePolicy,
    ThresholdPolicy,
    UnsolvedOptimal,
    parse_policy,
    policy_from_dict,
)

POLICIES = [
    ScorePolicy(),
    ThresholdPolicy(0.0),
    ThresholdPolicy(0.3),
    ExponentialPolicy(0.46, -0.25),
    OptimalPolicy(1.5),
    OptimalPolicy(0.7, 10.0, (1.0, 2.0), (0.05, 0.1)),
    OptimalPolicy(9.0, 10.0, has_simulation_cost=True),
]


def test_score_policy_keeps_with_the_score() -> None:
    np.testing.assert_allclose(ScorePolicy().keep_probability([0.0, 0.2, 1.0]), [1e-4, 0.2, 1.0])


def test_threshold_policy_keeps_from_the_threshold_up() -> None:
    np.testing.assert_array_equal(ThresholdPolicy(0.3).keep_probability([0.29, 0.3, 0.9]), [0, 1, 1])
    assert not ThresholdPolicy(0.3).is_unbiased
    assert all(policy.is_unbiased for policy in POLICIES if not isinstance(policy, ThresholdPolicy))


def test_a_threshold_of_zero_is_a_threshold_and_keeps_everything() -> None:
    np.testing.assert_array_equal(ThresholdPolicy(0.0).keep_probability([0.0, 0.5]), [1, 1])


def test_exponential_policy_is_upstream_clipped_exponential_of_the_logit() -> None:
    a, b = 0.46, -0.25
    logits = np.array([-20.0, -4.0, -1.0, b, 3.0])
    expected = [min(max(math.exp(a * (x - b)), 0.01), 1.0) for x in logits]
    score = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(ExponentialPolicy(a, b).keep_probability(score), expected, rtol=1e-9)


def test_exponential_policy_at_the_ends_of_the_score() -> None:
    np.testing.assert_allclose(ExponentialPolicy(0.46, -0.25).keep_probability([0.0, 1.0]), [0.01, 1.0])


def test_exponential_policy_with_a_half_is_the_square_root_rule_for_rare_events() -> None:
    p = np.array([1e-3, 2e-3, 4e-3])
    q = ExponentialPolicy(0.5, -1.0).keep_probability(p)
    np.testing.assert_allclose(q / np.sqrt(p), math.exp(0.5), rtol=3e-3)


def test_optimal_policy_is_lambda_times_the_root_within_its_bounds() -> None:
    q = OptimalPolicy(1.5, 10.0).keep_probability([0.0, 0.001, 0.04, 0.9])
    np.testing.assert_allclose(q, [0.1, 0.1, 0.3, 1.0])


def test_optimal_policy_follows_weight_and_simulation_cost() -> None:
    p = np.array([0.01, 0.01])
    np.testing.assert_allclose(
        OptimalPolicy(1.0, 100.0, weight_scale=1.0).keep_probability(p, weight=[2.0, -3.0]), [0.2, 0.3]
    )
    np.testing.assert_allclose(OptimalPolicy(1.0, 100.0).keep_probability(p, weight=[2.0, -3.0]), [0.1, 0.1])
    policy = OptimalPolicy(10.0, 100.0, has_simulation_cost=True)
    np.testing.assert_allclose(policy.keep_probability(p, simulation_cost=[25.0, 100.0]), [0.2, 0.1])


def test_optimal_policy_over_several_skims_has_one_keep_probability() -> None:
    policy = OptimalPolicy(0.5, 100.0, (1.0, 3.0), (0.1, 0.2))
    q = policy.keep_probability([[0.1, 0.0], [0.0, 0.2], [0.05, 0.01]])
    np.testing.assert_allclose(q, 0.5 * np.sqrt([1.0, 3.0, 0.65]).clip(max=2.0))


def test_policies_of_one_score_serve_several_skims_by_the_highest() -> None:
    scores = np.array([[0.1, 0.5], [0.3, 0.2]])
    for policy in (ScorePolicy(), ThresholdPolicy(0.25), ExponentialPolicy(0.46, -0.25)):
        each = np.stack([policy.keep_probability(scores[:, i]) for i in range(2)], axis=1)
        np.testing.assert_array_equal(policy.keep_probability(scores), each.max(axis=1))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.label)
def test_a_policy_survives_storage(policy: Policy) -> None:
    assert policy_from_dict(policy.to_dict()) == policy


@pytest.mark.parametrize("policy", POLICIES[:5], ids=lambda policy: policy.label)
@pytest.mark.parametrize("bad", [-0.01, 1.01, np.nan])
def test_scores_out_of_range_name_the_event(policy: Policy, bad: float) -> None:
    with pytest.raises(PolicyError, match="score of event 2"):
        policy.keep_probability([0.1, 0.2, bad])


def test_scores_of_another_number_of_skims_are_refused() -> None:
    with pytest.raises(PolicyError, match="for 2 skims got the scores of 3"):
        OptimalPolicy(1.0, 10.0, (1.0, 1.0), (0.1, 0.1)).keep_probability(np.full((4, 3), 0.1))
    with pytest.raises(PolicyError, match="one skim got the scores of 2"):
        OptimalPolicy(1.0).keep_probability(np.full((4, 2), 0.1))


def test_a_weight_that_is_not_finite_names_the_event() -> None:
    with pytest.raises(PolicyError, match="weight of event 1 is inf"):
        OptimalPolicy(1.0).keep_probability([0.1, 0.1], weight=[1.0, np.inf])


def test_a_simulation_cost_must_be_given_where_it_was_solved_for_and_only_there() -> None:
    with pytest.raises(PolicyError, match="needs the simulation cost"):
        OptimalPolicy(1.0, has_simulation_cost=True).keep_probability([0.1])
    with pytest.raises(PolicyError, match="solved without"):
        OptimalPolicy(1.0).keep_probability([0.1], simulation_cost=[3.0])


@pytest.mark.parametrize("max_weight", [0.99, 0.0, -3.0, np.inf, np.nan])
def test_a_largest_weight_below_one_or_infinite_is_refused(max_weight: float) -> None:
    for make in (ScorePolicy, UnsolvedOptimal, lambda m: OptimalPolicy(1.0, m), lambda m: ExponentialPolicy(1, 0, m)):
        with pytest.raises(PolicyError, match="largest weight"):
            make(max_weight)


@pytest.mark.parametrize(
    ("lambda_", "importance", "mean_score"),
    [(0.0, None, None), (np.nan, None, None), (1.0, (1.0,), None), (1.0, (1.0, 1.0), (0.1,)), (1.0, (1.0,), (0.0,))],
)
def test_an_optimal_policy_of_nonsense_is_refused(lambda_: float, importance: object, mean_score: object) -> None:
    with pytest.raises(PolicyError):
        OptimalPolicy(lambda_, 10.0, importance, mean_score)  # type: ignore[arg-type]


@pytest.mark.parametrize("importance", [(1.0, -1.0), (0.0, 0.0), (np.nan, 1.0)])
def test_importances_that_rank_nothing_are_refused(importance: tuple[float, float]) -> None:
    with pytest.raises(PolicyError, match="importances"):
        OptimalPolicy(1.0, 10.0, importance, (0.1, 0.1))


def test_what_a_user_writes_becomes_a_policy() -> None:
    assert parse_policy("score") == ScorePolicy()
    assert parse_policy("threshold=0.3") == ThresholdPolicy(0.3)
    assert parse_policy("threshold=0.0") == ThresholdPolicy(0.0)
    assert parse_policy(" exp=0.46,-0.25 ") == ExponentialPolicy(0.46, -0.25, 100.0)
    assert parse_policy("exp=0.46,-0.25", max_weight=20) == ExponentialPolicy(0.46, -0.25, 20)
    assert parse_policy("optimal") == UnsolvedOptimal()
    assert parse_policy("optimal", 30.0, (1.0, 2.0)) == UnsolvedOptimal(30.0, (1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimum", "did you mean 'optimal'"),
        ("threshold", "0 numbers, expected 1"),
        ("threshold=high", "expected numbers"),
        ("threshold=1.5", r"in \[0, 1\]"),
        ("exp=0.46", "1 numbers, expected 2"),
        ("exp=-1,0", "a > 0"),
        ("score=1", "1 numbers, expected 0"),
    ],
)
def test_what_is_no_policy_is_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_policy(text)


@pytest.mark.parametrize("content", [{}, {"kind": "optimum"}, {"kind": "optimal"}, {"kind": "exp", "a": "x"}])
def test_a_damaged_stored_policy_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="stored policy"):
        policy_from_dict(content)
