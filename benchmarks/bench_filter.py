"""Memory and speed of `smartbkg filter`, Parquet to Parquet, against the number of events.

python -m benchmarks.bench_filter [--events 100000 1000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from smartbkg.events import EventBatch
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.io import create_events
from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
from smartbkg.networks.bundle import state_of
from smartbkg.sampling.policies import OptimalPolicy

_RUN = (
    "import sys\nfrom benchmarks.memory import peak_memory\nfrom smartbkg.cli import main\n"
    "try: main(sys.argv[1:])\nfinally: print(peak_memory(), file=sys.stderr)"
)


def write_events(path: Path, n_events: int, sample: EventBatch) -> None:
    """A file of ``n_events``: the sample again and again under new event numbers."""
    with create_events(path, {"kind": "events", "schema_version": 1}) as writer:
        for first in range(0, n_events, len(sample)):
            part = sample.slice(0, min(len(sample), n_events - first))
            writer.write(part.with_event_columns(evtNum=first + np.arange(len(part))))


def write_model(path: Path) -> None:
    """A GATGAP of upstream's size with random weights."""
    torch.manual_seed(0)
    config = {"architecture": "gatgap"}
    bundle = ModelBundle(parse_config(config), state_of(build_model(config)), policy=OptimalPolicy(1.0).to_dict())
    save_bundle(path, bundle)


def measure(source: Path, model: Path, output: Path, threads: int) -> tuple[float, float]:
    """Seconds and peak memory [MB] of one filter job in a process of its own."""
    command = [sys.executable, "-c", _RUN, "filter", str(source), "--model", str(model), "-o", str(output)]
    begin = time.perf_counter()
    done = subprocess.run([*command, "--threads", str(threads)], capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, float(done.stderr.strip().splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args() if __name__ == "__main__" else parser.parse_args([])
    sample = EventBatch.concatenate(list(generate_events("mixed", 4000, seed=1)))
    table = Table("events", "seconds", "events/s", "peak memory [MB]", title="smartbkg filter, Parquet to Parquet")
    with tempfile.TemporaryDirectory() as folder:
        model, source, output = (Path(folder) / name for name in ("m.safetensors", "in.parquet", "out.parquet"))
        write_model(model)
        write_events(source, 1000, sample)
        measure(source, model, output, options.threads)  # compiles
        for n_events in options.events:
            write_events(source, n_events, sample)
            seconds, memory = measure(source, model, output, options.threads)
            table.add_row(f"{n_events:,}", f"{seconds:.0f}", f"{n_events / seconds:,.0f}", f"{memory:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
