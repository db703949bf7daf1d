"""What a fast simulation inside the filter is worth where it is right, nearly right and wrong.

The surrogate is the embedded experiment with the detector ``belle2``; the truth is simulated with the same, the
``alternative`` and a far detector. The combined score is fitted on hard labels of one simulation per event, at Belle
II's costs with what asking adds, and evaluated on other events by the pass fraction of many simulations.

    python -m benchmarks surrogate                                  # about six minutes of CPU
    python -m benchmarks.bench_surrogate --test 300 --truth 20     # a quick look
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.surrogate_events import SKIM, TRUTHS, generated, hard_labels, packaged_scorer, speed_up_of, truth_counts
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.parameters import BELLE2, DetectorParameters
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
from smartbkg.experiment.oracle import PassCounts, evaluate
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.statistics import Estimate
from smartbkg.scores.fit import fit_calibration
from smartbkg.scores.logistic import expit, logit
from smartbkg.surrogate.fit import fit_combination
from smartbkg.surrogate.replicas import Counts, count_stages, stop, surrogate_seed
from smartbkg.surrogate.stopping import StoppingRule

STAGES: Final = (8, 16, 32, 64, 128)
SHOWN: Final = (8, 32, 64, 128)


def line(name: str, found: Estimate, limit: Estimate, note: str = "") -> str:
    """A row of the table."""
    return f"  {name:34s} {found.value:6.3f} ± {found.error:.3f}   {found.value / limit.value:5.3f} of the limit{note}"


def show(
    detector: DetectorParameters,
    fit: tuple[EventBatch, NDArray[np.float64], NDArray[np.int32]],
    test: tuple[EventBatch, NDArray[np.float64], NDArray[np.int32]],
    n_truth: int,
    seconds: float,
) -> None:
    """The part of the table for one detector as the truth."""
    label = hard_labels(fit[0], detector, (SKIM,))[:, 0]
    passed = truth_counts(test[0], detector, (SKIM,), n_truth)
    truth = passed.sum(axis=(1, 2)) / n_truth
    counts = PassCounts({}, passed.astype(np.int32), np.array([n_truth]))
    limit = evaluate(counts).convergence[-1].limit
    ones = np.ones(len(label))
    print(f"\ntruth: {detector.name}, {int(label.sum())} passing of {len(label)} fit, retention {truth.mean():.4f}")
    print(f"  oracle's limit {limit} ({n_truth} simulations of {len(truth)} events)")
    affine = fit_calibration(fit[1], label[:, None], ones, np.array([label.mean()]))
    print(line("network alone (K = 0)", speed_up_of(affine.apply(test[1])[:, 0], truth, 0.0), limit))
    for name, network, other in (("", fit[1], test[1]), ("no network, ", 0 * fit[1], 0 * test[1])):
        combinations = []
        for position, stage in enumerate(STAGES):
            n = np.full(len(label), stage, dtype=np.int32)
            combination = fit_combination(network, fit[2][:, position], n, label[:, None], ones)
            combinations.append((stage, combination))
            if stage in SHOWN and (not name or stage == 64):
                m = np.full(len(truth), stage, dtype=np.int32)
                score = expit(combination.logits(other, test[2][:, position], m))[:, 0]
                print(line(f"{name}K = {stage}", speed_up_of(score, truth, stage * seconds), limit))
        if name:
            continue
        policy = solve_optimal(score, BELLE_II_COSTS)
        for gain in (seconds / BELLE_II_COSTS.simulation, 5e-5, 1e-4, 3e-4):
            found = stop(test[2], other, combinations, StoppingRule.for_policy(policy, gain))
            mean = float(found.n_replicas.mean())
            score = _score(combinations, other, found)
            note = f"   {mean:.1f} replicas, {1000 * mean * seconds:.1f} ms"
            print(line(f"K = 128, least gain {gain:.1e}", speed_up_of(score, truth, mean * seconds), limit, note))


def _score(combinations: Sequence, network: NDArray[np.float64], counts: Counts) -> NDArray[np.float64]:  # type: ignore[type-arg]
    score = np.empty(len(network))
    for stage, combination in combinations:
        here = counts.n_replicas == stage
        score[here] = expit(combination.logits(network[here], counts.passed[here], counts.n_replicas[here]))[:, 0]
    return score


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=int, default=6000, help="events with one hard label each")
    parser.add_argument("--test", type=int, default=3000, help="test events")
    parser.add_argument("--truth", type=int, default=80, help="simulations of each of them, even")
    chosen = parser.parse_args(list(arguments))
    scorer = packaged_scorer("GATGAPgen.safetensors")
    surrogate, seconds = EmbeddedSurrogate(BELLE2), 0.0
    parts = []
    for n_events, run in ((chosen.fit, 5), (chosen.test, 6)):
        events = generated(n_events, run)
        surrogate.count(events.slice(0, 1), (SKIM,), 0, 0, 1)  # compiles
        started = time.process_time()
        passed = count_stages(surrogate, events, (SKIM,), surrogate_seed(0), STAGES)
        seconds = (time.process_time() - started) / (len(events) * STAGES[-1])
        parts.append((events, logit(scorer.scores(events)), passed))
    costs = Costs()
    times = f"{costs.generation} / {costs.filtering} / {costs.simulation} s"
    print(f"{SKIM}, {times}; {1000 * seconds:.3f} ms a replica")
    for detector in TRUTHS:
        show(detector, parts[0], parts[1], chosen.truth, seconds)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
