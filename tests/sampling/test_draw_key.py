"""Draw keys: equal events decide alike, different events of one id, streams, stages and rules do not."""

import numpy as np
import pytest
from scipy.stats import binomtest
from synthetic import random_events

from smartbkg.errors import UsageError
from smartbkg.sampling.draw import draw
from smartbkg.sampling.draw_key import DrawKey, digest_of_draws, merged_draws, recorded_draws
from smartbkg.seeds import event_uniforms

N = 50_000
EVENTS = np.arange(N)
CONTENT = np.random.default_rng(0).integers(0, 2**63, N).astype(np.uint64)
FROZEN_CONTENT, FROZEN_STREAM = 0.44901427070961286, 0.14358964331471713
OTHER = np.random.default_rng(1).integers(0, 2**63, N).astype(np.uint64)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def test_different_events_with_equal_ids_are_drawn_independently() -> None:
    key = DrawKey(0)
    first, second = key.uniforms(0, 0, EVENTS, CONTENT), key.uniforms(0, 0, EVENTS, OTHER)
    assert abs(correlation(first, second)) < 5 / np.sqrt(N)


def test_jobs_that_number_alike_scatter_as_their_error_says() -> None:
    """200 jobs of 200 events with equal ids: under ids alone the variance is 200 times that of one number."""
    random = np.random.default_rng(2)
    n_jobs, q, sums = 200, 0.25, []
    for seed in range(60):
        kept = 0
        for _ in range(n_jobs):
            content = random.integers(0, 2**63, 200).astype(np.uint64)
            kept += int(draw(np.full(200, q), DrawKey(seed), 0, 0, np.arange(200), content).sum())
        sums.append(kept)
    spread = np.std(sums) / np.sqrt(n_jobs * 200 * q * (1 - q))
    assert 0.7 < spread < 1.35  # four standard deviations of a spread over 60 seeds; ids alone give 14


@pytest.mark.parametrize(
    "other", [DrawKey(1), DrawKey(0, "a"), DrawKey(0, earlier="x"), DrawKey(0, rule=1), DrawKey(0, "")]
)
def test_seed_stream_stage_and_rule_each_give_an_independent_draw(other: DrawKey) -> None:
    first, second = DrawKey(0).uniforms(0, 0, EVENTS, CONTENT), other.uniforms(0, 0, EVENTS, CONTENT)
    assert abs(correlation(first, second)) < 5 / np.sqrt(N)
    both = (first < 0.3) & (second < 0.3)
    assert binomtest(int(both.sum()), N, 0.09).pvalue > 1e-6


def test_rule_one_repeats_the_draws_of_seed_and_id_alone() -> None:
    from smartbkg.seeds import derive_seed

    assert np.array_equal(
        DrawKey(5, rule=1).uniforms(1, 2, EVENTS), event_uniforms(derive_seed(5, "draw"), 1, 2, EVENTS)
    )


def test_the_numbers_of_rule_two_are_what_they_were() -> None:
    """Frozen: files say rule 2 and nothing else of how they were drawn."""
    numbers = DrawKey(42).uniforms([7], [1], [12345], np.array([99], dtype=np.uint64))
    named = DrawKey(42, "job 3", earlier="0123").uniforms([7], [1], [12345])
    assert (numbers[0], named[0]) == (FROZEN_CONTENT, FROZEN_STREAM)


def test_a_named_stream_does_not_look_at_the_content() -> None:
    key = DrawKey(0, "a")
    assert np.array_equal(key.uniforms(0, 0, EVENTS, CONTENT), key.uniforms(0, 0, EVENTS, OTHER))


def test_content_that_decides_must_be_given() -> None:
    with pytest.raises(UsageError, match="not given"):
        DrawKey(0).uniforms(0, 0, EVENTS)


def test_a_key_comes_back_from_its_record() -> None:
    for key in (DrawKey(0), DrawKey(3, "a"), DrawKey(3, earlier="ab"), DrawKey(1, rule=1, method="systematic")):
        assert DrawKey.from_dict(key.to_dict()) == key
    assert DrawKey.from_dict({"seed": 4}) == DrawKey(4, rule=1)


def test_unknown_rules_and_stages_of_rule_one_are_refused() -> None:
    with pytest.raises(UsageError, match="draw rule 3"):
        DrawKey(0, rule=3)
    with pytest.raises(UsageError, match="rule 1"):
        DrawKey(0, earlier="x", rule=1)


def test_what_a_file_records_of_its_draws() -> None:
    assert recorded_draws({"kind": "events"}) == []
    assert recorded_draws({"kind": "kept", "settings": {}}) is None
    assert recorded_draws({"kind": "kept", "settings": {"seed": 3}}) == [DrawKey(3, rule=1).to_dict()]
    assert recorded_draws({"kind": "events", "draws": [{"seed": 3, "rule": 2}]}) == [{"seed": 3, "rule": 2}]


def test_merged_files_of_one_draw_keep_it_and_others_are_named_together() -> None:
    first, second = [DrawKey(1).to_dict()], [DrawKey(2).to_dict()]
    assert merged_draws([first, first], "concatenate") == first
    together = merged_draws([first, second], "concatenate")
    assert together == merged_draws([second, first], "concatenate")
    assert digest_of_draws(together) not in (digest_of_draws(first), digest_of_draws(second), "")


def test_an_event_by_itself_decides_as_in_a_batch() -> None:
    batch = random_events(30, seed=3)
    for key in (DrawKey(5), DrawKey(5, "a"), DrawKey(5, rule=1), DrawKey(5, earlier="x")):
        one_by_one = [key.of_events(batch.slice(i, i + 1), "skim")[0] for i in range(30)]
        assert np.array_equal(one_by_one, key.of_events(batch, "skim"))
