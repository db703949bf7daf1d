"""Which policy a filter uses: the named one, else the stored one for exactly these skims."""

from __future__ import annotations

from typing import Any

import pytest

from smartbkg.errors import ModelError, UsageError
from smartbkg.filtering.policy_choice import choose_policy, stored_policy
from smartbkg.sampling.policies import ExponentialPolicy, OptimalPolicy, ScorePolicy, ThresholdPolicy

OPTIMAL = OptimalPolicy(2.0, 20.0)
BY_SKIM = {"kind": "by_skim", "policies": {"a": OPTIMAL.to_dict(), "b+a": ScorePolicy().to_dict()}}


def test_a_stored_policy_is_for_the_skims_that_it_was_solved_for() -> None:
    assert stored_policy(OPTIMAL.to_dict(), ("a",), "m") == OPTIMAL
    assert stored_policy(BY_SKIM, ("a",), "m") == OPTIMAL
    assert stored_policy(BY_SKIM, ("b", "a"), "m") == ScorePolicy()
    assert stored_policy(ThresholdPolicy(0.5).to_dict(), ("a", "b"), "m") == ThresholdPolicy(0.5)


@pytest.mark.parametrize(
    ("stored", "skims"), [(None, ("a",)), (BY_SKIM, ("b",)), (BY_SKIM, ("a", "b")), (OPTIMAL.to_dict(), ("a", "b"))]
)
def test_a_policy_that_is_not_there_says_how_to_make_one(stored: dict[str, Any] | None, skims: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match=r"m: the model carries no policy.*smartbkg plan"):
        stored_policy(stored, skims, "m")


def test_a_name_wins_over_the_model_and_none_or_optimal_take_the_models() -> None:
    assert choose_policy("exp=0.5,-1", OPTIMAL.to_dict(), ("a",), "m") == ExponentialPolicy(0.5, -1.0)
    assert choose_policy("threshold=0.0", OPTIMAL.to_dict(), ("a",), "m") == ThresholdPolicy(0.0)
    for text in (None, "optimal"):
        assert choose_policy(text, OPTIMAL.to_dict(), ("a",), "m") == OPTIMAL


def test_optimal_of_a_model_that_has_another_policy_is_refused() -> None:
    with pytest.raises(ModelError, match="carries the policy 'score', not an optimal one"):
        choose_policy("optimal", ScorePolicy().to_dict(), ("a",), "m")


def test_a_largest_weight_belongs_to_a_named_policy() -> None:
    found = choose_policy("score", None, ("a",), "m", 7.0)
    assert found == ScorePolicy(7.0)
    with pytest.raises(UsageError, match="--max-weight belongs to a policy that is named"):
        choose_policy(None, OPTIMAL.to_dict(), ("a",), "m", 7.0)
