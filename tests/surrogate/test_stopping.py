"""When a surrogate need not be asked again: the gain is never negative, and zero where nothing can change."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.sampling.optimal import OptimalPolicy
from smartbkg.surrogate.combination import N_OWN, Combination
from smartbkg.surrogate.prior import BetaPrior
from smartbkg.surrogate.stopping import StoppingRule, rule_from_dict

COMBINATION = Combination((BetaPrior((0.0, 4.0, 0.0), (0.0, 0.0)),), ((0.0,) * N_OWN,))
NETWORK = np.linspace(-9, 3, 60)[:, None]


def rule(lambda_: float = 3.0, max_weight: float = 50.0, least_gain: float = 0.001) -> StoppingRule:
    return StoppingRule(lambda_, max_weight, (1.0,), least_gain)


@pytest.mark.parametrize("passed", [0, 1, 4])
def test_more_knowledge_never_costs(passed: int) -> None:
    counts = np.full((60, 1), passed, np.int32)
    gain = rule().gain(COMBINATION, NETWORK, counts, 8, 8)
    assert (gain >= -1e-12).all()
    assert gain.max() > 0
    wide = rule().gain(COMBINATION, NETWORK, counts, 8, 64)
    assert wide.max() > gain.max()


def test_where_every_score_is_kept_alike_there_is_nothing_to_gain() -> None:
    counts = np.zeros((60, 1), np.int32)
    np.testing.assert_allclose(rule(lambda_=1e4).gain(COMBINATION, NETWORK, counts, 8, 8)[-10:], 0, atol=1e-7)
    np.testing.assert_allclose(rule(max_weight=1.0).gain(COMBINATION, NETWORK, counts, 8, 8), 0, atol=1e-9)


def test_an_event_ends_where_the_gain_of_a_replica_is_too_small() -> None:
    counts = np.zeros((60, 1), np.int32)
    gain = rule().gain(COMBINATION, NETWORK, counts, 8, 8)
    limit = float(np.median(gain)) / 8
    done = rule(least_gain=limit).is_done(COMBINATION, NETWORK, counts, 8, 8)
    np.testing.assert_array_equal(done, gain <= limit * 8)
    assert 0 < done.sum() < 60


def test_the_rule_of_a_policy_values_each_skim_by_importance_over_mean_score() -> None:
    one = StoppingRule.for_policy(OptimalPolicy(2.0, 20.0), 0.01)
    assert (one.lambda_, one.max_weight, one.value) == (2.0, 20.0, (1.0,))
    joint = OptimalPolicy(2.0, 20.0, importance=(1.0, 3.0), mean_score=(0.1, 0.2))
    np.testing.assert_allclose(StoppingRule.for_policy(joint, 0.01).value, (10.0, 15.0))


def test_a_rule_survives_json_and_impossible_numbers_are_refused() -> None:
    assert rule_from_dict(rule().to_dict()) == rule()
    for wrong in ({"lambda": -1.0}, {"least_gain": float("nan")}, {"value": []}, {"value": None}):
        with pytest.raises(ModelError, match="stopping rule"):
            rule_from_dict(rule().to_dict() | wrong)
