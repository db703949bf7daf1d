"""Batches made ahead: the graphs asked for, in their order; errors reach the network; nothing is left running."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import select_graphs
from smartbkg.training.input.batches import LoaderClock, batches

GRAPHS = random_graphs(0, [3, 1, 5, 2, 4])


def data(fail_at: int | None = None) -> Any:
    def fetch(events: np.ndarray) -> DecayGraphs:
        if fail_at is not None and fail_at in events:
            raise OSError("disk")
        return select_graphs(GRAPHS, events)

    return SimpleNamespace(store=SimpleNamespace(fetch=fetch), process=np.array([0, 1, 1, 0, 1], dtype=np.int16))


def loader_threads() -> int:
    return sum(thread.name == "smartbkg-batches" for thread in threading.enumerate())


GROUPS = [np.array([4, 0]), np.array([2]), np.array([1, 3]), np.array([0, 1, 2]), np.array([3])]


def test_batches_are_the_groups_in_their_order_with_the_processes_of_the_network() -> None:
    clock = LoaderClock()
    found = list(batches(data(), GROUPS, np.array([5, -1]), torch.device("cpu"), clock))
    assert [batch.events.tolist() for batch in found] == [group.tolist() for group in GROUPS]
    assert found[0].graphs.process.tolist() == [-1, 5]
    np.testing.assert_array_equal(found[1].graphs.feature.numpy(), GRAPHS.feature[4:9])
    assert 0 <= clock.share <= 1
    assert clock.total > 0
    assert loader_threads() == 0


def test_a_transformation_sees_the_graphs_and_the_number_of_the_group() -> None:
    numbers = []

    def shift(graphs: DecayGraphs, number: int) -> DecayGraphs:
        numbers.append(number)
        return graphs._replace(feature=graphs.feature + np.float32(number))

    found = list(batches(data(), GROUPS, np.zeros(2, int), torch.device("cpu"), transformation=shift))
    assert numbers == list(range(len(GROUPS)))
    np.testing.assert_array_equal(found[1].graphs.feature.numpy(), GRAPHS.feature[4:9] + np.float32(1))


def test_an_error_while_reading_is_raised_where_the_batch_is_wanted() -> None:
    stream = batches(data(fail_at=2), GROUPS, np.zeros(2, int), torch.device("cpu"))
    assert next(stream).events.tolist() == [4, 0]
    with pytest.raises(OSError, match="disk"):
        next(stream)
    assert loader_threads() == 0


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    stream = batches(data(), GROUPS * 20, np.zeros(2, int), torch.device("cpu"))
    next(stream)
    stream.close()
    assert loader_threads() == 0


def test_a_clock_that_never_ran_has_no_share() -> None:
    assert LoaderClock().share == 0.0
