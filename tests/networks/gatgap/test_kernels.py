"""The compiled GATGAP: chunks of events are an inner matter, and families are read from mothers alone."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from networks.graphs_for_tests import one_skim_gatgap, random_graphs

from smartbkg.graphs import DecayGraphs
from smartbkg.networks.gatgap.kernels import CHUNK_NODES, chunk_end, fill_family, largest_chunk, make_family
from smartbkg.networks.gatgap.runtime import CompiledGATGAP


@numba.njit
def run_family(offsets, mother, begin, end):  # type: ignore[no-untyped-def]
    family = make_family(offsets[end] - offsets[begin])
    fill_family(offsets, mother, begin, end, family)
    return family.mother, family.daughter_start, family.daughter


@numba.njit
def run_chunks(offsets):  # type: ignore[no-untyped-def]
    ends, begin = [0], 0
    while begin < len(offsets) - 1:
        begin = chunk_end(offsets, begin, len(offsets) - 1)
        ends.append(begin)
    return ends, largest_chunk(offsets, 0, len(offsets) - 1)


def test_families_are_those_of_the_mothers_within_their_event() -> None:
    offsets = np.array([0, 2, 6, 7])
    mother = np.array([-1, 0, -1, 0, 0, 1, 0], dtype=np.int32)  # the last particle is its own mother
    found, start, daughter = run_family(offsets, mother, 1, 3)
    assert found.tolist() == [-1, 0, 0, 1, -1]
    daughters = [daughter[start[i] : start[i + 1]].tolist() for i in range(5)]
    assert daughters == [[1, 2], [3], [], [], []]


def test_chunks_hold_so_many_nodes_or_one_larger_event() -> None:
    counts = [CHUNK_NODES - 1, 1, 1, 5 * CHUNK_NODES, 0, 3]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    ends, (most_nodes, most_events) = run_chunks(offsets)
    assert list(ends) == [0, 2, 3, 4, 6]
    assert most_nodes == 5 * CHUNK_NODES
    assert most_events == 2


@pytest.mark.parametrize("counts", [[CHUNK_NODES, CHUNK_NODES], [1] * 200, [0, 3 * CHUNK_NODES + 1, 0, 2]])
def test_a_logit_does_not_depend_on_where_a_chunk_ends(counts: list[int]) -> None:
    model = one_skim_gatgap()
    backend = CompiledGATGAP(model.config, model.state)  # type: ignore[arg-type]
    graphs = random_graphs(2, counts)
    together = backend(graphs, np.zeros(len(counts), dtype=np.int64))
    for event in range(0, len(counts), max(1, len(counts) // 5)):
        nodes = slice(graphs.offsets[event], graphs.offsets[event + 1])
        alone = DecayGraphs(
            np.array([0, counts[event]]), graphs.token[nodes], graphs.feature[nodes], graphs.mother[nodes],
            graphs.particle[nodes], 0,
        )  # fmt: skip
        np.testing.assert_array_equal(backend(alone, np.zeros(1, dtype=np.int64))[0], together[event])
