"""The store gives back the graphs that were appended, in any order, from memory and from disk alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks.graphs_for_tests import random_graphs

from smartbkg.errors import DatasetError
from smartbkg.graphs.collate import select_graphs
from smartbkg.training.input.graph_store import GraphStore

COUNTS = [3, 0, 7, 1, 12, 0, 2]


def filled(folder: Path, memory_bytes: int) -> GraphStore:
    store = GraphStore(8, folder, memory_bytes)
    for seed in (1, 2):
        store.append(random_graphs(seed, COUNTS))
    store.finish()
    return store


@pytest.mark.parametrize(("memory_bytes", "is_in_memory"), [(2**20, True), (0, False), (900, False)])
def test_any_events_come_back_in_the_order_wanted(tmp_path: Path, memory_bytes: int, is_in_memory: bool) -> None:
    with filled(tmp_path, memory_bytes) as store:
        assert store.is_in_memory is is_in_memory
        assert len(store) == 2 * len(COUNTS)
        for wanted in ([0], [13, 2, 2, 9, 1], [1, 5, 8], []):
            got = store.fetch(np.array(wanted, dtype=np.int64))
            assert got.n_events == len(wanted)
            for position, event in enumerate(wanted):
                expected = select_graphs(random_graphs(1 + event // len(COUNTS), COUNTS), [event % len(COUNTS)])
                one = select_graphs(got, [position])
                np.testing.assert_array_equal(one.token, expected.token)
                np.testing.assert_array_equal(one.feature, expected.feature)
                np.testing.assert_array_equal(one.mother, expected.mother)


def test_the_file_of_a_store_has_no_name_that_could_be_left_behind(tmp_path: Path) -> None:
    with filled(tmp_path, 0):
        assert list(tmp_path.iterdir()) == []


def test_an_event_too_large_for_the_stored_type_is_refused(tmp_path: Path) -> None:
    graphs = random_graphs(0, [1])
    large = graphs._replace(
        offsets=np.array([0, 40000]),
        token=np.zeros(40000, dtype=np.int32),
        feature=np.zeros((40000, 8), dtype=np.float32),
        mother=np.full(40000, -1, dtype=np.int32),
    )
    with GraphStore(8, tmp_path, 10**6) as store, pytest.raises(DatasetError, match="40000 particles"):
        store.append(large)


def test_an_empty_store_has_no_graphs(tmp_path: Path) -> None:
    with GraphStore(8, tmp_path, 10**6) as store:
        store.finish()
        assert len(store) == 0
