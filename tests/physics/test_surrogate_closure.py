"""A filter with a surrogate is unbiased and its error bars cover; a surrogate that shares the draw's numbers is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_surrogate import ToySurrogate, pass_probability, passes, toy_events

from smartbkg.events import EventBatch
from smartbkg.sampling import Costs, solve_optimal
from smartbkg.sampling.draw import draw
from smartbkg.scores.logistic import expit, logit
from smartbkg.seeds import derive_seed, event_uniforms
from smartbkg.surrogate.combination import Combination
from smartbkg.surrogate.fit import fit_combination
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.replicas import Counts, ask, stages_of, surrogate_seed
from smartbkg.surrogate.stopping import StoppingRule

SKIM = ("a",)
STAGES = stages_of(16)
N_SEEDS = 500


@pytest.fixture(scope="module")
def events() -> EventBatch:
    return toy_events(4_000)


@pytest.fixture(scope="module")
def network(events: EventBatch) -> NDArray[np.float64]:
    """(n_events, 1) logits of a poor and wrong network."""
    noise = np.random.default_rng(1).normal(0, 1.5, len(events))
    return np.asarray((0.6 * logit(pass_probability(events)) + noise - 1.0)[:, None])


@pytest.fixture(scope="module")
def combinations(events: EventBatch, network: NDArray[np.float64]) -> tuple[tuple[int, Combination], ...]:
    """Fitted to labels of a simulation that the surrogate does not match."""
    label = passes(events, 999, 0, shift=0.7).astype(float)[:, None]
    seed, fitted = surrogate_seed(0), []
    for stage in STAGES:
        passed = ToySurrogate().count(events, SKIM, seed, 1, stage)
        n = np.full(len(events), stage, dtype=np.int32)
        fitted.append((stage, fit_combination(network, passed, n, label, np.ones(len(events)))))
    return tuple(fitted)


def scores(combinations: Sequence[tuple[int, Combination]], network: NDArray[np.float64], counts: Counts) -> NDArray:
    score = np.empty(len(network))
    for stage, combination in combinations:
        ended = counts.n_replicas == stage
        n = counts.n_replicas[ended]
        score[ended] = expit(combination.logits(network[ended], counts.passed[ended], n))[:, 0]
    return score


def campaigns(
    events: EventBatch,
    network: NDArray[np.float64],
    combinations: Sequence[tuple[int, Combination]],
    surrogate_of: dict[str, Surrogate],
    n_seeds: int,
) -> dict[str, NDArray[np.float64]]:
    """For each way of asking (n_seeds, 3): weighted sum of passing events, its error bar, sum over all of them.

    One seed is used for the simulation, the surrogate and the draw.
    """
    score = pass_probability(events)
    policy = solve_optimal(score, Costs())
    rule = StoppingRule.for_policy(policy, 1e-4)
    ids = [events.event[name] for name in ("experiment", "run", "evtNum")]
    rows: dict[str, list[list[float]]] = {name: [] for name in surrogate_of}
    for seed in range(n_seeds):
        truth = passes(events, seed, 0, shift=0.7)
        for name, surrogate in surrogate_of.items():
            own = surrogate_seed(seed) if name == "own" else seed
            counts = ask(surrogate, events, SKIM, own, network, combinations, rule)
            q = policy.keep_probability(scores(combinations, network, counts))
            kept = draw(q, seed, *ids) & truth
            rows[name].append([(1 / q[kept]).sum(), np.sqrt((1 / q[kept] ** 2).sum()), truth.sum()])
    return {name: np.array(values) for name, values in rows.items()}


class SharesTheDraw(ToySurrogate):
    """Wrong on purpose: its random numbers are those that decide which events are kept."""

    def count(
        self, batch: EventBatch, skims: Sequence[str], seed: int, first: int, n_replicas: int
    ) -> NDArray[np.int32]:
        ids = [batch.event[name] for name in ("experiment", "run", "evtNum")]
        passed = event_uniforms(derive_seed(seed, "draw"), *ids) < pass_probability(batch) ** 0.3
        return np.asarray(passed[:, None] * n_replicas, dtype=np.int32)


@pytest.mark.slow
def test_sums_are_unbiased_and_error_bars_cover_over_500_seeds_with_the_surrogate_in_the_loop(
    events: EventBatch, network: NDArray[np.float64], combinations: tuple[tuple[int, Combination], ...]
) -> None:
    part = events.slice(0, 500)
    found = campaigns(part, network[:500], combinations, {"own": ToySurrogate()}, N_SEEDS)["own"]
    pull = (found[:, 0] - found[:, 2]).mean() / ((found[:, 0] - found[:, 2]).std() / np.sqrt(N_SEEDS))
    assert abs(pull) < 3.5
    expected = pass_probability(part, shift=0.7).sum()
    covered = np.abs(found[:, 0] - expected) <= found[:, 1]
    # the events are the same in all campaigns: their own scatter Σp² is no part of the error bar's excess
    assert 0.66 <= covered.mean() <= 0.80


def test_closure_fails_where_the_surrogate_shares_the_numbers_of_the_draw(
    events: EventBatch, network: NDArray[np.float64], combinations: tuple[tuple[int, Combination], ...]
) -> None:
    found = campaigns(
        events.slice(0, 2000), network[:2000], combinations, {"own": ToySurrogate(), "shared": SharesTheDraw()}, 12
    )

    def pull(rows: NDArray[np.float64]) -> float:
        difference = rows[:, 0] - rows[:, 2]
        return float(difference.mean() / np.sqrt((rows[:, 1] ** 2).mean() / len(rows)))

    assert abs(pull(found["own"])) < 3.5
    assert abs(pull(found["shared"])) > 6
