"""`EventBatch`: choosing, slicing and joining events never mixes their particles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.errors import EventError
from smartbkg.events import EventBatch


def same(first: EventBatch, second: EventBatch) -> bool:
    return np.array_equal(first.offsets, second.offsets) and all(
        np.array_equal(one[name], other[name])
        for one, other in ((first.event, second.event), (first.particle, second.particle))
        for name in one
    )


@given(st.lists(st.integers(0, 19), max_size=30))
def test_select_takes_events_with_their_own_particles_in_the_order_asked(chosen):
    batch = random_events(20, seed=3)
    selected = batch.select(np.array(chosen, dtype=int))
    assert len(selected) == len(chosen)
    for position, index in enumerate(chosen):
        assert same(selected.slice(position, position + 1), batch.slice(index, index + 1))


@given(st.integers(1, 25))
def test_chunks_joined_again_are_the_batch(size):
    batch = random_events(20, seed=4)
    assert same(EventBatch.concatenate(list(batch.chunks(size))), batch)


def test_mask_and_positions_select_the_same():
    batch = random_events(20)
    mask = np.arange(20) % 3 == 0
    assert same(batch.select(mask), batch.select(np.flatnonzero(mask)))


def test_awkward_round_trip():
    batch = random_events(10)
    array = batch.to_awkward()
    assert array["PDG"][2].tolist() == batch.slice(2, 3).particle["PDG"].tolist()
    assert same(EventBatch.from_awkward(array), batch)


def test_originals_follow_their_events():
    batch = random_events(4)
    batch = EventBatch(batch.offsets, batch.event, batch.particle, "x", ["a", "b", "c", "d"])
    assert list(batch.select([3, 1]).originals or ()) == ["d", "b"]


def test_missing_and_misfitting_columns_are_named():
    batch = random_events(2)
    with pytest.raises(EventError, match="'energy' is missing"):
        EventBatch.from_columns(batch.counts, batch.event, {k: v for k, v in batch.particle.items() if k != "energy"})
    with pytest.raises(EventError, match="event column 'evtNum' is missing"):
        EventBatch.from_columns(batch.counts, {k: v for k, v in batch.event.items() if k != "evtNum"}, batch.particle)
    with pytest.raises(EventError, match="'px'"):
        EventBatch.from_columns(batch.counts, batch.event, {**batch.particle, "px": np.zeros(1)})
    with pytest.raises(EventError, match="'label'"):
        batch.with_event_columns(label=[1, 2, 3])


def test_not_a_number_names_file_event_particle_and_column():
    batch = random_events(5)
    momentum = batch.particle["py"].copy()
    momentum[batch.offsets[3]] = np.nan
    bad = EventBatch(batch.offsets, batch.event, {**batch.particle, "py": momentum}, "file.parquet")
    with pytest.raises(EventError, match=r"file\.parquet: event \(7, \d, 3\): py of particle 0 is nan"):
        bad.check_finite()
    batch.check_finite()
