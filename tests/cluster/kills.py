"""SIGKILL at random moments of campaigns: of the command itself, its workers, a scheduler, and jobs of Slurm.

    python tests/cluster/kills.py --on local --kills 100

After each campaign that came to its end, files and sums are compared with those of one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cluster.slurm import Slurm, running_slurm
from small_campaign import digests_of, small_campaign

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.status import read_status

N_CHUNKS = 30
PATIENCE = 300.0
PLACES = ("local", "dask", "slurm", "array")
SETTINGS = {
    "cluster__walltime": "00:10:00", "cluster__memory": "600MB", "cluster__interface": "lo", "run__workers": 2,
    "run__attempts": 1000,
}  # fmt: skip


def undisturbed(folder: Path, n_chunks: int) -> Campaign:
    """A campaign that nobody disturbed."""
    campaign = small_campaign(folder / "small", n_chunks, 300, **SETTINGS)
    for index in range(n_chunks):
        attempt_chunk(campaign, index)
    return campaign


class Run:
    """One campaign at one place, killed as often as wanted until it is complete.

    Parameters
    ----------
    place : one of `PLACES`.
    slurm : a running one, for the last two.
    """

    def __init__(
        self, place: str, campaign: Campaign, folder: Path, chance: random.Random, slurm: Slurm | None
    ) -> None:
        self.place, self.chance, self.slurm, self.folder = place, chance, slurm, folder
        self.killed: Counter[str] = Counter()
        folder.mkdir(parents=True)
        (folder / "campaign.yaml").write_bytes(campaign.folder.config.read_bytes())
        self.environment = dict(os.environ if slurm is None else slurm.environment)
        self._logs = (folder / "run.log").open("ab")

    def to_its_end(self, n_kills: int) -> int:
        """Start it, kill something of it at random moments, start it again, until all chunks are done; kills done."""
        n_done = 0
        while open_campaign(self.folder) and read_status(open_campaign(self.folder)).pending:
            with self._running() as processes:
                deadline = time.monotonic() + PATIENCE
                next_kill = time.monotonic() + self.chance.uniform(1.0, 8.0)
                while self._is_busy(processes):
                    if time.monotonic() > deadline:
                        raise RuntimeError(f"no end after {PATIENCE:g} s: {(self.folder / 'run.log').read_text()}")
                    if n_done < n_kills and time.monotonic() > next_kill:
                        n_done += self._kill(processes)
                        next_kill = time.monotonic() + self.chance.uniform(1.0, 8.0)
                    time.sleep(0.05)
        self._logs.close()
        return n_done

    @contextlib.contextmanager
    def _running(self) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        """Processes that this place needs, by what they are; ended at the end of the block."""
        processes: dict[str, subprocess.Popen[bytes]] = {}
        module = [sys.executable, "-m"]
        place = {"slurm": "slurm", "local": "local"}.get(self.place, "")
        try:
            if self.place == "dask":
                scheduler_file = self.folder / f"scheduler{time.monotonic_ns()}.json"
                options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", scheduler_file]
                processes["scheduler"] = self._start(*module, "distributed.cli.dask_scheduler", *options)
                for number in range(2):
                    options = ["--nthreads", "1", "--no-dashboard", "--scheduler-file", scheduler_file, "--no-nanny"]
                    processes[f"worker {number}"] = self._start(*module, "distributed.cli.dask_worker", *options)
                place = _address(scheduler_file, processes["scheduler"])
            if self.place == "array":
                assert self.slurm is not None
                command = [*module, "smartbkg", "campaign", "submit", str(self.folder), "--on", "slurm", "--array"]
                subprocess.run([*command, "--tasks", "4"], env=self.environment, check=True, capture_output=True)
            else:
                command = [*module, "smartbkg", "campaign", "run", str(self.folder), "--workers", "2", "--on", place]
                processes["command"] = self._start(*command)
            yield processes
        finally:
            for process in processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if self.slurm is not None:
                self.slurm.run("scancel", "-u", "root")
                self.slurm.wait_for(lambda: not self.slurm.queue(), "an empty queue", 120)  # type: ignore[union-attr]

    def _start(self, *command: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(word) for word in command], env=self.environment, stdout=self._logs, stderr=self._logs,
            start_new_session=True,
        )  # fmt: skip

    def _is_busy(self, processes: dict[str, subprocess.Popen[bytes]]) -> bool:
        if "command" in processes:
            return processes["command"].poll() is None
        return bool(self.slurm is not None and self.slurm.queue())

    def _kill(self, processes: dict[str, subprocess.Popen[bytes]]) -> int:
        """Kill one process of those that there are; whether there was one."""
        victims = [(name.split()[0], process.pid) for name, process in processes.items() if process.poll() is None]
        if self.place == "local":
            victims += [("worker", pid) for pid in _children_of(processes["command"].pid)]
        elif self.place in ("slurm", "array"):
            victims += [("job", pid) for pid in self._processes_of_jobs()]
        if not victims:
            return 0
        what, pid = self.chance.choice(victims)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[what] += 1
            return 1
        return 0

    def _processes_of_jobs(self) -> list[int]:
        """Processes that Slurm runs for us: Dask's workers, or the tasks of an array."""
        wanted = b"distributed.cli.dask_worker" if self.place == "slurm" else os.fsencode(self.folder)
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    is_job = b"SLURM_JOB_ID=" in (entry / "environ").read_bytes()
                    if is_job and wanted in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found


