"""What a GPU does: `python scripts/check_gpu.py [--device cuda] [--events 100000]`.

Trains a network in float32 and in mixed precision (bfloat16) on the device, and in two processes by torchrun. Scores
with the device and with the compiled kernels of the CPU: the scores of one model may differ by 1e-4 at most, the AUC of
the three trainings by the statistical error of the sample. Prints seconds. With ``--device cpu`` it runs anywhere.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch

from smartbkg.events import EventBatch
from smartbkg.events.columns import PARTICLE_DTYPES
from smartbkg.io import create_events
from smartbkg.networks.bundle import load_bundle
from smartbkg.networks.model_file import load_scorer
from smartbkg.storage.provenance import record

MOST_DIFFERENCE = 1e-4
N_PARTICLES = 40
SKIM = "muons"


class Training(NamedTuple):
    """One training."""

    name: str
    seconds: float
    area: float


def write_inputs(folder: Path, n_events: int) -> None:
    """Random decay trees; an event passes by chance, the likelier the more muons it has."""
    random = np.random.default_rng(1)
    n = n_events * N_PARTICLES
    position = np.tile(np.arange(N_PARTICLES), n_events)
    columns = {name: random.normal(size=n) for name in PARTICLE_DTYPES}
    code = random.choice([211, -211, 22, 13, -13, 321], size=n)
    columns |= {"arrayIndex": position, "motherIndex": position // 3 - 1, "PDG": code, "status": np.ones(n)}
    event = {"experiment": np.zeros(n_events), "run": np.zeros(n_events), "evtNum": np.arange(n_events)}
    batch = EventBatch.from_columns(np.full(n_events, N_PARTICLES), event, columns)
    with create_events(folder / "events.parquet", record("events", 1, {})) as writer:
        writer.write(batch)
    n_muons = (np.abs(code) == 13).reshape(n_events, N_PARTICLES).sum(axis=1)
    passes = random.random(n_events) < 1 / (1 + np.exp(-(n_muons - 16.0)))
    rows = ["experiment,run,evtNum,passes", *(f"0,0,{number},{int(one)}" for number, one in enumerate(passes))]
    (folder / "flags.csv").write_text("\n".join(rows))
    smartbkg(folder, "flag", "flags.csv", "--skim", SKIM, "--cut", "passes == 1", "--events", "events.parquet",
             "-o", "flags.parquet")  # fmt: skip
    smartbkg(folder, "dataset", "events.parquet", "--flags", "flags.parquet", "-o", "data.parquet")


def smartbkg(folder: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> float:
    """Run a verb; the seconds that it took."""
    begin = time.perf_counter()
    command = [sys.executable, *(launcher or ("-m",)), "smartbkg", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return time.perf_counter() - begin


def train(folder: Path, device: str, precision: str, n_processes: int) -> Training:
    """Train a model of that name."""
    name = f"{precision}, {n_processes} process{'es' * (n_processes > 1)}"
    output = f"{precision}-{n_processes}.safetensors"
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", str(n_processes), "-m") if n_processes > 1 else ()
    seconds = smartbkg(
        folder, "train", "data.parquet", "-o", output, "--device", device, "--epochs", "3", "--seed", "1", "--set",
        f"run.precision={precision}", launcher=launcher,
    )  # fmt: skip
    return Training(name, seconds, load_bundle(folder / output).metrics["validation"][SKIM]["auc"])


def score(folder: Path, model: Path, device: str) -> tuple[np.ndarray, float]:
    """Scores of all events, and the seconds of the second pass, when everything is compiled and loaded."""
    from smartbkg.io import open_events

    scorer = load_scorer(model, device=device)
    seconds = 0.0
    for _ in range(2):
        with open_events(folder / "events.parquet") as reader:
            batches = list(reader.batches())
        begin = time.perf_counter()
        scores = np.concatenate([scorer.scores(batch)[:, 0] for batch in batches])
        seconds = time.perf_counter() - begin
    return scores, seconds


def check(device: str, n_events: int) -> list[str]:
    """Print what was measured; what is not as promised."""
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, n_events)
        trainings = [
            train(folder, device, "float32", 1), train(folder, device, "bfloat16", 1),
            train(folder, device, "float32", 2),
        ]  # fmt: skip
        for training in trainings:
            print(f"training, {training.name}: {training.seconds:.1f} s, AUC {training.area:.4f}")
        label = np.asarray(pq.read_table(folder / "flags.parquet")[f"passes_{SKIM}"])
        error = 1 / np.sqrt(12 * 0.15 * min(label.sum(), (~label.astype(bool)).sum()))
        if np.ptp([training.area for training in trainings]) > 3 * error:
            wrong.append(f"the AUC of the trainings differ by more than 3 x {error:.4f}")
        for model in ("float32-1", "bfloat16-1", "float32-2"):
            path = folder / f"{model}.safetensors"
            (ours, our_seconds), (theirs, their_seconds) = score(folder, path, "cpu"), score(folder, path, device)
            difference = float(np.abs(ours - theirs).max())
            print(
                f"scores of {model}: cpu {1e6 * our_seconds / n_events:.1f} µs, {device} "
                f"{1e6 * their_seconds / n_events:.1f} µs per event, largest difference {difference:.1e}"
            )
            if difference > MOST_DIFFERENCE:
                wrong.append(f"{model}: scores differ by {difference:.1e}, more than {MOST_DIFFERENCE:.0e}")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--events", type=int, default=100_000)
    given = parser.parse_args()
    if given.device.startswith("cuda"):
        if not torch.cuda.is_available():
            sys.exit("this torch sees no GPU: --device cpu tries the script")
        print(f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, torch {torch.__version__}")
    wrong = check(given.device, given.events)
    if wrong:
        sys.exit("\n".join(wrong))
