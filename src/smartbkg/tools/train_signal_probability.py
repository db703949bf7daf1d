"""Train the signal probability of every kind on embedded events, from the bottom of the hierarchy to the top.

    python -m smartbkg.tools.train_signal_probability OUTPUT.json EVENTS.parquet [EVENTS.parquet ...]

The networks in the package were made by this command; their file says from how many events. Each stage runs the
reconstruction with the networks of the stages below, writes its candidates down with whether they are right, and
fits one network a kind. Training needs the extra ``train`` of this package.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.reconstruction.channels import KIND_INDEX, KINDS
from smartbkg.experiment.reconstruction.reconstruct import beam_energy, boost_matrix, find_candidates
from smartbkg.experiment.reconstruction.scoring import new_recording
from smartbkg.experiment.reconstruction.signal_probability import (
    N_FEATURES,
    N_HIDDEN,
    Classifier,
    classifier_to_json,
    n_rows_of_kind,
    untrained,
)
from smartbkg.experiment.reconstruction.tagging import clean_events
from smartbkg.experiment.reconstruction.truth_matching import truth_of
from smartbkg.io import open_events
from smartbkg.storage.atomic import write_text_atomically

_LOGGER: Final = logging.getLogger(__name__)

#: First kinds of the stages: each needs the probabilities of the stages before it. Kinds from `_STOP` on have none.
STAGES: Final = ("e+", "pi0", "eta", "D*+", "B0")
_STOP: Final = KIND_INDEX["B:ccs"]
#: Wrong candidates of each kind to learn from; they are drawn from all and weighed accordingly.
WRONG_WANTED: Final = 200_000
#: A kind with fewer right candidates keeps the probability 1/2.
MINIMUM_RIGHT: Final = 20
_BATCH: Final = 2_000
_CAPACITY: Final = 2_000_000


class Examples(NamedTuple):
    """Candidates to learn from."""

    candidate: NDArray[np.void]
    """(n,) of `smartbkg.experiment.reconstruction.scoring.EXAMPLE`"""
    weight: NDArray[np.float64]
    """(n,) how many candidates each stands for"""

    def of_kind(self, kind: int) -> Examples:
        """Those of one kind."""
        chosen = self.candidate["kind"] == kind
        return Examples(self.candidate[chosen], self.weight[chosen])


def record_candidates(
    batches: Iterator[EventBatch], n_events: int, classifier: Classifier, kinds: range, seed: int
) -> Examples:
    """The candidates of some kinds in some events: all right ones, and of each kind about `WRONG_WANTED` wrong ones.

    Parameters
    ----------
    n_events : number of events in ``batches``, for the share of wrong candidates to keep.
    """
    kept = []
    for number, batch in enumerate(batches):
        response = simulate_detector(batch, seed)
        recording = new_recording(kinds.start, kinds.stop, _CAPACITY)
        is_clean = clean_events(response, boost_matrix(), beam_energy()).passes_event_cuts
        find_candidates(
            response, is_clean, classifier=classifier, truth=truth_of(batch, boost_matrix()), recording=recording
        )
        examples = recording.example[: min(int(recording.state[2]), _CAPACITY)]
        kept.append(thin(examples, WRONG_WANTED * len(batch) / n_events, np.random.default_rng([seed, number])))
    return Examples(np.concatenate([part.candidate for part in kept]), np.concatenate([part.weight for part in kept]))


def thin(examples: NDArray[np.void], n_wanted: float, random: np.random.Generator) -> Examples:
    """All right candidates and of each kind about ``n_wanted`` wrong ones, with weights that restore their number."""
    is_right, kind = examples["is_right"], examples["kind"]
    n_wrong = np.bincount(kind[~is_right], minlength=len(KINDS))
    share = np.minimum(1.0, n_wanted / np.maximum(n_wrong, 1))[kind]
    chosen = is_right | (random.random(len(examples)) < share)
    return Examples(examples[chosen], np.where(is_right, 1.0, 1.0 / share)[chosen])


def fit_network(
    examples: NDArray[np.void], weight: NDArray[np.float64], n_channels: int, seed: int, n_epochs: int = 12
) -> tuple[NDArray[np.float64], ...]:
    """Fit one kind's network by weighted cross-entropy.

    Returns
    -------
    weight, bias, output, offset : for this kind, in the shapes of
        `smartbkg.experiment.reconstruction.signal_probability.Classifier`.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    mean = examples["feature"].mean(axis=0, dtype=np.float64)
    scale = 1.0 / np.maximum(examples["feature"].std(axis=0, dtype=np.float64), 1e-3)
    x = torch.tensor((examples["feature"] - mean) * scale, dtype=torch.float32)
    y = torch.tensor(examples["is_right"], dtype=torch.float32)
    w = torch.tensor(weight, dtype=torch.float32)
    channel = torch.tensor(examples["channel"])
    prior = float(np.average(examples["is_right"], weights=weight)) if len(examples) else 0.5
    start = float(np.log((prior + 1e-6) / (1 - prior + 1e-6)))
    matrix = (torch.randn((N_FEATURES, N_HIDDEN), generator=generator) * 0.3).requires_grad_()
    bias = (torch.randn((n_channels, N_HIDDEN), generator=generator) * 0.1).requires_grad_()
    output = (torch.randn(N_HIDDEN, generator=generator) * 0.3).requires_grad_()
    offset = torch.full((n_channels,), start).requires_grad_()
    parameters = [matrix, bias, output, offset]
    optimiser = torch.optim.Adam(parameters, lr=0.01)
    size = max(512, min(8192, len(x) // 50 + 1))
    n_steps = n_epochs * (len(x) // size + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=n_steps + 1)
    for _ in range(n_epochs):
        for part in torch.randperm(len(x), generator=generator).split(size):  # type: ignore[no-untyped-call]
            hidden = torch.relu(x[part] @ matrix + bias[channel[part]])
            logit = hidden @ output + offset[channel[part]]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, y[part], weight=w[part])
            # weight decay on channel terms keeps rare channels near the common answer
            loss = loss + 1e-4 * ((bias**2).mean() + ((offset - start) ** 2).mean())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    fitted = [parameter.detach().numpy().astype(np.float64) for parameter in parameters]
    folded = fitted[0] * scale[:, None]
    return folded, fitted[1] - mean @ folded, fitted[2], fitted[3]


def train(
    sources: Sequence[Path], *, n_below: int = 20_000, n_top: int | None = None, seed: int = 1
) -> tuple[Classifier, dict[str, Any]]:
    """Train all kinds.

    Parameters
    ----------
    sources : files of generated events; `mixed` and `charged` in equal numbers.
    n_below, n_top : events used for the stages below the B mesons, whose candidates are many, and for B mesons.

    Returns
    -------
    The classifier, and what it was trained on: events, and right and wrong candidates per kind.
    """
    classifier, report = untrained(), {}
    n_events = sum(open_events(source).n_events or 0 for source in sources)
    bounds = [KIND_INDEX[name] for name in STAGES] + [_STOP]
    for first, stop in itertools.pairwise(bounds):
        most = n_top if KINDS[first].name == STAGES[-1] else n_below
        events = read_events(sources, most)
        n_used = n_events if most is None else min(most, n_events)
        examples = record_candidates(events, n_used, classifier, range(first, stop), seed)
        for kind in range(first, stop):
            name, (own, weight) = KINDS[kind].name, examples.of_kind(kind)
            n_right = int(own["is_right"].sum())
            report[name] = {"right": n_right, "wrong": round(float(weight[~own["is_right"]].sum()))}
            _LOGGER.info("%s: %s", name, report[name])
            if n_right < MINIMUM_RIGHT:
                _LOGGER.warning("%s: fewer than %d right candidates, left at 1/2", name, MINIMUM_RIGHT)
                continue
            _put(classifier, kind, fit_network(own, weight, n_rows_of_kind(name), seed))
    return classifier, {"events": n_events, "seed": seed, "candidates": report}


def _put(classifier: Classifier, kind: int, fitted: tuple[NDArray[np.float64], ...]) -> None:
    rows = slice(int(classifier.first_row[kind]), int(classifier.first_row[kind + 1]))
    classifier.weight[kind], classifier.bias[rows], classifier.output[kind], classifier.offset[rows] = fitted


def read_events(sources: Sequence[Path], most: int | None) -> Iterator[EventBatch]:
    """Batches of events of several files, at most ``most`` in all, the same number from each."""
    for source in sources:
        left = None if most is None else most // len(sources)
        with open_events(source) as reader:
            for batch in reader.batches(_BATCH):
                if left is not None and left <= 0:
                    break
                yield batch
                left = None if left is None else left - len(batch)


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("events", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--below", "n_below", default=20_000, show_default=True, help="Events for the stages below B mesons.")
@click.option("--top", "n_top", type=int, help="Events for the B mesons, all by default.")
@click.option("--seed", default=1, show_default=True, help="Of the simulation and of the fits.")
def command(output: Path, events: tuple[Path, ...], n_below: int, n_top: int | None, seed: int) -> None:
    """Train on EVENTS (mixed and charged, in equal numbers) and write a classifier file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    classifier, report = train(events, n_below=n_below, n_top=n_top, seed=seed)
    write_text_atomically(output, classifier_to_json(classifier, report))


if __name__ == "__main__":
    command()
