"""What a fast simulation inside the filter is worth where it is right, nearly right and wrong.

The surrogate is the embedded experiment with the detector ``belle2``; the truth is simulated with the same, the
``alternative`` and a far detector. The combined score is fitted on hard labels of one simulation an event, at Belle
II's costs with what asking adds, and judged on other events by the pass fraction of many simulations.

    python -m benchmarks surrogate                                  # about six minutes of CPU
    python -m benchmarks.bench_surrogate --judge 2000 --truth 80    # smaller errors
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.conditions.location import packaged_folder
from smartbkg.conditions.resolve import resolve_payload
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.files import detector_from_changes
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2, DetectorParameters
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
from smartbkg.experiment.generator.files import generate_to_file
from smartbkg.experiment.generator.generate import GeneratorRequest
from smartbkg.experiment.oracle import PassCounts, judge
from smartbkg.io import open_events
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.statistics import Estimate, speed_up_estimate, speed_up_terms
from smartbkg.scores.fit import fit_calibration
from smartbkg.scores.logistic import expit, logit
from smartbkg.surrogate.fit import fit_combination
from smartbkg.surrogate.replicas import Counts, count_stages, stop, surrogate_seed
from smartbkg.surrogate.stopping import StoppingRule

SKIM: Final = "feiHadronicB0"
STAGES: Final = (8, 16, 32, 64, 128)
SHOWN: Final = (8, 32, 64, 128)
#: 10 % fewer tracks, worse resolutions, more background, half the identification.
FAR: Final = detector_from_changes(
    {
        "base": "belle2",
        "name": "far",
        "tracking": {
            "efficiency_scale": 0.90, "tail_fraction": 0.25, "fake_rate": 0.4, "conversion_thickness": 0.06,
        },
        "calorimeter": {
            "resolution_constant": 0.03, "energy_scale": 0.985, "threshold": 0.03, "extra_pion": 0.7,
        },
        "identification": {
            "dedx_resolution": 0.14, "top_resolution": 0.12, "arich_resolution": 0.008, "top_efficiency": 0.45,
            "arich_efficiency": 0.43, "klm_muon": 0.75, "klm_pion": 0.12,
        },
        "background": {"clusters": 8.0, "tracks": 0.3},
    },
    "bench_surrogate",
)  # fmt: skip


def generated(folder: Path, n_events: int, run: int) -> EventBatch:
    """Events of ``mixed``."""
    path = folder / f"run{run}.parquet"
    generate_to_file(GeneratorRequest("mixed", n_events, 100 + run, 0, run), path, n_jobs=1)
    with open_events(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def judged(score: NDArray[np.float64], truth: NDArray[np.float64], seconds: float) -> Estimate:
    """Speed-up of the optimal policy on these scores, with what asking costs."""
    costs = replace(BELLE_II_COSTS, filtering=BELLE_II_COSTS.filtering + seconds)
    keep = solve_optimal(score, costs).keep_probability(score)
    return speed_up_estimate(speed_up_terms(truth, keep, costs), costs)


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
    truth_of = EmbeddedSurrogate(detector)
    label = truth_of.count(fit[0], (SKIM,), 77, 0, 1)[:, 0].astype(float)
    halves = [truth_of.count(test[0], (SKIM,), 1000 + half, 1, n_truth // 2) for half in range(2)]
    passed = np.stack(halves, axis=2)
    truth = passed.sum(axis=(1, 2)) / n_truth
    counts = PassCounts({}, passed.astype(np.int32), np.array([n_truth]))
    limit = judge(counts).convergence[-1].limit
    ones = np.ones(len(label))
    print(f"\ntruth: {detector.name}, {int(label.sum())} passing of {len(label)} fit, retention {truth.mean():.4f}")
    print(f"  oracle's limit {limit} ({n_truth} simulations of {len(truth)} events)")
    affine = fit_calibration(fit[1], label[:, None], ones, np.array([label.mean()]))
    print(line("network alone (K = 0)", judged(affine.apply(test[1])[:, 0], truth, 0.0), limit))
    for name, network, other in (("", fit[1], test[1]), ("no network, ", 0 * fit[1], 0 * test[1])):
        combinations = []
        for position, stage in enumerate(STAGES):
            n = np.full(len(label), stage, dtype=np.int32)
            combination = fit_combination(network, fit[2][:, position], n, label[:, None], ones)
            combinations.append((stage, combination))
            if stage in SHOWN and (not name or stage == 64):
                m = np.full(len(truth), stage, dtype=np.int32)
                score = expit(combination.logits(other, test[2][:, position], m))[:, 0]
                print(line(f"{name}K = {stage}", judged(score, truth, stage * seconds), limit))
        if name:
            continue
        policy = solve_optimal(score, BELLE_II_COSTS)
        for gain in (seconds / BELLE_II_COSTS.simulation, 5e-5, 1e-4, 3e-4):
            found = stop(test[2], other, combinations, StoppingRule.for_policy(policy, gain))
            mean = float(found.n_replicas.mean())
            score = _score(combinations, other, found)
            note = f"   {mean:.1f} replicas, {1000 * mean * seconds:.1f} ms"
            print(line(f"K = 128, least gain {gain:.1e}", judged(score, truth, mean * seconds), limit, note))


def _score(combinations: Sequence, network: NDArray[np.float64], counts: Counts) -> NDArray[np.float64]:  # type: ignore[type-arg]
    score = np.empty(len(network))
    for stage, combination in combinations:
        here = counts.n_replicas == stage
        score[here] = expit(combination.logits(network[here], counts.passed[here], counts.n_replicas[here]))[:, 0]
    return score


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=int, default=2000, help="events with one hard label each")
    parser.add_argument("--judge", type=int, default=1500, help="events that judge")
    parser.add_argument("--truth", type=int, default=60, help="simulations of each of them, even")
    chosen = parser.parse_args(list(arguments))
    scorer = load_scorer(resolve_payload("SmartBKG_GATGAP", "GATGAPgen.safetensors", places=[str(packaged_folder())]))
    surrogate, seconds = EmbeddedSurrogate(BELLE2), 0.0
    parts = []
    with tempfile.TemporaryDirectory() as name:
        for n_events, run in ((chosen.fit, 5), (chosen.judge, 6)):
            events = generated(Path(name), n_events, run)
            surrogate.count(events.slice(0, 1), (SKIM,), 0, 0, 1)  # compiles
            started = time.process_time()
            passed = count_stages(surrogate, events, (SKIM,), surrogate_seed(0), STAGES)
            seconds = (time.process_time() - started) / (len(events) * STAGES[-1])
            parts.append((events, logit(scorer.scores(events)), passed))
    costs = Costs()
    times = f"{costs.generation} / {costs.filtering} / {costs.simulation} s"
    print(f"{SKIM}, {times}; {1000 * seconds:.3f} ms a replica")
    for detector in (BELLE2, ALTERNATIVE, FAR):
        show(detector, parts[0], parts[1], chosen.truth, seconds)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
