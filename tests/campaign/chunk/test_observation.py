"""What a chunk keeps for the alarms: D has mean 0 and variance V, in every bin, whatever the scores are worth."""

import itertools

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.campaign.chunk.observation import VARIABLES, ClosureSums, Observation, ScoreSums, variables_of
from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.filtering.event_filter import Decision


def test_difference_and_variance_of_each_bin_are_those_of_repeated_draws() -> None:
    random = np.random.default_rng(0)
    events = random_events(400, seed=1)
    events = events.with_event_columns(weight=random.choice([-1.0, 1.0, 2.0], 400))
    q = random.uniform(0.1, 1.0, 400)
    score = random.random((400, 1))
    observed = []
    for _ in range(400):
        kept = random.random(400) < q
        decision = Decision(score.astype(np.float32), score, q, kept, np.where(kept, events.event["weight"] / q, 0.0))
        observation = Observation(1)
        for part, chosen in ((slice(0, 150), np.arange(150)), (slice(150, 400), np.arange(150, 400))):
            observation.add(events.slice(part.start, part.stop), Decision(*(column[chosen] for column in decision)))
        observed.append(observation)
    differences = np.stack([one.closure.difference for one in observed])
    variance = observed[0].closure.variance
    filled = variance > 0
    pulls = differences.mean(axis=0)[filled] / np.sqrt(variance[filled] / len(observed))
    assert np.abs(pulls).max() < 5
    ratio = differences.var(axis=0)[filled] / variance[filled]
    assert np.abs(ratio - 1).max() < 0.6
    assert observed[0].variance == pytest.approx(variance[0].sum())
    assert observed[0].closure.weight.sum(axis=1) == pytest.approx(events.event["weight"].sum())


def test_each_variable_is_a_number_of_each_event() -> None:
    events = random_events(50, seed=2)
    values = variables_of(events)
    assert list(values) == list(VARIABLES)
    assert all(column.shape == (50,) and np.isfinite(column).all() for column in values.values())
    for name in VARIABLES:
        if "share" in name:
            assert ((values[name] >= 0) & (values[name] <= 1 + 1e-6)).all()


def test_sums_survive_the_way_through_a_record_and_damage_is_seen() -> None:
    random = np.random.default_rng(3)
    closure = ClosureSums(*random.normal(size=(3, len(VARIABLES), 16)))
    for mine, its in zip(closure, ClosureSums.raw(closure.encoded()), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6)
    with pytest.raises(FileFormatError, match="expected those of an array"):
        ScoreSums.raw(closure.encoded())


def test_variables_are_those_of_a_loop_over_particles_and_0_of_events_without_any() -> None:
    full = random_events(40, seed=8)
    offsets = np.sort(np.concatenate([full.offsets, full.offsets[[0, 7, 7, -1, -1]]]))
    n_events = len(offsets) - 1
    event = {name: np.resize(column, n_events) for name, column in full.event.items()}
    events = EventBatch(offsets, event, full.particle)
    found = variables_of(events)
    for index, (start, stop) in enumerate(itertools.pairwise(offsets.tolist())):
        particle = {name: column[start:stop].astype(float) for name, column in full.particle.items()}
        stable = (full.particle["status"][start:stop] & ParticleStatus.STABLE_IN_GENERATOR) != 0
        code = np.abs(particle["PDG"])
        transverse = np.hypot(particle["px"], particle["py"])
        expected = {
            "particles": stop - start,
            "charged particles": (stable & (particle["charge"] != 0)).sum(),
            "photons": (stable & (code == 22)).sum(),
            "kaons": (stable & np.isin(code, (130, 310, 321))).sum(),
            "leptons": (stable & np.isin(code, (11, 13))).sum(),
            "charged share of the energy": particle["energy"][stable & (particle["charge"] != 0)].sum()
            / max(particle["energy"][stable].sum(), 1e-300),
            "transverse share of the momentum": transverse[stable].sum()
            / max(np.hypot(transverse, particle["pz"])[stable].sum(), 1e-300),
        }
        for name, value in expected.items():
            assert found[name][index] == pytest.approx(value, rel=1e-9), name
