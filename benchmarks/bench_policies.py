"""Policies on the embedded experiment: what each is worth with one and the same model.

Takes a model of several skims (or trains one on `mixed`), measures each test event's pass probabilities by simulating
it many times (two independent halves: one chooses the oracle's policy, the other evaluates everything), and prints the
speed-up of every policy at Belle II's costs, alone for feiHadronicB0 and jointly for the five skims. The test labels
chose neither the network nor its calibration nor λ: a model that is given must not have seen the test events, which are
those of `smartbkg generate --process mixed --run 2 --seed 31`.

Run: python -m benchmarks.bench_policies --folder build/policies [--model M.safetensors]
Files that exist in the folder are used again; the counts of passes are saved every few replicas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.pass_counts import PassCounts, count_passes, read_events
from smartbkg.cli import command_line
from smartbkg.errors import ModelError
from smartbkg.filtering.scoring import score_events
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT, solve_optimal
from smartbkg.sampling.plan import Plan, evaluate_keep_probability, make_plan
from smartbkg.sampling.statistics import Estimate, bootstrap, speed_up_of_means, speed_up_terms
from smartbkg.sampling.weights import any_skim_probability

SKIMS: Final = ("feiHadronicB0", "feiHadronicBplus", "feiSLB0", "feiSLBplus", "BtoXll")
FLOORS: Final = (0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.001)
#: Bootstrap replicas behind each uncertainty.
N_BOOTSTRAP: Final = 400


def run(output: Path, *arguments: object) -> Path:
    """One command of the package, unless its output exists."""
    if not output.exists():
        command_line.main([*map(str, arguments), "--output", str(output)], standalone_mode=False)
    return output


def train_model(folder: Path, n_events: int, epochs: int, n_jobs: int) -> Path:
    """A model of the five skims."""
    train = run(folder / "train_events.parquet", "generate", "--process", "mixed", "--events", n_events, "--seed", 21)
    wanted = [option for skim in SKIMS for option in ("--skim", skim)]
    flags = run(folder / "train_flags.parquet", "simulate", train, "--seed", 22, "--jobs", n_jobs, *wanted)
    dataset = run(folder / "train.parquet", "dataset", train, "--flags", flags, *wanted)
    return run(folder / "model.safetensors", "train", dataset, "--seed", 1, "--threads", 1, "--epochs", epochs)


def show(title: str, plan: Plan) -> None:
    """The table of a plan."""
    print(f"\n{title}: {plan.n_events} events, retention {', '.join(f'{r:.2%}' for r in plan.retention)}")
    print(f"{'policy':26s} {'speed-up':>18s} {'simulated':>10s} {'largest weight':>15s}")
    for outlook in plan.outlooks:
        print(f"{outlook.label:26s} {_number(outlook.speed_up):>18s} {outlook.kept_fraction:10.2%} "
              f"{outlook.largest_weight:15.1f}")  # fmt: skip
    if plan.oracle is not None:
        print(f"{'oracle':26s} {_number(plan.oracle):>18s}")
    print(f"{'own estimate':26s} {plan.own_estimate:10.3f}")


def show_calibration(plan: Plan) -> None:
    """Whether the scores are probabilities."""
    for skim, check in zip(plan.skims, plan.calibration, strict=True):
        print(f"calibration of {skim}: mean ratio {check.mean_ratio:.3f}, slope {check.scale:.3f}, "
              f"costs {check.lost_speed_up:.2%}")  # fmt: skip


def _number(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ± {estimate.error:.3f}"


def speed_up_replicas(
    events: LabelledEvents, costs: Costs, keep: NDArray[np.float64], simulated: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(1 + N_BOOTSTRAP,) speed-up over all skims together: of the sample, then of its replicas, equal for all policies.

    Parameters
    ----------
    keep : (n_events, n_skims) q by which each skim is weighted.
    simulated : (n_events,) probability that the event is simulated.
    """
    terms = [
        speed_up_terms(events.label[:, skim], keep[:, skim], costs, simulated_probability=simulated)
        for skim in range(len(events.skims))
    ]
    means = [np.concatenate([t.mean(axis=0)[None], bootstrap(t, N_BOOTSTRAP)]) for t in terms]
    return np.asarray(len(terms) / sum(1 / speed_up_of_means(mean, costs) for mean in means))


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> Estimate:
    """Of two speed-ups on the same replicas."""
    values = numerator / denominator
    return Estimate(float(values[0]), float(np.nanstd(values[1:], ddof=1)))


