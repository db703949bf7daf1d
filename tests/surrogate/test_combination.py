"""The combined score: believed as it is without corrections, damaged numbers refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.scores.logistic import logit
from smartbkg.surrogate.combination import N_OWN, Combination, combination_from_dict, design_matrix, scaled
from smartbkg.surrogate.prior import BetaPrior

PRIOR = BetaPrior((-1.0, 3.0, 0.0), (0.5, 0.0))
NETWORK = np.random.default_rng(0).normal(-2, 1, (30, 2))
PASSED = np.random.default_rng(1).integers(0, 9, (30, 2)).astype(np.int32)
N = np.full(30, 8, np.int32)


def combination(row: tuple[float, ...] = (0.0,) * (N_OWN + 1)) -> Combination:
    return Combination((PRIOR, PRIOR), (row, (0.0,) * (N_OWN + 1)))


def test_without_correction_the_surrogate_is_believed_as_it_is() -> None:
    found = combination().logits(NETWORK, PASSED, N)
    for skim in range(2):
        np.testing.assert_allclose(found[:, skim], logit(PRIOR.posterior_mean(NETWORK[:, skim], PASSED[:, skim], N)))


def test_a_constant_moves_one_skim_alone() -> None:
    moved = combination((0.7, *(0.0,) * N_OWN)).logits(NETWORK, PASSED, N)
    plain = combination().logits(NETWORK, PASSED, N)
    np.testing.assert_allclose(moved[:, 0], plain[:, 0] + 0.7)
    np.testing.assert_array_equal(moved[:, 1], plain[:, 1])


def test_terms_are_those_of_the_formula_and_others_come_last() -> None:
    u = np.array([[0.0, 2.0, -4.0]])
    network = np.array([[-2.0, 0.0, 0.0]])
    ours, theirs = (0.0 + 4) / 2, (-2.0 + 4) / 2
    np.testing.assert_allclose(
        design_matrix(u, network, 0)[0], [1, ours, theirs, ours**2, theirs**2, ours * theirs, 3.0, 0.0]
    )
    assert scaled(np.array([1e9]))[0] == 4.0


def test_numbers_survive_json_and_damage_is_told() -> None:
    made = combination((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
    assert combination_from_dict(made.to_dict()) == made
    content: dict[str, Any] = made.to_dict()
    for wrong in (
        content | {"coefficient": [[0.0] * N_OWN, [0.0] * (N_OWN + 1)]},
        content | {"coefficient": [[float("nan")] * (N_OWN + 1)] * 2},
        content | {"coefficient": []},
        content | {"priors": [{"mean": [1, 2], "strength": [1, 2]}]},
        {"priors": content["priors"]},
    ):
        with pytest.raises(ModelError, match="combined score"):
            combination_from_dict(wrong)
