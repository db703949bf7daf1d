"""Replicas of a surrogate: the same for any order and chunks, from a stream of their own, ended by a rule alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_surrogate import ToySurrogate, toy_events

from smartbkg.errors import UsageError
from smartbkg.scores.logistic import expit
from smartbkg.seeds import derive_seed
from smartbkg.surrogate.combination import Combination
from smartbkg.surrogate.prior import BetaPrior
from smartbkg.surrogate.replicas import Counts, ask, count_stages, stages_of, stop, surrogate_seed
from smartbkg.surrogate.stopping import StoppingRule

SKIMS = ("a", "b")
SEED = surrogate_seed(7)
PRIOR = BetaPrior((-2.5, 0.0, 0.0), (0.0, 0.0))
COMBINATIONS = tuple((stage, Combination((PRIOR, PRIOR), ((0.0,) * 7,) * 2)) for stage in (4, 8, 16))
RULE = StoppingRule(2.0, 25.0, (1.0, 1.0), 1e-3)


def asked(n_events: int, rule: StoppingRule | None, threads: int = 1, size: int = 64) -> Counts:
    batch = toy_events(n_events)
    surrogate = replace(ToySurrogate(), events_at_once=size)
    return ask(surrogate, batch, SKIMS, SEED, np.zeros((n_events, 2)), COMBINATIONS, rule, threads)


def test_without_a_rule_every_event_is_asked_to_the_end() -> None:
    counts = asked(50, None)
    assert (counts.n_replicas == 16).all()
    np.testing.assert_array_equal(counts.passed, ToySurrogate().count(toy_events(50), SKIMS, SEED, 1, 16))


def test_counts_do_not_depend_on_chunks_threads_or_other_events() -> None:
    whole = asked(150, RULE)
    for threads, size in ((1, 7), (3, 20)):
        again = asked(150, RULE, threads, size)
        np.testing.assert_array_equal(again.passed, whole.passed)
        np.testing.assert_array_equal(again.n_replicas, whole.n_replicas)
    alone = ask(ToySurrogate(), toy_events(150).slice(41, 42), SKIMS, SEED, np.zeros((1, 2)), COMBINATIONS, RULE)
    assert alone.passed[0].tolist() == whole.passed[41].tolist()
    assert alone.n_replicas[0] == whole.n_replicas[41]


def test_the_rule_ends_some_events_early_and_sees_what_was_seen_alone() -> None:
    counts = asked(400, RULE)
    assert set(counts.n_replicas.tolist()) == {4, 8, 16}
    stages = count_stages(ToySurrogate(), toy_events(400), SKIMS, SEED, (4, 8, 16))
    again = stop(stages, np.zeros((400, 2)), COMBINATIONS, RULE)
    np.testing.assert_array_equal(again.n_replicas, counts.n_replicas)
    np.testing.assert_array_equal(again.passed, counts.passed)
    # what comes after the end does not matter
    stages[counts.n_replicas == 4, 1:] += 1
    np.testing.assert_array_equal(stop(stages, np.zeros((400, 2)), COMBINATIONS, RULE).n_replicas, counts.n_replicas)


def test_a_decision_that_cannot_change_gains_nothing() -> None:
    combination = Combination((PRIOR,), ((0.0,) * 6,))
    rule = StoppingRule(100.0, 25.0, (1.0,), 0.0)  # q = 1 for any score above 1e-4
    gain = rule.gain(combination, np.zeros((3, 1)), np.array([[0], [2], [4]], dtype=np.int32), 4, 4)
    np.testing.assert_allclose(gain, 0.0, atol=1e-8)
    assert rule.is_done(combination, np.zeros((1, 1)), np.array([[4]], dtype=np.int32), 4, 4).all() or gain[2] > 0


def test_the_gain_is_what_a_block_saves_on_average() -> None:
    """Against the sum over all outcomes of the block, of which the formula tells apart none and some."""
    combination = Combination((PRIOR,), ((0.0,) * 6,))
    rule = StoppingRule(1.5, 25.0, (1.0,), 0.0)
    mean, strength = PRIOR.shape(np.zeros(1))
    for passed, n in ((0, 8), (1, 8)):
        a, b = passed + mean[0] * strength[0], n - passed + (1 - mean[0]) * strength[0]
        draws = np.random.default_rng(1).binomial(1, np.random.default_rng(2).beta(a, b, 400_000))

        def cost(p: np.ndarray) -> np.ndarray:
            q = np.clip(rule.lambda_ * np.sqrt(p), 1 / rule.max_weight, 1)
            return rule.lambda_**2 * p / q + q

        saved = cost(np.array([a / (a + b)]))[0] - cost((a + draws) / (a + b + 1)).mean()
        gain = rule.gain(combination, np.zeros((1, 1)), np.array([[passed]], dtype=np.int32), n, 1)[0]
        assert gain == pytest.approx(saved, rel=0.05)


def test_the_stream_is_that_of_no_other_purpose() -> None:
    seeds = {surrogate_seed(5), 5, derive_seed(5, "draw"), derive_seed(5, "split"), derive_seed(5, "event", 0)}
    assert len(seeds) == 5
    batch = toy_events(2000)
    own, simulation = (ToySurrogate().count(batch, ("a",), seed, 1, 1)[:, 0] for seed in (surrogate_seed(5), 5))
    p = expit(np.full(1, -2.5))
    agree = (own == simulation).mean()
    assert 0.6 < agree < 0.99, p


def test_stages_end_at_the_replicas_asked_for() -> None:
    assert stages_of(64) == (8, 16, 32, 64)
    assert stages_of(5) == (5,)
    with pytest.raises(UsageError, match="expected 1 or more"):
        stages_of(0)


def test_no_events_give_no_counts() -> None:
    nothing = toy_events(1).slice(0, 0)
    counts = ask(ToySurrogate(), nothing, SKIMS, SEED, np.zeros((0, 2)), COMBINATIONS, RULE)
    assert counts.passed.shape == (0, 2)
    assert count_stages(ToySurrogate(), nothing, SKIMS, SEED, (4, 8)).shape == (0, 2, 2)
