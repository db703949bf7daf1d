"""Stands for a generator of yours: writes HepMC3 to OUTPUT, the same events for the same seed.

python generator.py OUTPUT FIRST_EVENT N_EVENTS SEED
"""

import subprocess
import sys
import tempfile
from pathlib import Path

output, first_event, n_events, seed = Path(sys.argv[1]), *sys.argv[2:5]
with tempfile.TemporaryDirectory() as folder:
    events = Path(folder) / "events.parquet"
    smartbkg = [sys.executable, "-m", "smartbkg"]
    numbers = ["--events", n_events, "--seed", seed, "--first-event", first_event]
    subprocess.run([*smartbkg, "generate", "--process", "mixed", *numbers, "--output", str(events)], check=True)
    subprocess.run([*smartbkg, "convert", str(events), str(output)], check=True)
