"""What every policy shares: a finite largest weight, finite generator weights."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.policies import ThresholdPolicy
from smartbkg.sampling.policy import Policy, check_max_weight, check_weights


@pytest.mark.parametrize("value", [0.999, 0.0, -3.0, float("inf"), float("nan")])
def test_a_largest_weight_that_no_keep_probability_can_give_is_refused(value: float) -> None:
    with pytest.raises(PolicyError, match="expected a finite number of at least 1"):
        check_max_weight(value)


def test_one_is_a_legal_largest_weight_and_comes_back_as_a_float() -> None:
    assert check_max_weight(1) == 1.0
    assert isinstance(check_max_weight(1), float)


def test_negative_and_zero_generator_weights_are_legal_and_others_are_named() -> None:
    np.testing.assert_array_equal(check_weights([-1, 0, 2]), [-1.0, 0.0, 2.0])
    with pytest.raises(PolicyError, match="generator weight of event 2 is -inf"):
        check_weights([1.0, 2.0, -np.inf, np.nan])


def test_a_policy_must_say_how_it_keeps_and_whether_it_is_unbiased() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Policy()  # type: ignore[abstract]
    assert not ThresholdPolicy(0.5).is_unbiased
    assert Policy.is_unbiased