def _address(scheduler_file: Path, process: subprocess.Popen[bytes]) -> str:
    import json

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(scheduler_file.read_text())["address"])
        time.sleep(0.1)
    raise RuntimeError("the scheduler did not start")


def _children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def check(folder: Path, expected: Campaign) -> None:
    """Raise unless a campaign has exactly the files and sums of one that nobody disturbed."""
    mine, its = digests_of(folder), digests_of(expected.folder.root)
    lost, doubled, other = (
        its.keys() - mine.keys(),
        mine.keys() - its.keys(),
        {k for k in mine if mine[k] != its.get(k)},
    )
    if lost or doubled or other:
        raise RuntimeError(f"{folder}: lost {sorted(lost)}, doubled {sorted(doubled)}, other bytes {sorted(other)}")
    if read_status(open_campaign(folder)).ledger.totals != read_status(expected).ledger.totals:
        raise RuntimeError(f"{folder}: other sums than those of the campaign that nobody disturbed")


def kill_campaigns(
    place: str, n_kills: int, folder: Path, seed: int = 1, say: Callable[[str], None] = lambda _: None
) -> Counter[str]:
    """Kill parts of campaigns so many times; what was killed how often.

    Raises
    ------
    RuntimeError
        Something was lost or doubled.
    """
    chance = random.Random(seed)
    expected = undisturbed(folder, N_CHUNKS)
    killed: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        slurm = None
        if place in ("slurm", "array"):
            (folder / "slurm").mkdir()
            slurm = stack.enter_context(running_slurm(folder / "slurm"))
        number = 0
        while killed.total() < n_kills:
            run = Run(place, expected, folder / f"run{number}" / "small", chance, slurm)
            run.to_its_end(n_kills - killed.total())
            check(run.folder, expected)
            killed += run.killed
            number += 1
            what = ", ".join(f"{name} {n_times}" for name, n_times in sorted(killed.items()))
            say(f"{place}: {number} campaigns of {N_CHUNKS} chunks complete; killed so far: {what}; nothing lost")
    return killed


def main() -> None:
    """Kill, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", choices=PLACES, default="local")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="smartbkg-kills-") as name:
        killed = kill_campaigns(chosen.on, chosen.kills, Path(name), chosen.seed, lambda line: print(line, flush=True))
    print(f"{killed.total()} kills on {chosen.on}: 0 events lost, 0 doubled, all files the same byte for byte")


if __name__ == "__main__":
    main()
