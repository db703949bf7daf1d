"""Policies on the embedded experiment: what each is worth with one and the same model.

Trains a network of five skims on `mixed`, measures each test event's pass probabilities by simulating it many times
(two independent halves: one chooses the oracle's policy, the other judges everything), and prints the speed-up of every
policy at Belle II's costs, alone for feiHadronicB0 and jointly for all five skims. The judging labels chose neither the
network nor its calibration nor λ.

Run: python benchmarks/bench_policies.py --folder build/policies
Files that exist in the folder are used again, so that stages can be run one by one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartbkg.cli import command_line
from smartbkg.events import EventBatch
from smartbkg.events.fields import EVENT_ID
from smartbkg.events.matching import match_events
from smartbkg.filtering import score_events
from smartbkg.io import open_events
from smartbkg.io.tables import read_table
from smartbkg.models.runtime import load_scorer
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.plan import Plan, judge_keep_probability, make_plan

SKIMS = ("feiHadronicB0", "feiHadronicBplus", "feiSLB0", "feiSLBplus", "BtoXll")
FLOORS = (0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.001)


def run(output: Path, *arguments: object) -> Path:
    """One command of the package, unless its output exists."""
    if not output.exists():
        command_line.main([*map(str, arguments), "--output", str(output)], standalone_mode=False)
    return output


def simulated(folder: Path, events: Path, name: str, seed: int) -> Path:
    """Flags of one simulation of the events."""
    skims = [option for skim in SKIMS for option in ("--skim", skim)]
    return run(folder / f"{name}.parquet", "simulate", events, "--seed", seed, *skims)


def prepare(folder: Path, arguments: argparse.Namespace) -> tuple[Path, Path, list[Path]]:
    """The model, the test events, and flags of their replicas."""
    train = run(
        folder / "train_events.parquet", "generate", "--process", "mixed", "--events", arguments.train, "--seed", 21
    )
    flags = simulated(folder, train, "train_flags", 22)
    wanted = [option for skim in SKIMS for option in ("--skim", skim)]
    dataset = run(folder / "train.parquet", "dataset", train, "--flags", flags, *wanted)
    model = run(
        folder / "model.safetensors", "train", dataset, "--seed", 1, "--threads", 1,
        "--epochs", arguments.epochs,
    )  # fmt: skip
    test = run(
        folder / "test_events.parquet", "generate", "--process", "mixed", "--events", arguments.test, "--seed", 31,
        "--run", 2,
    )  # fmt: skip
    replicas = [simulated(folder, test, f"test_flags_{i}", 1000 + i) for i in range(arguments.replicas)]
    return model, test, replicas


def pass_fractions(events: EventBatch, tables: Sequence[Path]) -> NDArray[np.float64]:
    """(n_events, n_skims) share of the simulations that passed."""
    total = np.zeros((len(events), len(SKIMS)))
    for path in tables:
        flags = read_table(path)
        rows = match_events({name: events.event[name] for name in EVENT_ID}, flags.columns, str(path))
        total += np.stack([flags[f"passes_{skim}"][rows] for skim in SKIMS], axis=1)
    return total / len(tables)


def shrunk(fraction: NDArray[np.float64], n_replicas: int) -> NDArray[np.float64]:
    """Posterior means under a beta prior fitted to the sample: no event is believed impossible after k failures."""
    mean = fraction.mean(axis=0)
    spread = np.maximum(fraction.var(axis=0) - mean * (1 - mean) / n_replicas, 1e-9)
    strength = np.maximum(mean * (1 - mean) / spread - 1, 1e-3)
    return (fraction * n_replicas + mean * strength) / (n_replicas + strength)


def show(title: str, plan: Plan) -> None:
    """The table of a plan."""
    print(f"\n{title}: {plan.n_events} events, retention {', '.join(f'{r:.2%}' for r in plan.retention)}")
    print(f"{'policy':22s} {'speed-up':>18s} {'simulated':>10s} {'largest weight':>15s}")
    for outlook in plan.outlooks:
        speed_up = f"{outlook.speed_up.value:.3f} ± {outlook.speed_up.error:.3f}"
        print(f"{outlook.label:22s} {speed_up:>18s} {outlook.kept_fraction:10.2%} {outlook.largest_weight:15.1f}")
    print(f"{'own estimate':22s} {plan.own_estimate:10.3f}\n{'free bound (scores)':22s} {plan.free_bound:10.3f}")
    if plan.oracle is not None:
        share = plan.outlooks[0].speed_up.value / plan.oracle.value
        print(f"{'oracle':22s} {plan.oracle.value:10.3f} ± {plan.oracle.error:.3f}; optimal reaches {share:.1%} of it")
    for skim, check in zip(plan.skims, plan.calibration, strict=True):
        print(f"calibration of {skim}: mean ratio {check.mean_ratio:.3f}, slope {check.scale:.3f}, "
              f"costs {check.lost_speed_up:.2%}")  # fmt: skip


def main(options: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/policies"))
    parser.add_argument("--train", type=int, default=30_000, help="events to learn from")
    parser.add_argument("--test", type=int, default=3000, help="events to judge on")
    parser.add_argument("--replicas", type=int, default=400, help="simulations of each test event; 1 = no oracle")
    parser.add_argument("--epochs", type=int, default=3, help="of training")
    arguments = parser.parse_args(options)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model, test, replicas = prepare(arguments.folder, arguments)
    with open_events(test) as reader:
        events = EventBatch.concatenate(list(reader.batches()))
    scorer = load_scorer(model)
    score = score_events(scorer, events).score
    half = len(replicas) // 2
    judge = pass_fractions(events, replicas[half:])
    oracle = shrunk(pass_fractions(events, replicas[:half]), half) if half else None
    one = LabelledEvents.from_arrays(
        score[:, 0], judge[:, 0], skims=SKIMS[:1], oracle=None if oracle is None else oracle[:, 0]
    )
    plan = make_plan(one)
    show(SKIMS[0], plan)
    show("five skims together", make_plan(LabelledEvents.from_arrays(score, judge, skims=SKIMS, oracle=oracle)))
    print(f"\nfloor of q, {SKIMS[0]}: kept fraction and speed-up")
    for floor in FLOORS:
        q = solve_optimal(score[:, 0], plan.costs, 1 / floor).keep_probability(score[:, 0])
        print(f"{floor:6.3f} {q.mean():8.2%} {judge_keep_probability(one, plan.costs, q):8.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
