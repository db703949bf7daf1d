"""Training the signal probability: thinning keeps the numbers, and a network learns what separates."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.experiment.reconstruction.channels import KIND_INDEX, KINDS
from smartbkg.experiment.reconstruction.scoring import EXAMPLE
from smartbkg.experiment.reconstruction.signal_probability import N_FEATURES, N_HIDDEN
from smartbkg.tools.train_signal_probability import STAGES, fit_network, thin


def examples(n: int, seed: int = 0, kind: int = 2) -> np.ndarray:
    random = np.random.default_rng(seed)
    made = np.zeros(n, dtype=EXAMPLE)
    made["feature"] = random.normal(size=(n, N_FEATURES))
    made["kind"] = kind
    made["is_right"] = random.random(n) < 1 / (1 + np.exp(-2 * made["feature"][:, 0] + 1))
    return made


def test_right_candidates_stay_and_wrong_ones_are_weighted_back() -> None:
    made = examples(20_000)
    thinned = thin(made, 2000, np.random.default_rng(1))
    wrong = ~thinned.candidate["is_right"]
    assert thinned.candidate["is_right"].sum() == made["is_right"].sum()
    assert (thinned.weight[~wrong] == 1).all()
    assert wrong.sum() == pytest.approx(2000, rel=0.1)
    assert thinned.weight[wrong].sum() == pytest.approx((~made["is_right"]).sum(), rel=0.1)


def test_kinds_are_thinned_each_by_itself() -> None:
    made = np.concatenate([examples(3000, 1, kind=2), examples(100, 2, kind=3)])
    thinned = thin(made, 500, np.random.default_rng(1))
    rare = thinned.of_kind(3)
    assert len(rare.weight) == 100
    assert (rare.weight == 1).all()


def test_the_fitted_network_separates_and_gives_probabilities() -> None:
    made = examples(6000)
    matrix, bias, output, offset = fit_network(made, np.ones(6000), 1, seed=3, n_epochs=8)
    assert matrix.shape == (N_FEATURES, N_HIDDEN)
    hidden = np.maximum(0, made["feature"] @ matrix + bias[0])
    p = 1 / (1 + np.exp(-(hidden @ output + offset[0])))
    truth = 1 / (1 + np.exp(-2 * made["feature"][:, 0].astype(float) + 1))
    assert np.abs(p - truth).mean() < 0.06
    assert p.mean() == pytest.approx(made["is_right"].mean(), abs=0.02)


def test_stages_follow_the_hierarchy() -> None:
    order = [KIND_INDEX[name] for name in STAGES]
    assert order == sorted(order)
    assert KINDS[order[0]].name == "e+"