def bound(probability: NDArray[np.float64]) -> Estimate:
    """E[u]/E[√u]² with u = Σ p_i/E[p_i]: the speed-up if generation and decision were free and nothing clipped."""
    usefulness = (probability / probability.mean(axis=0)).sum(axis=1)
    columns = np.stack([usefulness, np.sqrt(usefulness)], axis=1)
    means = np.concatenate([columns.mean(axis=0)[None], bootstrap(columns, N_BOOTSTRAP)])
    return ratio(means[:, 0], np.square(means[:, 1]))


def show_limits(events: LabelledEvents, plan: Plan) -> None:
    """The bounds, and how the optimal policy compares with the oracle and with one draw per skim."""
    n_skims = len(events.skims)

    def repeated(q: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(q[:, None], n_skims, axis=1)

    q = events.keep_probability(plan.recommended)
    best = speed_up_replicas(events, plan.costs, repeated(q), q)
    print(f"{'free bound (scores)':26s} {_number(bound(events.score)):>18s}")
    if events.oracle is not None:
        print(f"{'free bound (true p)':26s} {_number(bound(events.oracle)):>18s}")
        oracle = events.solve(plan.costs, DEFAULT_MAX_WEIGHT, None, events.oracle).keep_probability(events.oracle)
        share = ratio(best, speed_up_replicas(events, plan.costs, repeated(oracle), oracle))
        print(f"{'optimal / oracle':26s} {_number(share):>18s}")
    if n_skims > 1:
        own = np.stack([solve_optimal(s, plan.costs).keep_probability(s) for s in events.score.T], axis=1)
        independent = speed_up_replicas(events, plan.costs, own, any_skim_probability(own))
        print(f"{'joint / one draw a skim':26s} {_number(ratio(best, independent)):>18s}  (n_eff per CPU second)")


def show_floors(events: LabelledEvents, costs: Costs) -> None:
    """What the floor of q costs, which is how the default was chosen."""
    print(f"\nfloor of q, {events.skims[0]}: kept fraction and speed-up")
    score = events.score[:, 0]
    for floor in FLOORS:
        q = solve_optimal(score, costs, 1 / floor).keep_probability(score)
        print(f"{floor:6.3f} {q.mean():8.2%} {evaluate_keep_probability(events, costs, q):8.3f}")


def report(score: NDArray[np.float64], counts: PassCounts, skims: Sequence[str]) -> None:
    """All tables: the first skim alone, all together."""
    for n_skims in dict.fromkeys((1, len(skims))):
        chosen = slice(0, n_skims)
        events = LabelledEvents.from_arrays(
            score[:, chosen],
            counts.fraction(1)[:, chosen],
            skims=skims[chosen],
            oracle=counts.probability(0)[:, chosen],
        )
        plan = make_plan(events, n_replicas=N_BOOTSTRAP)
        show(skims[0] if n_skims == 1 else f"{n_skims} skims together", plan)
        show_limits(events, plan)
        show_calibration(plan)
        if n_skims == 1:
            show_floors(events, plan.costs)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/policies"))
    parser.add_argument("--model", type=Path, help="a model of some of the five skims; trained here if not given")
    parser.add_argument("--train", type=int, default=30_000, help="events to learn from")
    parser.add_argument("--epochs", type=int, default=3, help="of training")
    parser.add_argument("--test", type=int, default=3000, help="events to evaluate on")
    parser.add_argument(
        "--replicas", type=int, default=400, help="simulations of each test event, half of them evaluate"
    )
    parser.add_argument("--jobs", type=int, default=2, help="threads that simulate")
    return parser.parse_args(options)


def main(options: Sequence[str] = ()) -> None:
    arguments = parse(options)
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    model = arguments.model or train_model(folder, arguments.train, arguments.epochs, arguments.jobs)
    test = run(
        folder / f"test_events_{arguments.test}.parquet",
        "generate", "--process", "mixed", "--events", arguments.test, "--seed", 31, "--run", 2,
    )  # fmt: skip
    scorer = load_scorer(model)
    skims = [skim for skim in SKIMS if skim in scorer.skims]
    if not skims:
        raise ModelError(f"{model}: has {list(scorer.skims)}, expected at least one of {list(SKIMS)}")
    events = read_events(test)
    score = score_events(scorer, events).score[:, [scorer.skims.index(skim) for skim in skims]]
    cache = folder / f"test_passes_{arguments.test}.npz"
    # All five are counted whatever the model knows, so that the next model finds its counts.
    counts = count_passes(events, SKIMS, arguments.replicas, cache, seed=1000, n_jobs=arguments.jobs)
    columns = [SKIMS.index(skim) for skim in skims]
    report(score, PassCounts(counts.passed[:, columns], counts.n_replicas), skims)


if __name__ == "__main__":
    main(sys.argv[1:])
