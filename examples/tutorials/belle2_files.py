"""Stands for files of yours: an mDST of generated events, and the n-tuple that a skim made of it.

    python belle2_files.py EVENTS

writes ``mdst.root`` (branches as basf2 writes them), ``udst.root`` (the events that passed feiHadronicB0) and
``ntuple.root`` (the best tag of every event that was reconstructed, as variablesToNtuple writes it).
"""

import sys

import awkward as ak
import numpy as np
import uproot

from smartbkg.events import EventBatch
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.experiment.simulation import simulate_events

MEMBERS = {
    "m_pdg": ("PDG", np.int32), "m_status": ("status", np.uint16), "m_mass": ("mass", np.float32),
    "m_energy": ("energy", np.float32), "m_momentum_x": ("px", np.float32), "m_momentum_y": ("py", np.float32),
    "m_momentum_z": ("pz", np.float32), "m_productionTime": ("prodTime", np.float32),
    "m_productionVertex_x": ("x", np.float32), "m_productionVertex_y": ("y", np.float32),
    "m_productionVertex_z": ("z", np.float32),
}  # fmt: skip


def write_mdst(name: str, events: EventBatch) -> None:
    """A file with basf2's names of branches; mothers count from 1, and 0 means none."""
    branches = {
        "EventMetaData.m_experiment": events.event["experiment"],
        "EventMetaData.m_run": events.event["run"],
        "EventMetaData.m_event": events.event["evtNum"].astype(np.uint32),
        "EventMetaData.m_production": np.zeros(len(events), np.int32),
        "EventMetaData.m_generatedWeight": events.event["weight"],
    }
    for member, (column, dtype) in MEMBERS.items():
        branches[f"MCParticles.{member}"] = ak.unflatten(events.particle[column].astype(dtype), events.counts)
    mothers = ak.unflatten((events.particle["motherIndex"] + 1).astype(np.int32), events.counts)
    branches["MCParticles.m_mother"] = mothers
    with uproot.recreate(name) as file:
        types = {key: column.type if isinstance(column, ak.Array) else column.dtype for key, column in branches.items()}
        file.mktree("tree", types)
        file["tree"].extend(branches)


events = EventBatch.concatenate(list(generate_events("mixed", int(sys.argv[1]), seed=11, experiment=1003)))
simulated = simulate_events(events, seed=11, skims=["feiHadronicB0"])
write_mdst("mdst.root", events)
write_mdst("udst.root", events.select(simulated.passes["feiHadronicB0"]))
is_reconstructed = np.isfinite(simulated.variables["Mbc"])
names = ("Mbc", "deltaE", "signalProbability", "nTracks", "R2", "visibleEnergy", "missingMass2")
columns = {
    f"__{name}__": simulated.event[column][is_reconstructed]
    for name, column in (("experiment", "experiment"), ("run", "run"), ("event", "evtNum"))
}
columns |= {name: simulated.variables[name][is_reconstructed] for name in names}
with uproot.recreate("ntuple.root") as file:
    file["tag"] = columns
print(
    f"{len(events)} events, {int(simulated.passes['feiHadronicB0'].sum())} pass, {len(columns['Mbc'])} in the n-tuple"
)
