"""A simulation that knows nothing of smartbkg: HepMC3 in, a table of the selected events out.

    python my_simulation.py INPUT OUTPUT SEED

A detector is smeared momenta, an acceptance of |cos θ| < 0.95 and wrongly identified hadrons. The selection asks for a
muon of more than 4 GeV. The table has one row per simulated event: its number, whether it passes, what was measured.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import pyhepmc

source, target, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
random = np.random.default_rng(seed)
CHARGED = {11, 13, 211, 321, 2212}


def measured(event: pyhepmc.GenEvent) -> list[float]:
    """Momentum of the hardest muon candidate, number of tracks, their energy, and thrust-like alignment."""
    tracks = [particle for particle in event.particles if particle.status == 1 and abs(particle.pid) in CHARGED]
    p = np.array([[t.momentum.px, t.momentum.py, t.momentum.pz] for t in tracks]).reshape(-1, 3)
    size = np.linalg.norm(p, axis=1)
    seen = (size > 0.2) & (np.abs(p[:, 2]) < 0.95 * size) & (random.random(len(p)) < 0.97)
    p, size = p[seen], size[seen]
    is_muon = np.array([abs(t.pid) == 13 for t in tracks], dtype=bool)[seen]
    looks_like_muon = random.random(len(p)) < np.where(is_muon, 0.9, 0.005)
    smeared = size * (1 + 0.002 * size * random.normal(size=len(p)) / 10)
    hardest = float(smeared[looks_like_muon].max(initial=0.0))
    axis = p[np.argmax(size)] / size.max() if len(p) else np.zeros(3)
    alignment = float(np.abs(p @ axis).sum() / max(size.sum(), 1e-9))
    return [hardest, float(len(p)), float(smeared.sum()), alignment]


with pyhepmc.open(source) as events, Path(target + ".csv").open("w", newline="") as table:
    writer = csv.writer(table)
    writer.writerow(["event", "passes", "muonMomentum", "nTracks", "chargedEnergy", "alignment"])
    for event in events:
        values = measured(event)
        writer.writerow([event.event_number, int(values[0] > 4.0), *(f"{value:.6g}" for value in values)])
