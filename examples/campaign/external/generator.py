"""Stands for a generator of yours: writes HepMC3 to OUTPUT, the same events for the same seed.

python generator.py OUTPUT FIRST_EVENT N_EVENTS SEED
"""

import sys

from smartbkg.experiment.generator.generate import generate_events
from smartbkg.io import create_events

output, first_event, n_events, seed = sys.argv[1], *map(int, sys.argv[2:5])
with create_events(output, {"kind": "events", "schema_version": 1}) as writer:
    for batch in generate_events("mixed", n_events, seed, first_event=first_event):
        writer.write(batch)
