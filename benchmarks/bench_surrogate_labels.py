"""How many passing events the combined score of network and surrogate needs.

Labels of one simulation per event fit the score at K = 64; others evaluate it. The truth is simulated with the detector
that the surrogate has, with `alternative` and with a far one. Each size takes samples of consecutive events with so
many passing ones, up to eight of them; the error is their scatter. Events that pass nowhere are thinned and weighted.

    python -m benchmarks.bench_surrogate_labels --folder build/surrogate_labels     # about 12 minutes of CPU
    python -m benchmarks.bench_surrogate_labels --events 5000 --test 500           # one

What was asked is kept in the folder and used again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.surrogate_events import SKIM, TRUTHS, generated, hard_labels, packaged_scorer, speed_up_of, truth_counts
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
from smartbkg.scores.fit import fit_calibration
from smartbkg.scores.logistic import expit, logit
from smartbkg.surrogate.fit import LEAST_PASSING, fit_combination
from smartbkg.surrogate.replicas import count_stages, surrogate_seed

SIZES: Final = (LEAST_PASSING, 30, 100, 300, 1000, 3000, 10_000)
REPLICAS: Final = 64
#: Failing events asked of so many.
_THINNING: Final = 6
_CHUNK: Final = 20_000
_MOST_SAMPLES: Final = 8


def asked_chunk(n_events: int, run: int) -> dict[str, NDArray[np.float64]]:
    """Labels of all truths, network logits and counts of events to fit to."""
    events = generated(n_events, run)
    labels = np.concatenate([hard_labels(events, detector, (SKIM,)) for detector in TRUTHS], axis=1)
    thinned = np.arange(n_events) % _THINNING == 0
    chosen = labels.any(axis=1) | thinned
    multiplicity = np.where(labels.any(axis=1), 1.0, float(_THINNING))
    return {"label": labels[chosen], "multiplicity": multiplicity[chosen], **asked(events.select(chosen))}


def asked(events: EventBatch) -> dict[str, NDArray[np.float64]]:
    """Network logits (n_events, 1) and passes of the surrogate (n_events, 1)."""
    network = packaged_scorer("GATGAPgen.safetensors")
    passed = count_stages(EmbeddedSurrogate(BELLE2), events, (SKIM,), surrogate_seed(0), (REPLICAS,))
    return {"network": logit(network.scores(events)), "passed": passed[:, 0]}


def kept(path: Path, **columns: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Write the columns and give them back."""
    np.savez(path, **columns)
    return columns


def load(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a file."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def samples(label: NDArray[np.float64], size: int) -> list[NDArray[np.int64]]:
    """Consecutive events with ``size`` passing ones each."""
    number = np.cumsum(label > 0)
    n_samples = min(_MOST_SAMPLES, int(number[-1]) // size)
    return [np.flatnonzero((number > k * size) & (number <= (k + 1) * size)) for k in range(n_samples)]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/surrogate_labels"))
    parser.add_argument("--events", type=int, default=240_000, help="generated events to label")
    parser.add_argument("--test", type=int, default=3000, help="test events")
    parser.add_argument("--truth", type=int, default=80, help="simulations of each of them, even")
    chosen = parser.parse_args(list(arguments))
    chosen.folder.mkdir(parents=True, exist_ok=True)
    chunks = []
    for number, start in enumerate(range(0, chosen.events, _CHUNK)):
        size = min(_CHUNK, chosen.events - start)
        path = chosen.folder / f"fit-{number}-{size}.npz"
        chunks.append(load(path) if path.exists() else kept(path, **asked_chunk(size, 100 + number)))
    fit = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    path = chosen.folder / f"test-{chosen.test}-{chosen.truth}.npz"
    if not path.exists():
        events = generated(chosen.test, 6)
        truth = [truth_counts(events, detector, (SKIM,), chosen.truth).sum(axis=(1, 2)) for detector in TRUTHS]
        kept(path, truth=np.stack(truth, axis=1) / chosen.truth, **asked(events))
    test = load(path)
    print(f"{SKIM}, K = {REPLICAS}: speed-up with the score fitted on so many passing events")
    print(f"{'passing':>10s}" + "".join(f"{detector.name:>18s}" for detector in TRUTHS))
    for n_passing in (0, *SIZES):
        cells = [_cell(fit, test, column, n_passing) for column in range(len(TRUTHS))]
        if any(cells):
            print(f"{n_passing:10d}" + "".join(f"{cell:>18s}" for cell in cells))
    print(f"{'network':>10s}" + "".join(f"{_alone(fit, test, column):>18s}" for column in range(len(TRUTHS))))


def _cell(
    fit: dict[str, NDArray[np.float64]], test: dict[str, NDArray[np.float64]], column: int, n_passing: int
) -> str:
    """Speed-up and its scatter over samples; for 0 passing events the surrogate is believed as it is."""
    label = fit["label"][:, column]
    chosen = samples(label, n_passing) if n_passing else [np.arange(len(label))]
    n_test = np.full(len(test["passed"]), REPLICAS, dtype=np.int32)
    found = []
    for rows in chosen:
        n = np.full(len(rows), REPLICAS, dtype=np.int32)
        combination = fit_combination(
            fit["network"][rows], fit["passed"][rows].astype(np.int32), n, fit["label"][rows][:, column, None],
            fit["multiplicity"][rows],
        )  # fmt: skip
        passed = test["passed"].astype(np.int32)
        u = combination.surrogate_logit(test["network"], passed, n_test)
        logits = combination.correct(u, test["network"]) if n_passing else u
        found.append(speed_up_of(expit(logits)[:, 0], test["truth"][:, column], 0.0).value)
    if not found:
        return ""
    scatter = f" ± {np.std(found, ddof=1):.3f}" if len(found) > 1 else ""
    return f"{np.mean(found):.3f}{scatter}"


def _alone(fit: dict[str, NDArray[np.float64]], test: dict[str, NDArray[np.float64]], column: int) -> str:
    """The network alone, recalibrated on all labels."""
    label, weight = fit["label"][:, column, None], fit["multiplicity"]
    affine = fit_calibration(fit["network"], label, weight, np.average(label, axis=0, weights=weight))
    return f"{speed_up_of(affine.apply(test['network'])[:, 0], test['truth'][:, column], 0.0).value:.3f}"


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
