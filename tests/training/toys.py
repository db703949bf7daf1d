"""Small made-up samples: decay trees whose skim decisions follow from what a network can see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.io.parquet import ParquetWriter
from smartbkg.scores.logistic import expit

PARTICLE_CODES = np.array([211, -211, 321, -321, 11, -11, 13, 22, 111, 421])


def toy_events(
    n_events: int, seed: int = 0, *, process: str = "mixed", run: int = 1, first: int = 0, n_particles: int = 9
) -> EventBatch:
    """Events with one root, a handful of daughters and granddaughters, and finite random kinematics."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(4, 2 * n_particles - 4, n_events)
    total = int(counts.sum())
    index = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    mother = np.where(index == 0, -1, rng.integers(0, np.maximum(index, 1)))
    momentum = rng.normal(0, 0.7, (3, total))
    mass = np.full(total, 0.1396)
    position = rng.normal(0, 0.1, (3, total)) * (index > 0)
    pdg = np.where(index == 0, 300553, rng.choice(PARTICLE_CODES, total))
    return EventBatch.from_columns(
        counts,
        {
            "experiment": np.zeros(n_events),
            "run": np.full(n_events, run),
            "evtNum": first + np.arange(n_events),
            "process": np.full(n_events, process),
        },
        {
            "arrayIndex": index,
            "PDG": pdg,
            "motherIndex": mother,
            "mass": mass,
            "charge": np.sign(pdg),
            "energy": np.sqrt((momentum**2).sum(axis=0) + mass**2),
            "prodTime": np.abs(position[0]),
            "x": position[0],
            "y": position[1],
            "z": position[2],
            "px": momentum[0],
            "py": momentum[1],
            "pz": momentum[2],
            "nDaughters": np.zeros(total),
            "status": np.ones(total),
            "motherPDG": np.zeros(total),
        },
        source="toy",
    )


def toy_probability(batch: EventBatch, *, particle: int = 321, intercept: float = -3.0) -> np.ndarray:
    """(n_events,) true pass probability: rises with the number of particles of one kind."""
    number = np.bincount(batch.event_index, weights=np.abs(batch.particle["PDG"]) == particle, minlength=len(batch))
    return expit(intercept + 0.9 * number)


def toy_flags(batch: EventBatch, seed: int = 1, *, soft: bool = False) -> dict[str, np.ndarray]:
    """Flags of two skims, and two event-level variables."""
    rng = np.random.default_rng(seed)
    probability = toy_probability(batch)
    other = toy_probability(batch, particle=13, intercept=-2.5)
    columns = {name: batch.event[name] for name in EVENT_ID}
    if soft:
        columns["pass_fraction_kaons"] = probability
    else:
        columns["passes_kaons"] = rng.random(len(batch)) < probability
        columns["passes_muons"] = rng.random(len(batch)) < other
    columns["Mbc"] = rng.normal(5.28, 0.01, len(batch))
    columns["nTracks"] = batch.counts
    return columns


def write_events(path: Path, batch: EventBatch) -> Path:
    """The events as a native file."""
    with ParquetWriter(path, {"kind": "events", "schema_version": 1}) as writer:
        writer.write(batch)
    return path


def write_flags(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """The flags as a flat table."""
    pq.write_table(pa.table(columns), path)
    return path
