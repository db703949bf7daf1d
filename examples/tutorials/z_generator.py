"""A generator that knows nothing of smartbkg: e+ e- → Z → quarks at 91.2 GeV by PYTHIA 8, written as HepMC3.

python z_generator.py OUTPUT EVENTS SEED
"""

import sys

import numpy as np
import pyhepmc
from pythia8mc import Pythia

output, n_events, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
pythia = Pythia("", False)
for setting in (
    "Print:quiet = on", "Random:setSeed = on", f"Random:seed = {seed}", "Beams:idA = 11", "Beams:idB = -11",
    "Beams:eCM = 91.2", "WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 1 2 3 4 5",
    "PDF:lepton = off",
):  # fmt: skip
    pythia.readString(setting)
pythia.init()

with pyhepmc.open(output, "w") as file:
    for number in range(1, n_events + 1):
        while not pythia.next():
            continue
        record = pythia.event
        entries = range(1, record.size())
        event = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
        # mothers and daughters are counted from 1 in HEPEVT; 0 means none
        event.from_hepevt(
            number,
            np.array([record[i].px() for i in entries]), np.array([record[i].py() for i in entries]),
            np.array([record[i].pz() for i in entries]), np.array([record[i].e() for i in entries]),
            np.array([record[i].m() for i in entries]), np.array([record[i].id() for i in entries]),
            np.array([record[i].statusHepMC() for i in entries]),
            np.array([(record[i].mother1(), record[i].mother2()) for i in entries]),
            vx=np.array([record[i].xProd() for i in entries]), vy=np.array([record[i].yProd() for i in entries]),
            vz=np.array([record[i].zProd() for i in entries]), vt=np.array([record[i].tProd() for i in entries]),
        )  # fmt: skip
        file.write(event)
