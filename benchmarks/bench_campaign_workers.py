"""Campaigns on the embedded experiment: what engine and records cost beside the work, and two workers against one."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from smartbkg.campaign.begin import begin_campaign
from smartbkg.campaign.campaign import open_campaign
from smartbkg.campaign.status import Status, read_status

CHUNK_EVENTS = int(os.environ.get("SMARTBKG_BENCH_CHUNK_EVENTS", "10000"))
N_CHUNKS = int(os.environ.get("SMARTBKG_BENCH_CHUNKS", "12"))
WORK = ("generate", "filter", "write", "simulate")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(folder: Path, n_chunks: int, n_workers: int) -> tuple[Status, float]:
    """A campaign of so many chunks, and the CPU seconds of all its processes."""
    settings = {"events": n_chunks * CHUNK_EVENTS, "chunk_events": CHUNK_EVENTS, "seed": 5}
    begin_campaign(folder, settings, processes=("mixed",))
    before = _children()
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(folder), "--workers", str(n_workers)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return read_status(open_campaign(folder)), _children() - before


def rate(status: Status, n_workers: int) -> float:
    """Events/s between the first and the last chunk: how long processes take to start does not enter."""
    finished = np.sort(status.metrics.finished)
    return float((len(finished) - n_workers) * CHUNK_EVENTS / (finished[-1] - finished[n_workers - 1]))


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory(prefix="smartbkg-bench-") as name:
        one, cpu_of_one = run(Path(name) / "one", 1, 1)
        many, cpu_of_many = run(Path(name) / "many", N_CHUNKS, 1)
        two, _ = run(Path(name) / "two", N_CHUNKS, 2)
    work = [sum(status.ledger.cpu[stage] for stage in WORK) for status in (one, many)]
    start = cpu_of_one - work[0]
    beside = (cpu_of_many - work[1] - start) / (N_CHUNKS - 1)
    a_chunk = work[1] / N_CHUNKS
    own = many.ledger.cpu["bookkeeping"] / N_CHUNKS
    print(f"chunks of {CHUNK_EVENTS} events: {a_chunk:.2f} CPU s of work per chunk, {start:.1f} CPU s to start and end")
    print(
        f"engine, records, checksums, sums for alarms: {1000 * beside:.0f} ms per chunk, {beside / a_chunk:.2%} of the "
        f"work; {1000 * own:.0f} ms of it where the chunk is made"
    )
    rates = rate(many, 1), rate(two, 2)
    print(f"events/s with one worker {rates[0]:.0f}, with two {rates[1]:.0f}: {rates[1] / rates[0] / 2:.3f} of twice")


if __name__ == "__main__":
    main()
