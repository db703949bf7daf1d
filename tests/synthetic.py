"""Small random events for tests: trees of particles with ordinary codes, reproducible from a seed."""

from __future__ import annotations

import numpy as np

from smartbkg.events import EventBatch

CODES = np.array([300553, 511, -511, 411, -421, 211, -211, 321, -321, 22, 111, 11, -13, 12, 130])


def random_events(n_events: int, seed: int = 0, *, first_event: int = 0, max_particles: int = 40) -> EventBatch:
    """Events of 1 to ``max_particles`` particles; each particle's mother comes before it."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, max_particles + 1, n_events)
    n = int(counts.sum())
    position = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    mother = np.where(position == 0, -1, (random.random(n) * position).astype(int))
    momentum = random.normal(0, 0.7, (3, n))
    mass = np.full(n, 0.14)
    return EventBatch.from_columns(
        counts,
        {
            "experiment": np.full(n_events, 7),
            "run": random.integers(0, 3, n_events),
            "evtNum": first_event + np.arange(n_events),
            "process": np.full(n_events, "mixed"),
        },
        {
            "arrayIndex": position,
            "PDG": np.where(position == 0, CODES[0], random.choice(CODES[1:], n)),
            "motherIndex": mother,
            "mass": mass,
            "charge": np.zeros(n),
            "energy": np.sqrt((momentum**2).sum(axis=0) + mass**2),
            "prodTime": random.exponential(0.01, n),
            "x": random.normal(0, 0.1, n),
            "y": random.normal(0, 0.1, n),
            "z": random.normal(0, 0.3, n),
            "px": momentum[0],
            "py": momentum[1],
            "pz": momentum[2],
            "nDaughters": np.zeros(n),
            "status": np.ones(n),
            "motherPDG": np.zeros(n),
        },
        source="synthetic",
    )
