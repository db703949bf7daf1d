"""Draws: exact inclusion probabilities, independent of order and chunks where that is promised."""

import numpy as np
import pytest
from scipy.stats import binomtest

from smartbkg.errors import PolicyError
from smartbkg.sampling.draw import SystematicSampler, draw, draw_each_skim
from smartbkg.sampling.draw_key import DrawKey
from smartbkg.sampling.weights import any_skim_probability
from smartbkg.seeds import event_uniforms

N = 200_000
EVENTS = np.arange(N)


def test_certain_and_impossible_events_are_treated_as_such() -> None:
    assert draw(np.ones(N), 1, 0, 0, EVENTS).all()
    assert not draw(np.zeros(N), 1, 0, 0, EVENTS).any()
    assert SystematicSampler(1).draw(np.ones(N)).all()
    assert not SystematicSampler(1).draw(np.zeros(N)).any()


@pytest.mark.parametrize("q", [0.003, 0.25, 0.999])
def test_the_fraction_kept_is_the_keep_probability(q: float) -> None:
    n_kept = int(draw(np.full(N, q), 5, 1, 2, EVENTS).sum())
    assert binomtest(n_kept, N, q).pvalue > 1e-6  # false alarm: one in a million


def test_a_decision_depends_on_seed_and_event_alone() -> None:
    q = np.random.default_rng(0).random(N)
    kept = draw(q, 7, 3, 4, EVENTS)
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(draw(q[order], 7, 3, 4, EVENTS[order]), kept[order])
    parts = [draw(q[i : i + 777], 7, 3, 4, EVENTS[i : i + 777]) for i in range(0, N, 777)]
    np.testing.assert_array_equal(np.concatenate(parts), kept)
    assert not np.array_equal(draw(q, 8, 3, 4, EVENTS), kept)
    assert not np.array_equal(draw(q, 7, 4, 3, EVENTS), kept)


def test_the_draw_shares_no_random_number_with_others_of_the_same_seed() -> None:
    others = event_uniforms(7, 3, 4, EVENTS)
    assert abs(np.corrcoef(DrawKey(7, rule=1).uniforms(3, 4, EVENTS), others)[0, 1]) < 5 / np.sqrt(N)


def test_draws_of_two_skims_are_independent_and_their_union_has_its_probability() -> None:
    q = np.tile([0.3, 0.2], (N, 1))
    kept = draw_each_skim(q, ["a", "b"], 1, 0, 0, EVENTS)
    assert binomtest(int(kept.all(axis=1).sum()), N, 0.06).pvalue > 1e-6
    assert binomtest(int(kept.any(axis=1).sum()), N, any_skim_probability(q)[0]).pvalue > 1e-6
    with pytest.raises(PolicyError, match="for 3 skims"):
        draw_each_skim(q, ["a", "b", "c"], 1, 0, 0, EVENTS)


@pytest.mark.parametrize("size", [1, 13, 4096, N])
def test_systematic_decisions_do_not_depend_on_chunks(size: int) -> None:
    n = 5000 if size == 1 else N
    q = np.random.default_rng(2).random(N)[:n]
    whole = SystematicSampler(3).draw(q)
    sampler = SystematicSampler(3)
    np.testing.assert_array_equal(np.concatenate([sampler.draw(q[i : i + size]) for i in range(0, n, size)]), whole)


def test_a_systematic_sampler_resumes_from_its_state() -> None:
    q = np.random.default_rng(2).random(1000)
    sampler = SystematicSampler(3)
    first = sampler.draw(q[:400])
    second = SystematicSampler(99, state=sampler.state).draw(q[400:])
    np.testing.assert_array_equal(np.concatenate([first, second]), SystematicSampler(3).draw(q))


def test_systematic_sampling_keeps_the_expected_number_to_within_one_event_anywhere() -> None:
    q = np.random.default_rng(4).beta(0.4, 4, N)
    kept = SystematicSampler(5).draw(q)
    difference = np.concatenate([[0], np.cumsum(kept - q)])
    assert difference.max() - difference.min() < 1 + 1e-9


def test_systematic_and_independent_draws_have_the_same_inclusion_probabilities() -> None:
    q = np.array([0.03, 0.5, 0.97, 0.2, 0.31])
    n_seeds = 20_000
    systematic = np.sum([SystematicSampler(seed).draw(q) for seed in range(n_seeds)], axis=0)
    independent = draw(np.tile(q, n_seeds), 1, 0, 0, np.arange(n_seeds * 5)).reshape(n_seeds, 5).sum(axis=0)
    for index, probability in enumerate(q):  # 10 tests, each with a false alarm of 1e-6
        assert binomtest(int(systematic[index]), n_seeds, probability).pvalue > 1e-6
        assert binomtest(int(independent[index]), n_seeds, probability).pvalue > 1e-6


def test_systematic_inclusion_probabilities_are_exact() -> None:
    # All 2^53 starts cannot be tried; an event is kept for the starts in an interval modulo one, whose length is q.
    q = np.array([0.1, 0.7, 0.25, 1.0, 0.033])
    ends = np.concatenate([[0.0], np.cumsum(q)])
    for start in np.linspace(0, 1, 1001, endpoint=False):
        kept = SystematicSampler(0, state=round(start * 2**53)).draw(q)
        np.testing.assert_array_equal(kept, np.floor(start + ends[1:]) > np.floor(start + ends[:-1]))


def test_streams_of_one_seed_start_differently() -> None:
    assert SystematicSampler(1, "job 1").state != SystematicSampler(1, "job 2").state


def test_an_empty_stream_is_fine() -> None:
    assert SystematicSampler(1).draw([]).shape == (0,)
    assert draw([], 1, [], [], []).shape == (0,)


def test_probabilities_out_of_range_are_refused() -> None:
    with pytest.raises(PolicyError, match="event 1"):
        draw([0.5, 1.5], 1, 0, 0, [0, 1])
    with pytest.raises(PolicyError, match="event 0 is nan"):
        SystematicSampler(1).draw([np.nan])
