"""The members of an mDST that the double of basf2 needs, read with uproot alone and kept for all tests of a session."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import uproot
from particle import PDGID

PARTICLE_MEMBERS = {
    "pdg": "m_pdg", "status": "m_status", "mass": "m_mass", "energy": "m_energy", "time": "m_productionTime",
    "px": "m_momentum_x", "py": "m_momentum_y", "pz": "m_momentum_z", "x": "m_productionVertex_x",
    "y": "m_productionVertex_y", "z": "m_productionVertex_z", "mother": "m_mother",
    "first_daughter": "m_firstDaughter", "last_daughter": "m_lastDaughter",
}  # fmt: skip
EVENT_MEMBERS = {
    "event": "m_event", "run": "m_run", "experiment": "m_experiment", "weight": "m_generatedWeight",
    "production": "m_production",
}  # fmt: skip


@functools.cache
def charge_of(pdg: int) -> float:
    """Stands for TDatabasePDG."""
    return float(PDGID(pdg).charge or 0.0)


@functools.cache
def read_columns(path: Path, _changed: int) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Particle members (a list an event) and event members of a file; ``_changed`` is its time of modification."""
    with uproot.open(path) as file:
        tree = file["tree"]
        is_flat = "MCParticles_m_pdg" in tree.keys()  # noqa: SIM118 - a TTree, not a dict
        particles = "MCParticles_{}" if is_flat else "MCParticles/MCParticles.{}"
        meta = "EventMetaData_{}" if is_flat else "EventMetaData/{}"
        columns = {
            name: [event.tolist() for event in tree[particles.format(member)].array(library="np")]
            for name, member in PARTICLE_MEMBERS.items()
        }
        columns["charge"] = [[charge_of(code) for code in event] for event in columns["pdg"]]
        return columns, {
            name: tree[meta.format(member)].array(library="np").tolist() for name, member in EVENT_MEMBERS.items()
        }
