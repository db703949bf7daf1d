"""A function of a user's as policy: it cannot bias, and what it must not do is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.errors import PolicyError
from smartbkg.sampling.policies import parse_policy, policy_from_dict
from smartbkg.sampling.policy_function import FunctionPolicy


def cube_root(score):
    return score ** (1 / 3)


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=30), exponent=st.floats(0.1, 5), largest=st.floats(1, 1e3))
def test_no_event_is_lost_for_ever_and_none_weighs_more_than_allowed(scores, exponent, largest):
    policy = FunctionPolicy.of(lambda score: score**exponent, max_weight=largest)
    keep = policy.keep_probability(np.array(scores))
    assert (keep >= (1 - 1e-12) / largest).all()
    assert (keep <= 1).all()


def test_weighted_sums_are_unbiased_whatever_the_function_returns():
    random = np.random.default_rng(3)
    score, value = random.beta(0.3, 3, 400), random.normal(2, 1, 400)
    keep = FunctionPolicy.of(lambda s: np.where(s > 0.5, 0.0, 1 - s)).keep_probability(score)
    draws = random.random((20_000, 400)) < keep
    sums = (draws * (value / keep)).sum(axis=1)
    assert abs(sums.mean() - value.sum()) < 4 * sums.std() / np.sqrt(len(sums))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda score: score / score.max(), "depends on the other events"),
        (lambda score: 2 * score, r"returned 1\.\d+ for the score .*, expected a probability"),
        (lambda score: score * np.nan, "returned nan"),
        (lambda score: score.sum(), r"returned shape \(\)"),
        ("no function", "is a str, expected a function"),
    ],
)
def test_what_is_no_keep_probability_of_one_event_is_refused(function, expected):
    with pytest.raises(PolicyError, match=expected):
        FunctionPolicy.of(function, "mine.py:f")


def test_a_function_cannot_change_the_scores():
    def greedy(score):
        score[:] = 1
        return score

    score = np.array([0.1, 0.2])
    FunctionPolicy.of(greedy).keep_probability(score)
    np.testing.assert_array_equal(score, [0.1, 0.2])


def test_a_file_describes_the_function_and_does_not_run_it(tmp_path):
    (tmp_path / "own_keep_rule.py").write_text("def keep(score):\n    return score ** 0.5\n")
    named = parse_policy(f"{tmp_path}/own_keep_rule.py:keep", max_weight=20)
    np.testing.assert_allclose(named.keep_probability([0.25, 0.0]), [0.5, 0.05])
    stored = policy_from_dict(named.to_dict())
    assert stored == named
    assert stored.label == "keep"
    assert stored.is_unbiased
    with pytest.raises(PolicyError, match="not stored in files: name it by --policy"):
        stored.keep_probability([0.5])


def test_another_source_is_another_policy():
    assert FunctionPolicy.of(cube_root, "f") != FunctionPolicy.of(lambda score: score, "f")
