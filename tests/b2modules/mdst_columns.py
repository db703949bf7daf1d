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

ExtraInfo = tuple[dict[str, float], dict[str, str]]
"""Numbers and texts of an event's EventExtraInfo."""


#: framework/particledb/data/evt.pdl: EvtGen's own codes, charges in thirds of e.
_THIRDS = {44: 3, 84: 2, 85: -1, 86: 2, 87: -1, 30353: 3, 9052513: 3, 9152513: 3, 99513: 0, 99523: 3}


@functools.cache
def charge_of(pdg: int) -> float:
    """Stands for TDatabasePDG, which basf2 fills from evt.pdl."""
    thirds = _THIRDS.get(abs(pdg))
    if thirds is not None:
        return float((thirds if pdg > 0 else -thirds) / 3)
    return float(PDGID(pdg).charge or 0.0)


@functools.cache
def read_columns(path: Path, _changed: int) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Particle members (a list an event) and event members of a file; ``_changed`` is its time of modification."""
    with uproot.open(path) as file:
        tree = file["tree"]
        is_flat = "MCParticles.m_pdg" in tree.keys()  # noqa: SIM118 - a TTree, not a dict
        particles = "MCParticles.{}" if is_flat else "MCParticles/MCParticles.{}"
        meta = "EventMetaData.{}" if is_flat else "EventMetaData/{}"
        columns = {
            name: [event.tolist() for event in tree[particles.format(member)].array(library="np")]
            for name, member in PARTICLE_MEMBERS.items()
        }
        columns["charge"] = [[charge_of(code) for code in event] for event in columns["pdg"]]
        return columns, {
            name: tree[meta.format(member)].array(library="np").tolist() for name, member in EVENT_MEMBERS.items()
        }


@functools.cache
def read_extra_info(path: Path, _changed: int) -> list[ExtraInfo] | None:
    """EventExtraInfo of each event as the double wrote it, None where the file has none."""
    with uproot.open(path) as file:
        if "extra_info_of_the_double" not in file:
            return None
        tree = file["extra_info_of_the_double"]
        infos: list[ExtraInfo] = [({}, {}) for _ in range(file["tree"].num_entries)]
        entries, names, values = (tree[name].array().tolist() for name in ("entry", "name", "value"))
    for entry, name, value in zip(entries, names, values, strict=True):
        if value.startswith("#"):
            infos[entry][0][name] = float(value[1:])
        else:
            infos[entry][1][name] = value
    return infos
