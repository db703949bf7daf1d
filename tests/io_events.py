"""Files of each format for tests, written by the libraries that define the formats, not by the code under test."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyhepmc
import pyhepmc.io as hepmc_io
import uproot

MM = 10.0  # a cm in mm


def decay_event(number: int = 1, unit: str = "MM", momentum_unit: str = "GEV") -> pyhepmc.GenEvent:
    """e+ e- → Z* (documentation) → B0 B0bar, B0 → pi+ pi-; the decay 1 mm away from the origin."""
    momentum, length = getattr(pyhepmc.Units, momentum_unit), getattr(pyhepmc.Units, unit)
    event = pyhepmc.GenEvent(momentum, length)
    event.event_number = number
    scale = 1.0 if momentum_unit == "GEV" else 1000.0
    millimetre = 1.0 if unit == "MM" else 0.1

    def particle(code: int, status: int, px: float, py: float, pz: float, mass: float) -> pyhepmc.GenParticle:
        energy = float(np.sqrt(px**2 + py**2 + pz**2 + mass**2))
        made = pyhepmc.GenParticle((px * scale, py * scale, pz * scale, energy * scale), code, status)
        made.generated_mass = mass * scale
        return made

    electron, positron = particle(11, 4, 0, 0, 7.0, 0.000511), particle(-11, 4, 0, 0, -4.0, 0.000511)
    photon = particle(23, 62, 0, 0, 3.0, 10.58)
    b, anti_b = particle(511, 2, 0.3, 0, 1.5, 5.2797), particle(-511, 1, -0.3, 0, 1.5, 5.2797)
    plus, minus = particle(211, 1, 1.0, 2.0, 1.0, 0.13957), particle(-211, 1, -0.7, -2.0, 0.5, 0.13957)
    collision, decay = pyhepmc.GenVertex((0, 0, 0, 0)), pyhepmc.GenVertex((0, 0, 0, 0))
    collision.add_particle_in(electron)
    collision.add_particle_in(positron)
    collision.add_particle_out(photon)
    decay.add_particle_in(photon)
    decay.add_particle_out(b)
    decay.add_particle_out(anti_b)
    flight = pyhepmc.GenVertex((0.5 * millimetre, 0.0, 1.0 * millimetre, 1.2 * millimetre))
    flight.add_particle_in(b)
    flight.add_particle_out(plus)
    flight.add_particle_out(minus)
    for vertex in (collision, decay, flight):
        event.add_vertex(vertex)
    return event


def hepmc_text(events: list[pyhepmc.GenEvent], version: int = 3, run: pyhepmc.GenRunInfo | None = None) -> bytes:
    """Text of events as the HepMC3 library writes it."""
    output = io.BytesIO()
    with hepmc_io.pyiostream(output) as stream:
        writer = (hepmc_io.WriterAscii if version == 3 else hepmc_io.WriterAsciiHepMC2)(stream, run)
        for event in events:
            writer.write_event(event)
        writer.close()
    return output.getvalue()


MEMBERS = {
    "m_pdg": np.int32, "m_status": np.uint16, "m_mass": np.float32, "m_energy": np.float32, "m_momentum_x": np.float32,
    "m_momentum_y": np.float32, "m_momentum_z": np.float32, "m_productionTime": np.float32,
    "m_productionVertex_x": np.float32, "m_productionVertex_y": np.float32, "m_productionVertex_z": np.float32,
    "m_mother": np.int32,
}  # fmt: skip


def write_mdst(path: Path, ids: list[tuple[int, int, int]], *, with_particles: bool = True) -> None:
    """A file with basf2's branch names: an Υ(4S) that decays into B+ B- in each event."""
    n = len(ids)
    branches: dict[str, object] = {
        "EventMetaData.m_experiment": np.array([event[0] for event in ids], dtype=np.int32),
        "EventMetaData.m_run": np.array([event[1] for event in ids], dtype=np.int32),
        "EventMetaData.m_event": np.array([event[2] for event in ids], dtype=np.uint32),
        "EventMetaData.m_production": np.full(n, 12, dtype=np.int32),
        "EventMetaData.m_generatedWeight": np.full(n, 0.5),
    }
    if with_particles:
        columns = {
            "m_pdg": [300553, 521, -521], "m_status": [1, 1, 3], "m_mass": [10.58, 5.279, 5.279],
            "m_energy": [11.0, 5.6, 5.4], "m_momentum_x": [0.4, 0.2, 0.2], "m_mother": [0, 1, 1],
        }  # fmt: skip
        for member, dtype in MEMBERS.items():
            values = np.tile(np.array(columns.get(member, [0, 0, 0]), dtype=dtype), (n, 1))
            import awkward as ak

            branches[f"MCParticles.{member}"] = ak.from_regular(ak.Array(values))
    with uproot.recreate(path) as file:
        file.mktree("tree", {name: getattr(column, "type", None) or column.dtype for name, column in branches.items()})
        file["tree"].extend(branches)
