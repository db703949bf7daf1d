"""The digest of an event's content: the same from every format and order, another for every other event."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from synthetic import random_events

from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.events.content import content_digests
from smartbkg.io import create_events, open_events
from smartbkg.storage.provenance import record


def final_state(n_events: int, seed: int) -> EventBatch:
    """Random events whose particles are stable in the generator."""
    batch = random_events(n_events, seed=seed)
    stable = np.full(batch.n_particles, ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR, dtype=np.int32)
    return replace(batch, particle={**batch.particle, "status": stable})


def read_back(path: Path) -> EventBatch:
    with open_events(path) as reader:
        return EventBatch.concatenate(list(reader.batches(7)))


def changed(batch: EventBatch, **columns: np.ndarray) -> EventBatch:
    return replace(batch, particle={**batch.particle, **columns})


def test_different_events_have_different_digests() -> None:
    digests = content_digests(final_state(2000, seed=1))
    assert len(np.unique(digests)) == 2000


def test_the_digest_does_not_depend_on_the_order_of_particles() -> None:
    batch = final_state(1, seed=2)
    order = np.random.default_rng(0).permutation(batch.n_particles)
    shuffled = changed(batch, **{name: column[order] for name, column in batch.particle.items()})
    assert content_digests(shuffled)[0] == content_digests(batch)[0]


def test_the_digest_does_not_depend_on_ids_weights_chunks_or_what_formats_compute_anew() -> None:
    batch = final_state(50, seed=3)
    expected = content_digests(batch)
    other = changed(
        batch, energy=batch.particle["energy"] * 1.1, x=batch.particle["x"] + 1, mass=0 * batch.particle["mass"]
    )
    other = other.with_event_columns(weight=np.full(50, 7.0), run=np.full(50, 9))
    assert np.array_equal(content_digests(other), expected)
    assert np.array_equal(np.concatenate([content_digests(part) for part in batch.chunks(7)]), expected)


def test_double_precision_and_negative_zero_change_nothing() -> None:
    batch = final_state(50, seed=3)
    doubles = {name: batch.particle[name].astype(np.float64) * (1 + 1e-12) for name in ("px", "py", "pz")}
    assert np.array_equal(content_digests(changed(batch, **doubles)), content_digests(batch))
    still = changed(batch, px=np.zeros_like(batch.particle["px"]))
    assert np.array_equal(content_digests(changed(still, px=-still.particle["px"])), content_digests(still))


def test_one_bit_of_one_momentum_or_one_code_changes_the_digest() -> None:
    batch = final_state(1, seed=4)
    hadron = int(np.flatnonzero(batch.particle["PDG"] != 22)[0])
    for name, step in (("px", np.float32(1e-6)), ("pz", np.float32(1e-6)), ("PDG", 2)):
        column = batch.particle[name].copy()
        column[hadron] += step
        assert content_digests(changed(batch, **{name: column}))[0] != content_digests(batch)[0]


def test_documentation_beams_and_photons_do_not_enter() -> None:
    batch = final_state(1, seed=5)
    expected = content_digests(batch)[0]
    status, code = batch.particle["status"].copy(), batch.particle["PDG"].copy()
    code[-1] = 22
    status[-2] |= ParticleStatus.VIRTUAL
    status[-3] |= ParticleStatus.INITIAL
    before = content_digests(changed(batch, status=status, PDG=code))[0]
    momentum = batch.particle["px"].copy()
    momentum[-3:] += 1
    assert content_digests(changed(batch, status=status, PDG=code, px=momentum))[0] == before != expected


def test_an_event_without_final_state_takes_what_it_has_and_an_empty_one_is_zero() -> None:
    batch = final_state(3, seed=6)
    bare = changed(batch, status=np.full(batch.n_particles, ParticleStatus.PRIMARY, dtype=np.int32))
    assert len(np.unique(content_digests(bare))) == 3
    empty = batch.select(np.zeros(3, dtype=bool))
    assert content_digests(empty).shape == (0,)
    no_particle = EventBatch.from_columns(
        [0], {"experiment": [0], "run": [0], "evtNum": [1]}, {name: [] for name in batch.particle}
    )
    assert content_digests(no_particle)[0] == 0


def test_parquet_hepmc_and_edm4hep_give_the_same_digests(tmp_path: Path) -> None:
    batch = final_state(40, seed=7)
    expected = content_digests(batch)
    for name in ("events.parquet", "events.hepmc", "events.hepmc.gz", "events.edm4hep.root"):
        with create_events(tmp_path / name, record("events", 1, {})) as writer:
            writer.write(batch)
        assert np.array_equal(content_digests(read_back(tmp_path / name)), expected), name


def test_belle2_events_keep_their_digests_through_parquet_and_hepmc(reference_data: Path, tmp_path: Path) -> None:
    with open_events(reference_data / "belle2" / "mdst.root") as reader:
        batch = next(reader.batches(100))
    expected = content_digests(batch)
    assert len(np.unique(expected)) == 100
    for name in ("events.parquet", "events.hepmc", "events.edm4hep.root"):
        with create_events(tmp_path / name, record("events", 1, {})) as writer:
            writer.write(batch)
        assert np.array_equal(content_digests(read_back(tmp_path / name)), expected), name
