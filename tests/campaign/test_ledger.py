"""The ledger: sums that depend on no order or grouping, speed-up with an honest error, chunks without a kept event."""

import itertools
import json
import random as python_random
from typing import Any

import numpy as np
import pytest

from smartbkg.campaign.chunk.record import skim_sums
from smartbkg.campaign.ledger import Ledger
from smartbkg.errors import FileFormatError
from smartbkg.events.totals import Totals
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.statistics import speed_up

COSTS = Costs(0.1, 0.2, 30.0)


def sample(random: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    score = random.beta(0.5, 3.0, n)
    q = np.clip(np.sqrt(score) * 1.3, 0.04, 1.0)
    w = random.choice([1.0, 1.0, -1.0, 1.5], n)
    return {"w": w, "q": q, "kept": random.random(n) < q, "passed": random.random(n) < score}


def content_of(index: int, s: dict[str, np.ndarray]) -> dict[str, Any]:
    kept = s["kept"]
    weight = (s["w"] / s["q"])[kept]
    return {
        "chunk": index, "process": ("mixed", "charged")[index % 2], "policy": "p", "identity": "i",
        "package_version": "0", "totals": Totals.of(s["w"], weight).with_cross_section(555.0, 0.1 * index).to_dict(),
        "skims": {"skim": skim_sums(weight, s["q"][kept], s["passed"][kept])},
        "cpu": {"generate": 0.1, "filter": 0.2, "write": 0.01, "simulate": 0.3 * index, "bookkeeping": 0.0},
        "wall": 0.7, "draw": {"variance": 0.1, "sum_keep_probability": 0.3, "count_variance": 1e-3, "largest": 25.0},
        "particles": 10, "unknown_codes": 1, "files": {"kept": {"bytes": 5}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def contents() -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    sizes = [200, 0, 50, 1, 300, 120]
    return [content_of(index, sample(random, size)) for index, size in enumerate(sizes)]


def test_sums_are_the_same_in_any_order_and_grouping(contents: list[dict[str, Any]]) -> None:
    whole = Ledger()
    for content in contents:
        whole.add(json.loads(json.dumps(content)))
    for order in itertools.islice(itertools.permutations(contents), 0, 720, 97):
        cut = python_random.Random(len(order)).randrange(len(order))
        first, second = Ledger(), Ledger()
        for position, content in enumerate(order):
            (first if position < cut else second).add(content)
        first.add_ledger(second)
        assert first.processes == whole.processes
        assert first.skims(COSTS) == whole.skims(COSTS)
        assert (first.cpu, first.wall, first.draw, first.n_chunks) == (whole.cpu, whole.wall, whole.draw, 6)


def test_an_empty_chunk_counts_as_a_chunk_and_adds_nothing(contents: list[dict[str, Any]]) -> None:
    ledger = Ledger()
    ledger.add(contents[1])
    assert (ledger.n_chunks, ledger.totals.n_events, ledger.costs()) == (1, 0, None)
    assert ledger.skims(COSTS)["skim"].speed_up is None


def test_the_speed_up_is_that_of_all_events_within_its_error() -> None:
    random = np.random.default_rng(1)
    pulls = []
    for _ in range(60):
        s = sample(random, 4000)
        ledger = Ledger()
        for index, start in enumerate(range(0, 4000, 500)):
            ledger.add(content_of(index, {name: column[start : start + 500] for name, column in s.items()}))
        found = ledger.skims(COSTS)["skim"].speed_up
        assert found is not None
        truth = speed_up(s["passed"], s["q"], COSTS, s["w"])
        pulls.append((found.value - truth) / found.error)
    assert abs(np.mean(pulls)) < 5 / np.sqrt(60)
    assert 0.4 < np.std(pulls) < 1.3


def test_the_sum_of_passing_weights_is_unbiased() -> None:
    random = np.random.default_rng(2)
    difference = []
    for _ in range(300):
        s = sample(random, 500)
        ledger = Ledger()
        ledger.add(content_of(0, s))
        difference.append(ledger.skims(None)["skim"].sum_weight - s["w"][s["passed"]].sum())
    assert abs(np.mean(difference)) < 4 * np.std(difference) / np.sqrt(300)


@pytest.mark.parametrize("missing", ["totals", "skims", "draw", "wall"])
def test_a_record_that_lacks_something_is_named(contents: list[dict[str, Any]], missing: str) -> None:
    wrong = {key: value for key, value in contents[0].items() if key != missing}
    with pytest.raises(FileFormatError, match="record of chunk 0: cannot be added up"):
        Ledger().add(wrong)
