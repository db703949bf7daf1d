"""Variables of the generator level against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.events.generator_level import GENERATOR_VARIABLES, generator_variables

STABLE = ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR


def with_momenta(momenta: np.ndarray, pdg: list[int], status: list[int]) -> EventBatch:
    n = len(momenta)
    particle = {name: np.zeros(n) for name in ("mass", "prodTime", "x", "y", "z", "nDaughters", "motherPDG")}
    particle |= {"arrayIndex": np.arange(n), "motherIndex": np.full(n, -1), "PDG": np.array(pdg), "status": status}
    particle |= {"charge": np.sign(pdg), "energy": np.linalg.norm(momenta, axis=1)}
    particle |= dict(zip(("px", "py", "pz"), momenta.T, strict=True))
    event = {"experiment": [0], "run": [1], "evtNum": [1], "process": ["mixed"]}
    return EventBatch.from_columns(np.array([n]), event, particle, source="test")


def test_variables_count_stable_particles_alone() -> None:
    momenta = np.array([[0.0, 0, 9], [3, 4, 0], [0, 0, -2], [1, 0, 0]])
    found = generator_variables(with_momenta(momenta, [300553, 211, -321, 22], [1, STABLE, STABLE, STABLE]))
    assert set(found) == set(GENERATOR_VARIABLES)
    expected = {"nFinal": 3, "nKaons": 1, "nPhotons": 1, "sumMomentum": 8, "largestMomentum": 5, "largestTransverse": 5}
    assert {name: found[name][0] for name in expected} == expected


def test_r2_is_the_sum_over_pairs_of_its_definition() -> None:
    momenta = np.random.default_rng(3).normal(size=(12, 3))
    size = np.linalg.norm(momenta, axis=1)
    cosine = momenta @ momenta.T / np.outer(size, size)
    h2 = (np.outer(size, size) * (3 * cosine**2 - 1) / 2).sum()
    found = generator_variables(with_momenta(momenta, [211] * 12, [STABLE] * 12))["R2"][0]
    assert found == pytest.approx(h2 / size.sum() ** 2, rel=1e-6)


def test_variables_are_finite_for_events_without_particles() -> None:
    batch = random_events(40)
    found = generator_variables(batch)
    assert all(values.shape == (40,) and np.isfinite(values).all() for values in found.values())
