"""What the filter costs per event in basf2's event loop, on the double of basf2: CPU time, and calls into C++.

python -m benchmarks.bench_basf2_loop [--mdst FILE.root] [--events 700]

The double's getters cost a fraction of PyROOT's, about a microsecond each: multiply the calls by that for a release.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1] / "tests"
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "belle2" / "mdst.root"


def measure(source: Path, model: Path, n_events: int) -> tuple[list[float], list[int], list[int]]:
    """Seconds of CPU time, calls and particles of each event, of the generated particles of an mDST."""
    sys.path[:0] = [str(TESTS), str(TESTS / "b2modules" / "basf2_double")]
    os.environ["BASF2_DOUBLE_EVENTS"] = str(source)
    import basf2
    import generators
    from data_objects import CALLS

    from smartbkg.b2modules.NN_filter_module import NNFilterModule

    seconds, calls, particles = [], [], []

    class Timed(NNFilterModule):
        """Measures what `event` takes."""

        def event(self) -> None:
            CALLS.clear()
            begin = time.process_time()
            super().event()
            seconds.append(time.process_time() - begin)
            calls.append(sum(CALLS.values()))
            particles.append(len(self._particles))

    path = basf2.create_path()
    path.add_module("EventInfoSetter", evtNumList=n_events)
    generators.add_evtgen_generator(path, finalstate="mixed")
    path.add_module(Timed(model_file=model))
    basf2.process(path)
    return seconds, calls, particles


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mdst", type=Path, default=DEFAULT)
    parser.add_argument("--events", type=int, default=700)
    options = parser.parse_args() if __name__ == "__main__" else parser.parse_args([])
    if not options.mdst.is_file():
        print(f"{options.mdst}: no such file; give an mDST with --mdst")
        return
    from benchmarks.bench_filter import write_model

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "m.safetensors"
        write_model(model)
        seconds, calls, particles = measure(options.mdst, model, options.events)
    table = Table("particles", "calls", "CPU time [ms]", "lower quartile [ms]", title="NNFilterModule, per event")
    table.add_row(
        f"{np.mean(particles):.0f}", f"{np.mean(calls):.0f}", f"{1e3 * np.mean(seconds[100:]):.2f}",
        f"{1e3 * np.quantile(seconds[100:], 0.25):.2f}",
    )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
