"""What a clean, read-only installation does: `python scripts/check_installation.py ENVIRONMENT`.

Run with a Python that can import the package; ENVIRONMENT is a virtual environment with the wheel alone.
Filters 100 events there with no folder that can be written but the output's (where root runs it, the environment is
mounted read-only for the command), and fails if anything was compiled, if it took more CPU time or memory than is
promised, or if an optional library slipped into the core.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from smartbkg.events import EventBatch
from smartbkg.events.columns import PARTICLE_DTYPES
from smartbkg.io import create_events
from smartbkg.networks import ModelBundle, parse_config, save_bundle
from smartbkg.networks.gatgap.runtime import state_shapes
from smartbkg.storage.provenance import record

#: What the first filter of a new installation may take.
MOST_SECONDS = 3.0
MOST_MEGABYTES = 300.0
N_EVENTS = 100
N_PARTICLES = 60


def write_inputs(folder: Path) -> None:
    """Events and a model."""
    random = np.random.default_rng(1)
    n = N_EVENTS * N_PARTICLES
    position = np.tile(np.arange(N_PARTICLES), N_EVENTS)
    columns = {name: random.normal(size=n) for name in PARTICLE_DTYPES}
    columns |= {"arrayIndex": position, "motherIndex": position // 3 - 1, "PDG": np.full(n, 211), "status": np.ones(n)}
    event = {"experiment": np.zeros(N_EVENTS), "run": np.zeros(N_EVENTS), "evtNum": np.arange(N_EVENTS)}
    batch = EventBatch.from_columns(np.full(N_EVENTS, N_PARTICLES), event, columns)
    for name in ("events.parquet", "events.hepmc3"):
        with create_events(folder / name, record("events", 1, {})) as writer:
            writer.write(batch)
    config = parse_config({"architecture": "gatgap"})
    state = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in state_shapes(config).items()}
    save_bundle(folder / "model.safetensors", ModelBundle(config, state))


#: Mounts the first argument on itself, read-only, for the command that follows alone.
MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && ! touch "$0/written" 2>/dev/null && exec "$@"'


def read_only(environment: Path) -> list[str]:
    """What makes a command see the environment read-only, where this user may do that."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return []
    return ["unshare", "--mount", "sh", "-c", MOUNTED, str(environment)]


def run(command: list[str], folder: Path) -> tuple[float, float, str]:
    """CPU seconds, megabytes and messages of a command that has no folder for caches."""
    nowhere = folder / "nowhere"
    nowhere.touch()
    environment = {"PATH": os.environ["PATH"], "HOME": str(nowhere), "NUMBA_CACHE_DIR": str(nowhere)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True)
    _, messages = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: {messages}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, messages


def check(environment: Path) -> list[str]:
    """What is not as promised."""
    wrong = []
    command = [*read_only(environment), str(environment / "bin" / "smartbkg")]
    print("environment mounted read-only" if len(command) > 1 else "environment not mounted read-only: that takes root")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        before = spent.ru_utime + spent.ru_stime
        for source in ("events.parquet", "events.hepmc3"):
            arguments = ["filter", source, "--model", "model.safetensors", "--policy", "score", "-o", f"kept-{source}"]
            total, megabytes, messages = run([*command, *arguments], folder)
            seconds, before = total - before, total
            print(f"filter of {N_EVENTS} events from {source}: {seconds:.2f} CPU s, {megabytes:.0f} MB")
            if "compiling" in messages:
                wrong.append(f"{source}: compiled: {messages}")
            if seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES:
                wrong.append(f"{source}: more than {MOST_SECONDS} CPU s or {MOST_MEGABYTES} MB")
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"environment: {size / 1e6:.0f} MB")
    packages = {path.name for path in environment.glob("lib/python*/site-packages/*")}
    return wrong + [f"{library} is installed" for library in ("torch", "sklearn", "matplotlib") if library in packages]


if __name__ == "__main__":
    wrong = check(Path(sys.argv[1]).absolute())
    if wrong:
        sys.exit("\n".join(wrong))
