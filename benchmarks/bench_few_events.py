"""How many passing events a training needs, from scratch and fine-tuned from the model in the package.

Three jobs: for the network of the package, which knows feiHadronicB0 of the default detector, the same skim with a
changed detector (other efficiencies, resolutions and background: `smartbkg simulate --detector`) and another skim; and
that other skim for a network that knows the nine skims of the package besides it. Three ways: from scratch, from
scratch with events shown mirrored and turned (`sampling.symmetries`), and fine-tuned, also with these.

Each size takes the first so many passing events of one sample, with ten failing ones for each; speed-ups are those of
the optimal policy on the model's own calibrated scores, on other events, the same for all.

Run: python -m benchmarks.bench_few_events --folder build/few_events
Files that exist in the folder are used again, so that a run can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.bench_quality import run
from smartbkg.conditions.packaged import DEFAULT_TAG
from smartbkg.conditions.resolve import resolve_payload
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.evaluation.scored_dataset import score_dataset
from smartbkg.experiment.simulation import DEFAULT_SKIMS
from smartbkg.io.tables import read_table, write_table
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling.plan import make_plan
from smartbkg.scores.metrics import area_under_curve
from smartbkg.training.config import parse_training_config
from smartbkg.training.run import train

#: What the network of the package has learned.
PRE_TRAINED_SKIM: Final = "feiHadronicB0"


class Job(NamedTuple):
    """Something to learn for a network that knows something else."""

    skim: str
    detector: str
    knows_nine: bool


JOBS: Final = {
    "changed detector": Job("feiHadronicB0", "alternative", knows_nine=False),
    "other skim": Job("feiSLB0", "belle2", knows_nine=False),
    "tenth skim": Job("feiSLB0", "belle2", knows_nine=True),
}
#: Training of the network that knows nine skims.
PRE_TRAINING: Final = ("network.architecture=gatgap", "sampling.events_per_epoch=100000", "optimiser.batch_size=256",
                       "optimiser.epochs=20", "sampling.symmetries=[mirror, rotation]")  # fmt: skip
#: Events shown in a training, whatever the size, and the fewest and most epochs that this may take.
EVENTS_SHOWN: Final = 200_000
EPOCHS: Final = (8, 40)
SYMMETRIES: Final = ("mirror", "rotation")
#: Largest step where the weights are those of another model already.
FINE_TUNING_RATE: Final = 1e-3


class Way(NamedTuple):
    """A way to train."""

    name: str
    symmetries: tuple[str, ...]
    is_fine_tuned: bool


WAYS: Final = (
    Way("scratch", (), False),
    Way("symmetries", SYMMETRIES, False),
    Way("tuned", SYMMETRIES, True),
)


class Point(NamedTuple):
    """One trained network."""

    n_passing: int
    auc: float
    speed_up: float
    error: float


def first_events(flags: Path, skim: str, n_passing: int, output: Path) -> Path:
    """The flags of the first events, as many as hold ``n_passing`` passing ones."""
    if not output.exists():
        table = read_table(flags)
        passed = np.cumsum(table[f"passes_{skim}"])
        if passed[-1] < n_passing:
            raise SystemExit(f"{flags}: {passed[-1]} events pass {skim}, {n_passing} are wanted: generate more")
        stop = int(np.searchsorted(passed, n_passing)) + 1
        write_table(output, {name: values[:stop] for name, values in table.columns.items()}, table.metadata)
    return output


def knower_of_nine(folder: Path, skim: str, n_events: int) -> Path:
    """A GATGAP that has learned the package's skims but for one."""
    others = [option for other in DEFAULT_SKIMS if other != skim for option in ("--skim", other)]
    events = run(folder / "pre_events.parquet", "generate", "--process", "mixed", "--events", n_events, "--seed", 63,
                 "--run", 63)  # fmt: skip
    flags = run(folder / f"pre_flags_{skim}.parquet", "simulate", events, "--seed", 73, *others)
    data = run(folder / f"pre_data_{skim}.parquet", "dataset", events, "--flags", flags, *others)
    settings = [option for assignment in PRE_TRAINING for option in ("--set", assignment)]
    return run(folder / f"nine_but_{skim}.safetensors", "train", data, "--seed", 1, "--threads", 1, *settings)


