"""What a user holds in the end: samples filtered twice, in jobs that number alike, in periodic order, with faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filtered_sample import Chain, make_chain
from numpy.typing import NDArray
from synthetic import random_events
from verb_chains import MomentumScorer

from smartbkg.closure.check import ClosureSettings
from smartbkg.closure.files import validate_files
from smartbkg.errors import DatasetError
from smartbkg.events import EventBatch
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.io import create_events, open_events
from smartbkg.sampling.draw import SystematicSampler, draw
from smartbkg.sampling.draw_key import DrawKey
from smartbkg.sampling.policies import ExponentialPolicy, OptimalPolicy
from smartbkg.sampling.policy import Policy
from smartbkg.sampling.weights import WeightedSum, weighted_sum

SECOND = {"another": ExponentialPolicy(0.6, 0.5), "the same": ExponentialPolicy(0.3, -2.0)}


@pytest.fixture(scope="module")
def generated() -> EventBatch:
    return random_events(20_000, seed=5, max_particles=5)


def filtered(batch: EventBatch, policy: Policy, *earlier: EventFilter) -> tuple[EventBatch, EventFilter]:
    """The kept events, by the default seed; the history as their file would record it."""
    event_filter = EventFilter(MomentumScorer(), policy, seed=0)
    event_filter.follow({"kind": "kept", "draws": earlier[-1].draws} if earlier else {})
    ((usable, decision),) = event_filter.stream([batch])
    return event_filter.kept(usable, decision), event_filter


@pytest.mark.parametrize("second", SECOND)
def test_two_filters_under_the_default_seed_are_unbiased(second: str, generated: EventBatch) -> None:
    """Drawn by seed and id alone the second filter keeps with min(q1, q2)/q1: sums come out too large."""
    first_policy = ExponentialPolicy(0.3, -2.0)
    kept, first = filtered(generated, first_policy)
    twice, _ = filtered(kept, SECOND[second], first)
    found = weighted_sum(twice.event["weight"])
    assert abs(found.value - len(generated)) < 4 * found.error

    by_ids = sum_by_ids_alone(generated, first_policy, SECOND[second])
    assert abs(by_ids.value - len(generated)) > 5 * by_ids.error, "the fault that this test is for"


def sum_by_ids_alone(batch: EventBatch, first: Policy, second: Policy) -> WeightedSum:
    score = MomentumScorer().calibrate(MomentumScorer().logits(batch))[:, 0]
    one, two = (policy.keep_probability(score) for policy in (first, second))
    uniform = DrawKey(0, rule=1).uniforms(*(batch.event[name] for name in ("experiment", "run", "evtNum")))
    is_kept = (uniform < one) & (uniform < two)
    return weighted_sum(1 / (one * two)[is_kept])


@pytest.mark.parametrize("n_jobs", [40, 1000])
def test_jobs_that_number_alike_are_unbiased_and_scatter_as_quoted(n_jobs: int) -> None:
    """200 events per job of equal ids under one seed: by ids alone the spread is √n_jobs times the quoted error."""
    random, q, n = np.random.default_rng(n_jobs), 0.3, 200
    ids = np.tile(np.arange(n), n_jobs)
    pulls, of_ids = [], []
    for seed in range(40):
        content = random.integers(0, 2**63, n * n_jobs).astype(np.uint64)
        for key, found in ((DrawKey(seed), pulls), (DrawKey(seed, rule=1), of_ids)):
            weight = np.full(int(draw(np.full(n * n_jobs, q), key, 0, 0, ids, content).sum()), 1 / q)
            error = float(np.sqrt((weight**2).sum() * (1 - q)))
            found.append((weight.sum() - n * n_jobs) / error)
    assert 0.65 < np.std(pulls) < 1.4  # 40 seeds: 1 ± 0.11
    assert abs(np.mean(pulls)) < 4 / np.sqrt(len(pulls))
    assert np.std(of_ids) > 0.5 * np.sqrt(n_jobs), "the fault that this test is for"


def test_a_systematic_draw_over_a_periodic_order_is_unbiased_and_scatters_more_than_quoted() -> None:
    """Every fourth event counts, and the running sum of q comes round with it: right in the mean over many starts."""
    n = 2000
    values = np.where(np.arange(n) % 4 == 0, 1.0, 0.0)
    q = np.full(n, 0.25)
    sums = np.array([(values / q)[SystematicSampler(seed).draw(q)].sum() for seed in range(2000)])
    truth, quoted = values.sum(), np.sqrt((values**2 * (1 - q) / q).sum())
    assert abs(sums.mean() - truth) < 4 * sums.std() / np.sqrt(len(sums))
    assert sums.std() > 10 * quoted, "what docs/statistics.md warns of"
    shuffled = np.random.default_rng(0).permutation(n)
    again = np.array([(values / q)[shuffled][SystematicSampler(seed).draw(q)].sum() for seed in range(400)])
    assert again.std() < 1.3 * quoted


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("held"), 6000, policy=OptimalPolicy(3.0, 25.0))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, chain: Chain) -> Chain:
    folder = tmp_path_factory.mktemp("other")
    return make_chain(folder, 6000, policy=OptimalPolicy(3.0, 25.0), first_event=6000, model=chain.model)


def kept_of(chain: Chain) -> EventBatch:
    with open_events(chain.kept) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def without_weights(kept: EventBatch) -> EventBatch:
    return kept.with_event_columns(weight=np.ones(len(kept)))


def weighted_twice(kept: EventBatch) -> EventBatch:
    return kept.with_event_columns(weight=kept.event["weight"] / kept.event["keep_probability"])


def half(kept: EventBatch) -> EventBatch:
    return kept.select(np.arange(len(kept)) % 2 == 0)


def some_doubled(kept: EventBatch) -> EventBatch:
    return kept.select(np.concatenate([np.arange(len(kept)), np.arange(200)]))


FAULTS: dict[str, Callable[[EventBatch], EventBatch]] = {
    "all weights 1": without_weights,
    "weights applied twice": weighted_twice,
    "half of the file missing": half,
    "events doubled": some_doubled,
}
SETTINGS = ClosureSettings(n_replicas=500, n_coverage_seeds=0, with_pairs=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_validate_finds_what_is_wrong_with_the_file_that_a_user_holds(fault: str, chain: Chain, tmp_path: Path) -> None:
    with open_events(chain.kept) as reader:
        about = {name: reader.metadata[name] for name in ("kind", "schema_version", "settings", "draws")}
    with create_events(tmp_path / "kept.parquet", about) as writer:
        writer.write(FAULTS[fault](kept_of(chain)))
    found = validate_files(tmp_path / "kept.parquet", chain.flags, "first", scores=chain.scores, settings=SETTINGS)
    assert any(finding.state == "wrong" for finding in found.inventory)
    assert not found.is_compatible


def test_validate_finds_the_kept_file_of_another_sample(chain: Chain, other: Chain) -> None:
    with pytest.raises(DatasetError, match="not in"):
        validate_files(other.kept, chain.flags, "first", scores=chain.scores, settings=SETTINGS)


def test_validate_finds_nothing_wrong_with_the_right_file(chain: Chain) -> None:
    found = validate_files(chain.kept, chain.flags, "first", scores=chain.scores, settings=SETTINGS)
    assert found.is_compatible
    assert {finding.state for finding in found.inventory} <= {"ok", "not checked"}


def keep_probabilities(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    return OptimalPolicy(2.0, 25.0).keep_probability(np.full(len(weight), 0.06), weight=weight)


@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])
def test_the_unit_of_a_constant_generator_weight_does_not_change_what_is_kept(unit: float) -> None:
    np.testing.assert_allclose(keep_probabilities(np.full(5, unit)), keep_probabilities(np.ones(5)))
