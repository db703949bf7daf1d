"""Which network, loss and symmetry gives the best unbiased speed-up: same events, same number of steps, several seeds.

Variants are architectures (all with cross-entropy), losses (all with GATGAP) and events shown mirrored and turned.
They learn feiHadronicB0 on `mixed` and are evaluated on fresh events that are simulated many times each: the pass
fraction takes the place of a single label, whose noise alone is 2-4 % of a speed-up. λ and calibration come from the
model, not from the test events.

Run: python benchmarks/bench_quality.py --folder build/quality
Files that exist in the folder are used again, so that a run can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from smartbkg.cli import command_line
from smartbkg.evaluation.scored_dataset import score_dataset
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling.plan import make_plan
from smartbkg.scores.metrics import area_under_curve
from smartbkg.training.config import parse_training_config
from smartbkg.training.run import train

SKIM: Final = "feiHadronicB0"
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "deepset": {"network": {"architecture": "deepset"}},
    "gcn": {"network": {"architecture": "gcn"}},
    "gatgap": {"network": {"architecture": "gatgap"}},
    "gat2": {"network": {"architecture": "gat2"}},
    "transformer": {"network": {"architecture": "transformer"}},
    "gatgap, speed_up": {"network": {"architecture": "gatgap"}, "loss": {"name": "speed_up"}},
    "gatgap, optimal_speed_up": {"network": {"architecture": "gatgap"}, "loss": {"name": "optimal_speed_up"}},
    "gatgap, symmetries": {
        "network": {"architecture": "gatgap"},
        "sampling": {"symmetries": ("mirror", "rotation")},
    },
    "gat2, symmetries": {"network": {"architecture": "gat2"}, "sampling": {"symmetries": ("mirror", "rotation")}},
}


class Quality(NamedTuple):
    """What one trained network is worth."""

    auc: float
    speed_up: float
    statistical_error: float
    """of the speed-up, from the test events; common to all variants"""
    oracle: float
    """speed-up of the measured probabilities on the same events"""
    seconds: float
    """CPU time of the training"""


def run(output: Path, *arguments: object, option: str = "--output") -> Path:
    """One command of the package, unless its output exists."""
    if not output.exists():
        command_line.main([*map(str, arguments), option, str(output)], standalone_mode=False)
    return output


def prepare(folder: Path, arguments: argparse.Namespace) -> tuple[list[Path], Path, Path]:
    """Training data, test data with pass fractions for labels, and the oracle's table from other simulations."""
    if arguments.data:
        training = list(arguments.data)
    else:
        events = run(folder / "train_events.parquet", "generate", "--process", "mixed", "--events", arguments.train,
                     "--seed", 41)  # fmt: skip
        flags = run(folder / "train_flags.parquet", "simulate", events, "--seed", 42, "--skim", SKIM)
        training = [run(folder / "train.parquet", "dataset", events, "--flags", flags, "--skim", SKIM)]
    test = run(folder / "test_events.parquet", "generate", "--process", "mixed", "--events", arguments.test, "--seed",
               51, "--run", 2)  # fmt: skip
    halves = [
        run(folder / f"test_{name}.parquet", "oracle", test, "--replicas", arguments.replicas // 2, "--skim", SKIM,
            "--seed", seed, "--jobs", arguments.jobs, option="--soft-labels")
        for name, seed in (("labels", 1), ("oracle", 2))
    ]  # fmt: skip
    test = run(folder / "test.parquet", "dataset", test, "--flags", halves[0], "--skim", SKIM)
    return training, test, halves[1]


def configuration(variant: Mapping[str, Any], seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The training configuration of a variant."""
    return {
        **variant,
        "data": {"validation_fraction": 0.1},
        "sampling": {**variant.get("sampling", {}), "events_per_epoch": arguments.events_per_epoch},
        "optimiser": {"epochs": arguments.epochs, "batch_size": 256},
        "run": {"seed": seed, "threads": arguments.jobs},
    }


def measure(name: str, seed: int, files: tuple[list[Path], Path, Path], arguments: argparse.Namespace) -> Quality:
    """Train one variant and evaluate it; remembered in the folder."""
    stem = f"{name.replace(', ', '-')}-{seed}"
    folder, (training, test, oracle) = arguments.folder, files
    result, model = folder / f"{stem}.json", folder / f"{stem}.safetensors"
    if not result.exists():
        began = time.process_time()
        train(training, model, parse_training_config(configuration(VARIANTS[name], seed, arguments)))
        seconds = time.process_time() - began
        events = score_dataset(test, load_scorer(model), (SKIM,), oracle=oracle).events
        plan = make_plan(events)
        best, limit = plan.outlooks[0].speed_up, plan.oracle
        assert limit is not None
        score, fraction = events.score[:, 0], events.label[:, 0]
        is_passing = np.repeat([True, False], len(score))
        auc = area_under_curve(is_passing, np.tile(score, 2), np.concatenate([fraction, 1 - fraction]))
        result.write_text(json.dumps(Quality(auc, best.value, best.error, limit.value, seconds)))
    return Quality(*json.loads(result.read_text()))


def row(name: str, found: Sequence[Quality]) -> str:
    """A line of the table."""
    auc, gain = np.array([one.auc for one in found]), np.array([one.speed_up for one in found])
    spread = [float(values.std(ddof=1)) if len(found) > 1 else float("nan") for values in (auc, gain)]
    seconds = np.mean([one.seconds for one in found])
    return (
        f"{name:26s} {auc.mean():.4f} ± {spread[0]:.4f}   {gain.mean():.3f} ± {spread[1]:.3f}   "
        f"{found[0].statistical_error:.3f}   {gain.mean() / found[0].oracle:6.1%} {seconds:8.0f}"
    )


def main(options: Sequence[str] = ()) -> None:
    """Train, evaluate and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/quality"))
    parser.add_argument("--data", type=Path, nargs="*", help="data sets to learn from, in place of generating one")
    parser.add_argument("--train", type=int, default=300_000, help="events to generate to learn from")
    parser.add_argument("--test", type=int, default=4000, help="events to evaluate on")
    parser.add_argument("--replicas", type=int, default=200, help="simulations of each of them")
    parser.add_argument("--events-per-epoch", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="threads")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    arguments = parser.parse_args(options)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files = prepare(arguments.folder, arguments)
    found = {
        name: [measure(name, seed, files, arguments) for seed in range(1, arguments.seeds + 1)]
        for name in arguments.only
    }
    print(f"{arguments.events_per_epoch} events x {arguments.epochs} epochs, {arguments.seeds} seeds; oracle "
          f"{next(iter(found.values()))[0].oracle:.3f}")  # fmt: skip
    print(f"{'variant':26s} {'AUC ± spread':15s}   {'speed-up ± spread':15s} stat.  of oracle  CPU s")
    for name, results in found.items():
        print(row(name, results))


if __name__ == "__main__":
    main(sys.argv[1:])
