"""The combined score: the prior is learned from counts, the correction from few labels, and it is worth its name."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import DatasetError, ModelError
from smartbkg.scores.logistic import expit, logit
from smartbkg.surrogate.combination import Combination, combination_from_dict
from smartbkg.surrogate.fit import fit_combination
from smartbkg.surrogate.prior import fit_prior


def sample(n_events: int, seed: int, bias: float = 0.0, slope: float = 1.0) -> tuple[np.ndarray, ...]:
    """Network logit, pass probability of the surrogate and of the truth."""
    random = np.random.default_rng(seed)
    network = random.normal(-3, 1.5, n_events)
    surrogate = network + random.normal(0, 1.5, n_events)
    return network, expit(surrogate), expit(bias + slope * surrogate)


def counts(p: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(seed).binomial(n, p).astype(np.int32), np.full(len(p), n, dtype=np.int32)


def test_the_posterior_mean_is_calibrated_and_better_than_the_network() -> None:
    network, p, _ = sample(20_000, 1)
    passed, n = counts(p, 16, 2)
    prior = fit_prior(network, passed, n, np.ones(len(p)))
    mean = prior.posterior_mean(network, passed, n)
    # no beta distribution made these probabilities: what is left is largest where hardly anything passes
    for low, high, tolerance in ((0, 0.01, 0.25), (0.01, 0.1, 0.15), (0.1, 0.5, 0.15), (0.5, 1, 0.15)):
        chosen = (mean >= low) & (mean < high)
        assert mean[chosen].mean() == pytest.approx(p[chosen].mean(), rel=tolerance)
    assert np.mean((logit(mean) - logit(p)) ** 2) < 0.6 * np.mean((network - logit(p)) ** 2)


def test_a_sequence_that_ended_early_has_the_same_posterior() -> None:
    network, p, _ = sample(20_000, 3)
    passed, n = counts(p, 16, 4)
    prior = fit_prior(network, passed, n, np.ones(len(p)))
    # ended after 4 where one of these passed already
    early = np.random.default_rng(5).hypergeometric(passed, 16 - passed, 4)
    ended = early > 0
    mean = prior.posterior_mean(network, np.where(ended, early, passed).astype(np.int32), np.where(ended, 4, 16))
    assert mean[ended].mean() == pytest.approx(p[ended].mean(), rel=0.05)
    assert mean[~ended].mean() == pytest.approx(p[~ended].mean(), rel=0.10)


def test_few_labels_mend_a_surrogate_that_is_wrong() -> None:
    network, p, truth = sample(2_000, 6, bias=-1.0, slope=0.8)
    passed, n = counts(p, 64, 7)
    label = (np.random.default_rng(8).random(len(p)) < truth).astype(float)
    fitted = fit_combination(network[:, None], passed[:, None], n, label[:, None], np.ones(len(p)))
    fresh, q, its_truth = sample(20_000, 9, bias=-1.0, slope=0.8)
    seen, m = counts(q, 64, 10)
    u = fitted.surrogate_logit(fresh[:, None], seen[:, None], m)[:, 0]
    score = expit(fitted.logits(fresh[:, None], seen[:, None], m))[:, 0]

    def loss(s: np.ndarray) -> float:
        return float(-(its_truth * np.log(s) + (1 - its_truth) * np.log1p(-s)).mean())

    assert score.mean() == pytest.approx(its_truth.mean(), rel=0.25)  # 170 passing events, 8 % by chance
    assert loss(score) < loss(expit(u)) - 0.005


def test_without_a_network_the_surrogate_alone_is_the_score() -> None:
    _, p, truth = sample(4_000, 11)
    passed, n = counts(p, 64, 12)
    label = (np.random.default_rng(13).random(len(p)) < truth).astype(float)
    nothing = np.zeros((len(p), 1))
    score = expit(
        fit_combination(nothing, passed[:, None], n, label[:, None], np.ones(len(p))).logits(
            nothing, passed[:, None], n
        )
    )[:, 0]
    assert np.corrcoef(score, truth)[0, 1] > 0.95


def test_multiplicities_restore_the_retention_of_a_thinned_sample() -> None:
    network, p, truth = sample(30_000, 14)
    passed, n = counts(p, 32, 15)
    label = (np.random.default_rng(16).random(len(p)) < truth).astype(float)
    kept = (label > 0) | (np.random.default_rng(17).random(len(p)) < 0.2)
    weight = np.where(label > 0, 1.0, 5.0)[kept]
    fitted = fit_combination(network[kept, None], passed[kept, None], n[kept], label[kept, None], weight)
    assert expit(fitted.logits(network[:, None], passed[:, None], n)).mean() == pytest.approx(truth.mean(), rel=0.06)


def test_too_few_passing_events_are_refused_and_skims_that_were_not_run_left_out() -> None:
    network, p, truth = sample(500, 18)
    passed, n = counts(p, 8, 19)
    label = (np.random.default_rng(20).random(len(p)) < truth).astype(float)
    few = np.where(np.cumsum(label) > 5, 0.0, label)
    with pytest.raises(DatasetError, match="5 passing"):
        fit_combination(network[:, None], passed[:, None], n, few[:, None], np.ones(len(p)))
    both = np.stack([label, np.where(np.arange(len(p)) < 100, np.nan, label)], axis=1)
    fitted = fit_combination(np.stack([network] * 2, axis=1), np.stack([passed] * 2, axis=1), n, both, np.ones(len(p)))
    assert np.isfinite(fitted.coefficient).all()


def test_a_combination_comes_back_as_it_was_stored_and_damage_is_refused() -> None:
    network, p, truth = sample(1_000, 21)
    passed, n = counts(p, 8, 22)
    label = (truth > 0.2).astype(float)
    fitted = fit_combination(network[:, None], passed[:, None], n, label[:, None], np.ones(len(p)))
    assert combination_from_dict(fitted.to_dict()) == fitted
    for damage in ({"priors": []}, {"coefficient": [[float("nan")] * 6]}, {"coefficient": [[0.0]]}, {"priors": 3}):
        with pytest.raises(ModelError, match="combined score"):
            combination_from_dict({**fitted.to_dict(), **damage})
    with pytest.raises(ModelError, match="finite"):
        Combination(fitted.priors, ((float("inf"),) * 6,))
