"""Decay graphs as tensors: positions of mothers and events, and parts of a batch."""

from __future__ import annotations

import numpy as np

from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import collate, select_graphs

GRAPHS = DecayGraphs(
    np.array([0, 2, 2, 5]),
    np.array([3, 1, 4, 1, 5], dtype=np.int32),
    np.arange(10, dtype=np.float32).reshape(5, 2),
    np.array([-1, 0, -1, 0, 1], dtype=np.int32),
    np.arange(5),
    0,
)


def test_mothers_and_events_count_through_the_batch() -> None:
    batch = collate(GRAPHS, process=[1, -1, 0])
    assert batch.mother.tolist() == [-1, 0, -1, 2, 3]
    assert batch.event.tolist() == [0, 0, 2, 2, 2]
    assert batch.process.tolist() == [1, -1, 0]
    assert (batch.n_events, batch.n_nodes) == (3, 5)
    assert collate(GRAPHS).process.tolist() == [-1, -1, -1]


def test_chosen_events_come_in_the_order_wanted() -> None:
    chosen = select_graphs(GRAPHS, [2, 1, 0])
    assert chosen.offsets.tolist() == [0, 3, 3, 5]
    assert chosen.token.tolist() == [4, 1, 5, 3, 1]
    assert chosen.mother.tolist() == [-1, 0, 1, -1, 0]
    assert chosen.feature[:, 0].tolist() == [4, 6, 8, 0, 2]
    assert select_graphs(GRAPHS, []).n_events == 0