def samples(folder: Path, job: Job, arguments: argparse.Namespace) -> tuple[Path, Path, Path]:
    """Events and flags to learn from, and a data set to evaluate on."""
    skim, detector, found = job.skim, job.detector, []
    for name, n_events, seed in (("train", arguments.train, 61), ("test", arguments.test, 62)):
        events = run(folder / f"{name}_events.parquet", "generate", "--process", "mixed", "--events", n_events,
                     "--seed", seed, "--run", seed)  # fmt: skip
        flags = run(folder / f"{name}_{skim}_{detector}.parquet", "simulate", events, "--seed", seed + 10, "--skim",
                    skim, "--detector", detector)  # fmt: skip
        found += [events, flags]
    test = run(folder / f"test_{skim}_{detector}.parquet", "dataset", found[2], "--flags", found[3], "--skim", skim)
    return found[0], found[1], test


def configuration(n_passing: int, seed: int, way: Way) -> dict[str, Any]:
    """The training of one size: about the same number of events shown, within bounds."""
    epochs = int(np.clip(EVENTS_SHOWN // (2 * n_passing), *EPOCHS))
    optimiser: dict[str, Any] = {"epochs": epochs, "stop_patience": 6}
    if way.is_fine_tuned:
        optimiser["learning_rate"] = FINE_TUNING_RATE
    return {
        "network": {"architecture": "gatgap"},
        "data": {"validation_fraction": 0.2},
        "sampling": {"symmetries": way.symmetries},
        "optimiser": optimiser,
        "run": {"seed": seed, "threads": 1},
    }


def evaluate(model: Path, test: Path, skim: str) -> tuple[float, float, float]:
    """(AUC, speed-up, its statistical error) on the test events."""
    events = score_dataset(test, load_scorer(model), (skim,)).events
    best = make_plan(events).outlooks[0].speed_up
    return area_under_curve(events.label[:, 0] > 0, events.score[:, 0]), best.value, best.error


def measure(
    job: Job, n_passing: int, seed: int, way: Way, start: Path, files: tuple[Path, Path, Path], folder: Path
) -> Point:
    """Train one network and evaluate it; remembered in the folder."""
    skim, detector = job.skim, job.detector
    knows_nine = "_nine" if way.is_fine_tuned and job.knows_nine else ""
    stem = f"{skim}_{detector}_{n_passing}_{seed}_{way.name}{knows_nine}"
    result, model = folder / f"{stem}.json", folder / f"{stem}.safetensors"
    if not result.exists():
        flags = first_events(files[1], skim, n_passing, folder / f"flags_{skim}_{detector}_{n_passing}.parquet")
        data = folder / f"data_{skim}_{detector}_{n_passing}.parquet"
        if not data.exists():
            build_dataset([files[0]], [flags], data, DatasetOptions((skim,), "drop", failing_per_passing=10))
        config = parse_training_config(configuration(n_passing, seed, way))
        train([data], model, config, init_from=start if way.is_fine_tuned else None)
        result.write_text(json.dumps(Point(n_passing, *evaluate(model, files[2], skim))))
    return Point(*json.loads(result.read_text()))


def main(options: Sequence[str] = ()) -> None:
    """Both curves of both jobs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/few_events"))
    parser.add_argument("--train", type=int, default=250_000, help="events to generate to learn from")
    parser.add_argument("--test", type=int, default=60_000, help="events to evaluate on")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 300, 1000, 3000, 10_000])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=list(JOBS), nargs="*", default=list(JOBS))
    arguments = parser.parse_args(options)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        job = JOBS[name]
        files = samples(arguments.folder, job, arguments)
        start = (
            knower_of_nine(arguments.folder, job.skim, arguments.train)
            if job.knows_nine
            else resolve_payload(DEFAULT_TAG, "GATGAPgen.safetensors")
        )
        print(f"\n{name} ({job.skim}, {job.detector})")
        if job.skim == PRE_TRAINED_SKIM:
            print("as it is: AUC {:.3f}, speed-up {:.3f} ± {:.3f}".format(*evaluate(start, files[2], PRE_TRAINED_SKIM)))
        print(f"{'passing':>8s}" + "".join(f"{'AUC ' + way.name:>16s}{'speed-up':>16s}" for way in WAYS))
        for size in arguments.sizes:
            cells = ""
            for way in WAYS:
                seeds = range(1, arguments.seeds + 1)
                points = [measure(job, size, seed, way, start, files, arguments.folder) for seed in seeds]
                gain = f"{np.mean([point.speed_up for point in points]):.3f} ± {points[0].error:.3f}"
                cells += f"{np.mean([point.auc for point in points]):16.3f}{gain:>16s}"
            print(f"{size:8d}{cells}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
