"""Stands for a simulation of yours: reads HepMC3, writes which events passed as CSV.

python simulation.py INPUT OUTPUT
"""

import csv
import sys
from pathlib import Path

from smartbkg.experiment.simulation import simulate_events
from smartbkg.io import open_events

with open_events(sys.argv[1]) as events, Path(sys.argv[2] + ".csv").open("w", newline="") as table:
    writer = csv.writer(table)
    writer.writerow(["experiment", "run", "evtNum", "passes"])
    for batch in events.batches():
        passes = simulate_events(batch, seed=1, skims=["feiHadronicB0"]).passes["feiHadronicB0"]
        for index, passed in enumerate(passes):
            writer.writerow([*batch.event_id(index), int(passed)])
