"""How often the closure check cries wolf, and how often it sees a fault: `python -m benchmarks.bench_closure`.

Tables in Markdown: false alarms at a nominal 1 % by passing events, generator weights and mode; power by fault,
size and number of passing events.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.closure.check import ClosureSettings, check_closure, check_samples, check_subset
from smartbkg.closure.report import ClosureReport
from smartbkg.errors import DatasetError

Floats = NDArray[np.float64]
SETTINGS: Final = ClosureSettings(n_replicas=500, n_coverage_seeds=0, n_pair_bins=3)
FLOOR: Final = 0.04
PULL_OF_A_PER_CENT: Final = 2.576


class Sample(NamedTuple):
    """Passing events and what the filter made of them."""

    variables: dict[str, Floats]
    q: Floats
    weight: Floats
    is_kept: NDArray[np.bool_]
    stated: Floats


WEIGHTS: Final[dict[str, Callable[[np.random.Generator, int], Floats]]] = {
    "1": lambda _, n: np.ones(n),
    "lognormal": lambda random, n: random.lognormal(0.0, 1.0, n),
    "20 % negative": lambda random, n: np.where(random.random(n) < 0.2, -1.0, 1.0),
}


#: Mean of the logit of q, with σ = 1.5: of low ones for false alarms, the hard case; for power that of passing events
#: under an optimal policy, whose weights are 1.6 in the mean over all that pass.
LOW, OPTIMAL = -0.5, 1.75


def sample(n: int, seed: int, weights: str = "1", logit_of_q: float = LOW) -> Sample:
    """Right events: q from the floor to 1, correlated with the first variable."""
    random = np.random.default_rng(seed)
    logit = random.normal(logit_of_q, 1.5, n)
    q = np.clip(1 / (1 + np.exp(-logit)), FLOOR, 1.0)
    variables = {"x": logit + random.normal(size=n), "y": random.exponential(size=n), "z": random.normal(size=n)}
    weight = WEIGHTS[weights](random, n)
    return Sample(variables, q, weight, random.random(n) < q, weight / q)


def faulty(right: Sample, fault: str, size: float, seed: int) -> Sample:
    """The sample with a fault in its weights or events."""
    random = np.random.default_rng([seed, 3])
    stated, is_kept = right.stated.copy(), right.is_kept.copy()
    if fault == "too large":
        stated *= 1 + size
    elif fault == "lost":
        is_kept &= random.random(len(is_kept)) >= size
    elif fault == "doubled":
        stated = np.where(random.random(len(is_kept)) < size, 2 * stated, stated)
    elif fault == "clipped":
        stated = np.minimum(stated, np.quantile(stated[is_kept], 1 - size))
    elif fault == "tilted":
        centred = right.variables["x"] - np.average(right.variables["x"])
        stated *= 1 + size * centred / centred.std()
    return right._replace(is_kept=is_kept, stated=stated)


FAULTS: Final = ("too large", "lost", "doubled", "clipped", "tilted")


def report_of(one: Sample, mode: str, seed: int, weights: str = "1") -> ClosureReport | None:
    """The report of one mode; None where too few events are left to say anything."""
    settings = ClosureSettings(n_replicas=500, n_coverage_seeds=0, n_pair_bins=3, seed=seed)
    kept = {name: values[one.is_kept] for name, values in one.variables.items()}
    try:
        if mode == "scores":
            return check_closure(one.variables, one.q, one.is_kept, one.weight, settings, kept_weight=one.stated)
        if mode == "flags":
            return check_subset(
                one.variables, one.is_kept, one.stated, one.q, one.weight, settings, least_keep_probability=FLOOR
            )
        other = sample(len(one.q), seed + 1_000_000, weights)
        return check_samples(
            other.variables, kept, one.stated[one.is_kept], other.weight, settings,
            keep_probability=one.q[one.is_kept], least_keep_probability=FLOOR,
        )  # fmt: skip
    except DatasetError:
        return None


def plain_pull(one: Sample) -> float:
    """(Σ stated weights − Σ all) / σ: all that a check of the yield alone could see."""
    variance = float((one.weight**2 * (1 - one.q) / one.q).sum())
    return float(one.stated[one.is_kept].sum() - one.weight.sum()) / variance**0.5


def power_of_plain_pull(n: int, n_seeds: int, fault: str, size: float) -> float:
    """Share of faulty samples whose plain pull is beyond 1 %."""
    pulls = [plain_pull(faulty(sample(n, seed, logit_of_q=OPTIMAL), fault, size, seed)) for seed in range(n_seeds)]
    return float((np.abs(pulls) > PULL_OF_A_PER_CENT).mean())


def rate(
    n: int, n_seeds: int, mode: str, weights: str = "1", fault: str = "", size: float = 0.0, logit_of_q: float = LOW
) -> tuple[float, int]:
    """Share of samples that fail, and how many gave a verdict."""
    failed = with_verdict = 0
    for seed in range(n_seeds):
        right = sample(n, seed, weights, logit_of_q)
        report = report_of(faulty(right, fault, size, seed) if fault else right, mode, seed, weights)
        if report is not None:
            with_verdict += 1
            failed += not report.is_compatible
    return failed / max(with_verdict, 1), with_verdict


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="samples behind each number")
    parser.add_argument("--passing", type=int, nargs="*", default=[30, 100, 300, 3000], help="for false alarms")
    parser.add_argument("--power", type=int, nargs="*", default=[3000, 11_000], help="passing events for power")
    arguments = parser.parse_args()
    if arguments.passing:
        print(f"False alarms in % at a nominal 1 %, {arguments.seeds} samples (in brackets: those with a verdict)\n")
        print("| weights | mode | " + " | ".join(f"{n:,}" for n in arguments.passing) + " |")
        print("|---|---|" + "---|" * len(arguments.passing))
    for weights in WEIGHTS if arguments.passing else ():
        for mode in ("scores", "flags", "reference"):
            cells = [rate(n, arguments.seeds, mode, weights) for n in arguments.passing]
            text = " | ".join(f"{100 * share:.1f} ({n_decided})" for share, n_decided in cells)
            print(f"| {weights} | {mode} | {text} |", flush=True)
    if arguments.power:
        print("\nPower in %, with the table of scores\n")
        sizes = (0.02, 0.05, 0.10)
        columns = [(n, size) for n in arguments.power for size in sizes]
        print("| fault | " + " | ".join(f"{100 * size:.0f} %, {n:,}" for n, size in columns) + " |")
        print("|---|" + "---|" * len(columns))
    n_seeds = max(arguments.seeds // 4, 20)
    for fault in FAULTS if arguments.power else ():
        rates = [rate(n, n_seeds, "scores", fault=fault, size=size, logit_of_q=OPTIMAL)[0] for n, size in columns]
        print(f"| {fault} | " + " | ".join(f"{100 * share:.0f}" for share in rates) + " |", flush=True)
        pulls = [power_of_plain_pull(n, 400, fault, size) for n, size in columns]
        print("| (plain pull of the yield) | " + " | ".join(f"{100 * share:.0f}" for share in pulls) + " |", flush=True)


if __name__ == "__main__":
    main()
