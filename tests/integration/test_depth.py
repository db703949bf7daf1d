"""Time is linear in the depth of a decay: chains of 100,000 particles, for which a square would take hours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from synthetic import random_events

from smartbkg.events import EventBatch
from smartbkg.graphs.decay_tree import build_graphs
from smartbkg.graphs.rule import GraphRule
from smartbkg.io import create_events, open_events
from smartbkg.io.ancestry import nearest_mothers
from smartbkg.storage.provenance import record

DEPTH = 100_000


def chain(code: int, *, is_reversed: bool = False, step: int = 1) -> EventBatch:
    """One event in which each particle is the mother of the next; the last one is a pion."""
    (event,) = (random_events(1, seed=1),)
    first = {name: np.repeat(column[:1], DEPTH) for name, column in event.particle.items()}
    index = np.arange(DEPTH, dtype=np.int32) * step
    first |= {"arrayIndex": index, "motherIndex": (index - step).clip(min=-1), "PDG": np.full(DEPTH, code, np.int32)}
    first |= {"motherPDG": np.full(DEPTH, code, np.int32), "nDaughters": np.ones(DEPTH, np.int32)}
    first["PDG"][-1], first["nDaughters"][-1] = 211, 0
    if is_reversed:
        first = {name: column[::-1].copy() for name, column in first.items()}
    columns = {name: column.astype(event.particle[name].dtype) for name, column in first.items()}
    return EventBatch.from_columns([DEPTH], event.event, columns)


def mothers_of(path: Path) -> NDArray[np.integer]:
    with open_events(path) as reader:
        return np.concatenate([batch.particle["motherIndex"] for batch in reader.batches()])


def test_entries_without_a_particle_above_them_are_searched_once() -> None:
    counts, parents, each = np.array([DEPTH]), np.arange(-1, DEPTH - 1), np.ones(DEPTH, np.int64)
    is_documentation = np.arange(DEPTH) % 2 == 0
    expected = np.where(is_documentation, parents, parents - 1).clip(min=-1)
    assert np.array_equal(nearest_mothers(counts, each, parents, is_documentation), expected)
    only_last = np.arange(DEPTH) < DEPTH - 3
    assert nearest_mothers(counts, each, parents, only_last)[-3:].tolist() == [-1, DEPTH - 3, DEPTH - 2]


def test_a_chain_is_written_and_read_as_hepmc(tmp_path: Path) -> None:
    for code in (421, 21):  # particles, and gluons, which are looked through
        for is_reversed in (False, True):
            path = tmp_path / "e.hepmc3"
            with create_events(path, record("events", 1, {})) as writer:
                writer.write(chain(code, is_reversed=is_reversed))
            assert len(mothers_of(path)) == DEPTH


def test_graphs_look_through_a_chain_of_gluons() -> None:
    """And find mothers where the numbers of the particles are far apart."""
    rule = replace(GraphRule(), bridged_codes=(21,))
    graphs = build_graphs(chain(21), rule)
    assert len(graphs.mother) == 1
    for step in (1, 1000):
        mother = build_graphs(chain(421, step=step), rule).mother
        assert np.array_equal(mother, np.arange(-1, DEPTH - 1))
