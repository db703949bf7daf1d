"""Training: events per second, how long the network waits for data, and memory against the size of the sample.

Events come from the embedded generator, labels from a coin: speed does not depend on what is learned. The memory of the
graph store is measured with copies of those graphs, each size in a process of its own.

Run: python -m benchmarks training
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.memory import peak_memory
from smartbkg.events import EventBatch
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.graphs import GraphRule, build_graphs
from smartbkg.graphs.decay_tree import DecayGraphs
from smartbkg.networks import build_model
from smartbkg.training.input.batches import LoaderClock, batches
from smartbkg.training.input.data import TrainingData
from smartbkg.training.input.graph_store import GraphStore

N_EVENTS = 3000
N_STEPS = 12
BATCH = 128


def sample(n_events: int = N_EVENTS) -> EventBatch:
    """Some events of the embedded generator."""
    return EventBatch.concatenate(list(generate_events("mixed", n_events, 1)))


def training_data(graphs: DecayGraphs, folder: Path, memory_bytes: int) -> TrainingData:
    """The graphs as training holds them."""
    n = graphs.n_events
    store = GraphStore(graphs.feature.shape[1], folder, memory_bytes)
    store.append(graphs)
    store.finish()
    label = (np.arange(n) % 2).astype(np.float32)[:, None]
    zeros, ones = np.zeros(n, dtype=np.int16), np.ones(n)
    return TrainingData(
        store, ("coin",), label, ones, ones, zeros, ("mixed",), zeros.astype(np.uint8), {}, "", graphs.n_unknown_codes
    )


def speed(name: str, data: TrainingData) -> tuple[float, float]:
    """(events per second, share of the time waiting for data) of training steps."""
    model = build_model({"architecture": name})
    optimiser = torch.optim.AdamW(model.parameters())
    rng = np.random.default_rng(0)
    groups = [rng.choice(len(data), BATCH, replace=False) for _ in range(N_STEPS + 1)]
    clock = LoaderClock()
    stream = batches(data, groups, np.array([0]), torch.device("cpu"), clock)
    began = 0.0
    for number, batch in enumerate(stream):
        loss = torch.nn.functional.softplus(model(batch.graphs)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if number == 0:  # compiles
            began, clock.waiting = time.perf_counter(), 0.0
    seconds = time.perf_counter() - began
    return N_STEPS * BATCH / seconds, clock.waiting / seconds


def peak_of_store(n_events: int, megabytes: int) -> float:
    """Peak memory in MB of filling a store that may hold ``megabytes`` and drawing batches from it."""
    graphs = build_graphs(sample(1000), GraphRule())
    with (
        tempfile.TemporaryDirectory() as folder,
        GraphStore(graphs.feature.shape[1], Path(folder), megabytes * 2**20) as store,
    ):
        for _ in range(n_events // 1000):
            store.append(graphs)
        store.finish()
        rng = np.random.default_rng(0)
        began = time.perf_counter()
        for _ in range(200):
            store.fetch(rng.integers(0, n_events, BATCH))
        rate = 200 * BATCH / (time.perf_counter() - began)
    peak = peak_memory()
    print(f"| {n_events:,} | {megabytes} | {'memory' if store.is_in_memory else 'file'} | {peak:.0f} | {rate:,.0f} |")
    return peak


def main() -> None:
    """Both tables."""
    print(f"\n{torch.get_num_threads()} threads, batches of {BATCH} events")
    print("| network | graphs in | events per second | waiting for data |\n|---|---|---|---|")
    graphs = build_graphs(sample(), GraphRule())
    with tempfile.TemporaryDirectory() as folder:
        for name in ("gatgap", "transformer"):
            for place, memory_bytes in (("memory", 2**30), ("file", 0)):
                data = training_data(graphs, Path(folder), memory_bytes)
                rate, share = speed(name, data)
                data.store.close()
                print(f"| {name} | {place} | {rate:.0f} | {100 * share:.1f} % |")
    print("\n| events | data.memory_megabytes | graphs in | peak memory (MB) | events drawn a second |")
    print("|---|---|---|---|---|", flush=True)
    for megabytes in (64, 512):
        for n_events in (100_000, 1_000_000):
            code = f"from benchmarks.bench_training import peak_of_store; peak_of_store({n_events}, {megabytes})"
            subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


if __name__ == "__main__":
    main()
