"""What the benchmarks of surrogates share: events, a far detector, and how a score is evaluated."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.conditions.location import packaged_folder
from smartbkg.conditions.resolve import resolve_payload
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.files import read_detector
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2, DetectorParameters
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
from smartbkg.experiment.generator.files import generate_to_file
from smartbkg.experiment.generator.generate import GeneratorRequest
from smartbkg.io import open_events
from smartbkg.networks.model_file import load_scorer
from smartbkg.networks.scorer import Scorer
from smartbkg.sampling.cost import BELLE_II_COSTS
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.statistics import Estimate, speed_up_estimate, speed_up_terms

SKIM: Final = "feiHadronicB0"
#: 10 % fewer tracks, worse resolutions, more background, half the identification.
FAR: Final = read_detector(str(Path(__file__).resolve().parents[1] / "models" / "far.json"))
#: The detectors that make the truth; the surrogate asked is the first.
TRUTHS: Final = (BELLE2, ALTERNATIVE, FAR)
#: Seeds of the single simulation that labels an event, and of those that measure the truth.
_LABEL_SEED: Final = 77
_TRUTH_SEED: Final = 1000


def generated(n_events: int, run: int, process: str = "mixed") -> EventBatch:
    """Fresh events of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        generate_to_file(GeneratorRequest(process, n_events, 100 + run, 0, run), path, n_jobs=1)
        with open_events(path) as reader:
            return EventBatch.concatenate(list(reader.batches()))


def packaged_scorer(payload: str) -> Scorer:
    """A network of the package."""
    return load_scorer(resolve_payload("SmartBKG_GATGAP", payload, places=[str(packaged_folder())]))


def hard_labels(events: EventBatch, detector: DetectorParameters, skims: tuple[str, ...]) -> NDArray[np.float64]:
    """(n_events, n_skims) 1 where the only simulation of the event passes."""
    return EmbeddedSurrogate(detector).count(events, skims, _LABEL_SEED, 0, 1).astype(np.float64)


def truth_counts(
    events: EventBatch, detector: DetectorParameters, skims: tuple[str, ...], n_replicas: int
) -> NDArray[np.int32]:
    """(n_events, n_skims, 2) passes in two independent halves of the simulations that measure the truth."""
    halves = [
        EmbeddedSurrogate(detector).count(events, skims, _TRUTH_SEED + half, 1, n_replicas // 2) for half in range(2)
    ]
    return np.stack(halves, axis=2)


def speed_up_of(score: NDArray[np.float64], truth: NDArray[np.float64], seconds: float) -> Estimate:
    """Speed-up of the optimal policy on the scores of one skim, with the seconds that asking costs per event."""
    costs = replace(BELLE_II_COSTS, filtering=BELLE_II_COSTS.filtering + seconds)
    keep = solve_optimal(score, costs).keep_probability(score)
    return speed_up_estimate(speed_up_terms(truth, keep, costs), costs)
