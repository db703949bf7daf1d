"""Ten skims at once: what a fast simulation inside the filter is worth for one draw that serves all of them.

Events are a mixture of all processes by cross-section at the Υ(4S). The network is the package's SmartBackground; the
combined score is fitted on one hard label of each skim and event. The oracle knows each event's pass fraction in half
of the simulations, and all are evaluated by the other half: a lower bound of what could be reached.

    python -m benchmarks.bench_surrogate_skims                          # about 10 minutes of CPU
    python -m benchmarks.bench_surrogate_skims --fit 700 --test 700    # one; errors are large
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.surrogate_events import generated, hard_labels, packaged_scorer, truth_counts
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2, DetectorParameters
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
from smartbkg.experiment.oracle import estimate_prior
from smartbkg.sampling.cost import BELLE_II_COSTS
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.luminosity import CROSS_SECTIONS
from smartbkg.sampling.plan import make_plan
from smartbkg.sampling.statistics import Estimate
from smartbkg.scores.logistic import expit, logit
from smartbkg.surrogate.fit import LEAST_PASSING, fit_combination
from smartbkg.surrogate.replicas import count_stages, surrogate_seed

STAGES: Final = (8, 32, 64, 128)


def mixture(n_events: int, run: int) -> EventBatch:
    """Events of all processes, as many of each as its share of the cross-section."""
    total = sum(CROSS_SECTIONS.values())
    shares = {process: round(n_events * section / total) for process, section in CROSS_SECTIONS.items()}
    return EventBatch.concatenate(
        [generated(n, run + 10 * number, process) for number, (process, n) in enumerate(shares.items())]
    )


def joint(score: NDArray[np.float64], truth: NDArray[np.float64], seconds: float, skims: tuple[str, ...]) -> Estimate:
    """Joint speed-up of equally important skims: harmonic mean, one draw for all."""
    costs = replace(BELLE_II_COSTS, filtering=BELLE_II_COSTS.filtering + seconds)
    events = LabelledEvents.from_arrays(score, truth, skims=skims)
    return make_plan(events, costs, compared=()).outlooks[0].speed_up


def oracle_score(passed: NDArray[np.int32], n_replicas: int) -> NDArray[np.float64]:
    """(n_events, n_skims) E[p | passes], shrunk with the distribution of p over events."""
    columns = [estimate_prior(column, n_replicas).posterior_mean(column, n_replicas) for column in passed.T]
    return np.stack(columns, axis=1)


def show(
    detector: DetectorParameters,
    fit: tuple[EventBatch, NDArray[np.float64], NDArray[np.int32]],
    test: tuple[EventBatch, NDArray[np.float64], NDArray[np.int32]],
    skims: tuple[str, ...],
    n_truth: int,
    seconds: float,
) -> None:
    """The table of one detector as the truth."""
    label = hard_labels(fit[0], detector, skims)
    halves = truth_counts(test[0], detector, skims, n_truth)
    half = n_truth // 2
    used = (label.sum(axis=0) >= LEAST_PASSING) & (halves.sum(axis=2) > 0).any(axis=0)
    names = tuple(skim for skim, is_used in zip(skims, used, strict=True) if is_used)
    left_out = ", ".join(skim for skim in skims if skim not in names) or "none"
    print(f"\ntruth: {detector.name}; too rare in these events: {left_out}")
    truth = halves[:, used, 1] / half
    oracle = joint(oracle_score(halves[:, used, 0], half), truth, 0.0, names)
    print(f"  oracle, {half} simulations choose, {half} evaluate   {oracle}")
    ones = np.ones(len(label))
    print(_line("network alone", joint(expit(test[1][:, used]), truth, 0.0, names), oracle))
    for position, stage in enumerate(STAGES):
        n = np.full(len(label), stage, dtype=np.int32)
        combination = fit_combination(fit[1][:, used], fit[2][:, position][:, used], n, label[:, used], ones)
        m = np.full(len(truth), stage, dtype=np.int32)
        score = expit(combination.logits(test[1][:, used], test[2][:, position][:, used], m))
        print(_line(f"K = {stage}", joint(score, truth, stage * seconds, names), oracle))


def _line(name: str, found: Estimate, oracle: Estimate) -> str:
    return f"  {name:16s} {found.value:6.3f} ± {found.error:.3f}   {found.value / oracle.value:5.3f} of the oracle"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=int, default=10_000, help="events with one hard label each")
    parser.add_argument("--test", type=int, default=2500, help="test events")
    parser.add_argument("--truth", type=int, default=200, help="simulations of each of them, even")
    chosen = parser.parse_args(list(arguments))
    network = packaged_scorer("SmartBackground")
    skims = tuple(network.skims)
    surrogate, seconds, parts = EmbeddedSurrogate(BELLE2), 0.0, []
    for n_events, run in ((chosen.fit, 305), (chosen.test, 306)):
        events = mixture(n_events, run)
        surrogate.count(events.slice(0, 1), skims, 0, 0, 1)  # compiles
        started = time.process_time()
        passed = count_stages(surrogate, events, skims, surrogate_seed(0), STAGES)
        seconds = (time.process_time() - started) / (len(events) * STAGES[-1])
        parts.append((events, logit(network.scores(events)), passed))
    print(f"{len(skims)} skims, mixture of {len(CROSS_SECTIONS)} processes; {1000 * seconds:.3f} ms a replica")
    for detector in (BELLE2, ALTERNATIVE):
        show(detector, parts[0], parts[1], skims, chosen.truth, seconds)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
