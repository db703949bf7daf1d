"""The oracle on counts whose truth is known: unbiased, shrunk, converging."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smartbkg.errors import UsageError
from smartbkg.experiment.oracle import (
    OracleResult,
    PassCounts,
    auc_of_probability,
    cross_fit_terms,
    estimate_prior,
    evaluate,
    stages_of,
    write_probabilities,
)
from smartbkg.experiment.skims.registry import Skim
from smartbkg.io.tables import read_table
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT, solve_optimal
from smartbkg.sampling.statistics import speed_up, speed_up_of_means, speed_up_terms

N_EVENTS = 6_000
N_REPLICAS = 400


@pytest.fixture(scope="module")
def probability() -> np.ndarray:
    """Pass probabilities like those of a hadronic tag: most near 0, a tail to 1, 5 % on average."""
    random = np.random.default_rng(1)
    return np.where(random.random(N_EVENTS) < 0.4, random.beta(0.4, 2.8, N_EVENTS), 1e-4)


@pytest.fixture(scope="module")
def counts(probability: np.ndarray) -> PassCounts:
    random = np.random.default_rng(2)
    stages = stages_of(N_REPLICAS)
    steps = np.diff(stages, prepend=0) // 2
    passed = np.stack([random.binomial(n, probability[:, None], size=(N_EVENTS, 2)) for n in steps], axis=1).cumsum(
        axis=1
    )
    event = {name: np.arange(N_EVENTS) for name in ("experiment", "run", "evtNum")}
    return PassCounts(event, passed.astype(np.int32), stages)


@pytest.fixture(scope="module")
def oracle_result(counts: PassCounts) -> OracleResult:
    return evaluate(counts)


def true_speed_up(probability: np.ndarray, costs: Costs = BELLE_II_COSTS) -> float:
    policy = solve_optimal(probability, costs, DEFAULT_MAX_WEIGHT)
    return speed_up(probability, policy.keep_probability(probability), costs)


def test_both_estimates_enclose_the_true_speed_up(probability: np.ndarray, oracle_result: OracleResult) -> None:
    truth = true_speed_up(probability)
    last = oracle_result.convergence[-1]
    assert last.cross_fit.value < truth + 3 * last.cross_fit.error
    assert last.cross_fit.value > 0.93 * truth
    assert last.limit.value == pytest.approx(truth, rel=0.04)
    assert 0 < last.cross_fit.error < 0.1 * truth


def test_the_cross_fit_rises_with_the_number_of_replicas(counts: PassCounts, oracle_result: OracleResult) -> None:
    values = [step.cross_fit.value for step in oracle_result.convergence]
    assert len(values) == len(counts.n_replicas)
    assert values[0] < values[-2] < values[-1] + 0.02
    assert [step.n_replicas for step in oracle_result.convergence] == counts.n_replicas.tolist()


def test_raw_frequencies_read_far_too_low(counts: PassCounts) -> None:
    passed, half = counts.passed[:, 2], int(counts.n_replicas[2]) // 2
    terms = []
    for choosing in range(2):
        raw = passed[:, choosing] / half
        keep = solve_optimal(raw, BELLE_II_COSTS, 100.0).keep_probability(raw)
        terms.append(speed_up_terms(passed[:, 1 - choosing] / half, keep, BELLE_II_COSTS))
    raw_value = float(speed_up_of_means(np.mean(terms, axis=(0, 1)), BELLE_II_COSTS))
    shrunk = cross_fit_terms(passed, 2 * half, BELLE_II_COSTS, 100.0)
    assert raw_value < 0.9 * float(speed_up_of_means(shrunk.mean(axis=0), BELLE_II_COSTS))


def test_the_cross_fit_is_unbiased_for_a_useless_choice() -> None:
    """Where all events have one p nothing can be gained: both must read the cost of the decision, not more."""
    random = np.random.default_rng(5)
    passed = random.binomial(50, 0.05, size=(20_000, 2)).astype(np.int32)
    terms = cross_fit_terms(passed, 100, BELLE_II_COSTS, 25.0)
    assert float(speed_up_of_means(terms.mean(axis=0), BELLE_II_COSTS)) == pytest.approx(1.0, abs=0.02)


def test_posterior_mean_shrinks_and_is_calibrated(probability: np.ndarray) -> None:
    passed = np.random.default_rng(3).binomial(20, probability)
    posterior = estimate_prior(passed, 20).posterior_mean(passed, 20)
    for k in range(4):
        chosen = passed == k
        assert posterior[chosen].mean() == pytest.approx(probability[chosen].mean(), rel=0.15, abs=0.001)
    assert posterior[passed == 0].max() > 0
    assert posterior.mean() == pytest.approx(probability.mean(), rel=0.03)


def test_prior_of_one_probability_is_found() -> None:
    passed = np.random.default_rng(4).binomial(200, 0.1, size=5000)
    prior = estimate_prior(passed, 200)
    assert prior.probability @ prior.share == pytest.approx(0.1, abs=0.002)
    spread = np.sqrt(prior.probability**2 @ prior.share - (prior.probability @ prior.share) ** 2)
    assert spread < 0.01


def test_auc_of_a_known_probability() -> None:
    # two kinds of events, p = 0.2 and 0.8 in equal numbers: P(0.8 passes, 0.2 fails) + half the ties
    p = np.array([0.2, 0.8])
    passing, failing = p / p.sum(), (1 - p) / (1 - p).sum()
    expected = passing[1] * failing[0] + 0.5 * (passing[0] * failing[0] + passing[1] * failing[1])
    assert auc_of_probability(p) == pytest.approx(expected)
    assert auc_of_probability(np.array([0.0, 1.0])) == 1.0
    assert auc_of_probability(np.full(10, 0.3)) == pytest.approx(0.5)


def test_pass_again_and_retention_are_unbiased(probability: np.ndarray, oracle_result: OracleResult) -> None:
    assert oracle_result.retention.value == pytest.approx(probability.mean(), rel=0.01)
    expected = (probability**2).mean() / probability.mean()
    assert abs(oracle_result.pass_again.value - expected) < 4 * oracle_result.pass_again.error
    assert oracle_result.n_simulations == N_EVENTS * N_REPLICAS


def test_stages_are_even_and_end_at_all_replicas() -> None:
    for n in (4, 10, 100, 1000):
        stages = stages_of(n)
        assert stages[-1] == n
        assert (stages % 2 == 0).all()
        assert (np.diff(stages) > 0).all()


def test_an_oracle_without_a_passing_event_says_so(counts: PassCounts) -> None:
    with pytest.raises(UsageError, match="none of 6000 events passed"):
        evaluate(counts._replace(passed=np.zeros_like(counts.passed)))


def test_soft_labels_say_how_many_simulations_they_cost(counts: PassCounts, tmp_path: Path) -> None:
    source = tmp_path / "events.parquet"
    source.write_bytes(b"events")
    skim = Skim("mine", lambda events: np.zeros(len(events), dtype=bool))
    write_probabilities(tmp_path / "soft.parquet", source, counts, skim, {"skim": "mine"})
    table = read_table(tmp_path / "soft.parquet", "flags")
    np.testing.assert_allclose(table["pass_fraction_mine"], counts.total / N_REPLICAS)
    assert table.metadata["simulations"] == N_EVENTS * N_REPLICAS
    assert (table["pass_probability_mine"] > 0).all()
    assert (table["nReplicas"] == N_REPLICAS).all()
