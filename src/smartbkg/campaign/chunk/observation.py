"""What a chunk keeps of its events for the alarms: a few hundred sums. All events are seen, kept or not.

Production knows the keep probability of *every* generated event, so that kept and weighted events can be compared with
all of them without one unfiltered simulation. For any set of events, D = Σ_kept w/q − Σ w has the expectation 0 and the
variance V = Σ w²·(1 − q)/q: both are summed for each bin of each variable. Variables are counts and ratios, so that
their bins suit every experiment.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import WEIGHT, ParticleStatus
from smartbkg.filtering.event_filter import Decision
from smartbkg.scores.histogram import N_SCORE_BINS, score_bin

N_BINS: Final = 16
_COUNT_EDGES: Final = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256])
_FRACTION_EDGES: Final = np.linspace(0, 1, N_BINS + 1)[1:-1]
#: Variable → inner edges of its bins.
VARIABLES: Final[Mapping[str, NDArray[np.float64]]] = {
    "particles": _COUNT_EDGES,
    "charged particles": _COUNT_EDGES,
    "photons": _COUNT_EDGES,
    "kaons": _COUNT_EDGES,
    "leptons": _COUNT_EDGES,
    "charged share of the energy": _FRACTION_EDGES,
    "photons' share of the energy": _FRACTION_EDGES,
    "transverse share of the momentum": _FRACTION_EDGES,
}
_KAONS: Final = (130, 310, 321)
_LEPTONS: Final = (11, 13)
_PHOTON: Final = 22


def variables_of(batch: EventBatch) -> dict[str, NDArray[np.float64]]:
    """Each variable of each event, (n_events,), in the order of `VARIABLES`."""
    code, status, charge = np.abs(batch.particle["PDG"]), batch.particle["status"], batch.particle["charge"]
    stable = (status & ParticleStatus.STABLE_IN_GENERATOR) != 0
    charged, photon = stable & (charge != 0), stable & (code == _PHOTON)
    energy, px, py, pz = (batch.particle[name].astype(np.float64) for name in ("energy", "px", "py", "pz"))
    squared = px * px + py * py
    transverse, momentum = np.sqrt(squared), np.sqrt(squared + pz * pz)
    starts, is_empty = batch.offsets[:-1], batch.counts == 0

    def total(chosen: NDArray[np.bool_], values: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        summands = np.zeros(len(chosen) + 1)  # the last is there for events without particles at the end
        summands[:-1] = chosen if values is None else np.where(chosen, values, 0.0)
        return np.where(is_empty, 0.0, np.add.reduceat(summands, starts))

    def one_of(codes: tuple[int, ...]) -> NDArray[np.bool_]:
        return np.asarray(np.logical_or.reduce([code == one for one in codes]))

    def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.divide(part, whole, out=np.zeros(len(batch)), where=whole > 0)

    all_energy = total(stable, energy)
    values = (
        batch.counts.astype(np.float64),
        total(charged),
        total(photon),
        total(stable & one_of(_KAONS)),
        total(stable & one_of(_LEPTONS)),
        share(total(charged, energy), all_energy),
        share(total(photon, energy), all_energy),
        share(total(stable, transverse), total(stable, momentum)),
    )
    return dict(zip(VARIABLES, values, strict=True))


class ClosureSums(NamedTuple):
    """Sums of a bin of a variable, (n_variables, n_bins) each."""

    weight: NDArray[np.float64]
    """Σw of all events."""
    difference: NDArray[np.float64]
    """D = Σ of kept weights − Σw."""
    variance: NDArray[np.float64]
    """V, the variance of D where the weights are right."""

    @classmethod
    def zeros(cls) -> ClosureSums:
        """Of no event."""
        return cls(*(np.zeros((len(VARIABLES), N_BINS)) for _ in range(3)))

    def encoded(self) -> str:
        """As text, in single precision."""
        return _encoded(np.stack(self))

    @staticmethod
    def raw(text: str) -> NDArray[np.float32]:
        """(3, n_variables, n_bins) what `encoded` made."""
        return _decoded(text, (3, len(VARIABLES), N_BINS))


class ScoreSums(NamedTuple):
    """Sums of a bin in √score of one skim, (n_bins,) each."""

    n_events: NDArray[np.float64]
    """All events."""
    n_simulated: NDArray[np.float64]
    """Kept events of which it is known whether they passed."""
    score: NDArray[np.float64]
    """Σ of their scores: how many should have passed."""
    passed: NDArray[np.float64]
    """How many did."""
    variance: NDArray[np.float64]
    """Σ score·(1 − score) of them."""

    @classmethod
    def zeros(cls) -> ScoreSums:
        """Of no event."""
        return cls(*(np.zeros(N_SCORE_BINS) for _ in range(5)))

    def encoded(self) -> str:
        """As text, in single precision."""
        return _encoded(np.stack(self))

    @staticmethod
    def raw(text: str) -> NDArray[np.float32]:
        """(5, n_bins) what `encoded` made."""
        return _decoded(text, (5, N_SCORE_BINS))


class Observation:
    """Sums over the batches of a chunk.

    Parameters
    ----------
    n_skims : of the filter.
    """

    def __init__(self, n_skims: int) -> None:
        self.closure = ClosureSums.zeros()
        self.scores = [ScoreSums.zeros() for _ in range(n_skims)]
        self.variance = 0.0
        """V of all events together."""
        self.sum_keep_probability = 0.0
        self.count_variance = 0.0
        """Σ q·(1 − q): variance of the number kept."""
        self.largest = 0.0
        """Largest |w|/q of all events: no event moves D by more."""
        self.n_particles = 0

    def add(self, batch: EventBatch, decision: Decision) -> None:
        """See a batch, kept events and others."""
        if not len(batch):
            return
        w, q = batch.event[WEIGHT].astype(np.float64), decision.keep_probability
        variance = w * w * (1 - q) / q
        for row, (values, edges) in enumerate(zip(variables_of(batch).values(), VARIABLES.values(), strict=True)):
            place = np.searchsorted(edges, values, side="right")
            for sums, summand in zip(self.closure, (w, decision.weight - w, variance), strict=True):
                sums[row] += np.bincount(place, summand, minlength=N_BINS)
        for column, of_skim in enumerate(self.scores):
            of_skim.n_events[:] += np.bincount(score_bin(decision.score[:, column]), minlength=N_SCORE_BINS)
        self.variance += float(variance.sum())
        self.sum_keep_probability += float(q.sum())
        self.count_variance += float((q * (1 - q)).sum())
        self.largest = max(self.largest, float(np.abs(w / q).max()))
        self.n_particles += batch.n_particles

    def add_outcome(self, column: int, score: NDArray[np.float64], passed: NDArray[np.bool_]) -> None:
        """See which simulated events passed a skim of the filter, and what their scores had said."""
        place, sums = score_bin(score), self.scores[column]
        for total, values in zip(sums[1:], (np.ones(len(score)), score, passed, score * (1 - score)), strict=True):
            total[:] += np.bincount(place, values, minlength=N_SCORE_BINS)


def _encoded(values: NDArray[np.float64]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _decoded(text: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        return np.frombuffer(base64.b64decode(text), dtype="<f4").reshape(shape)
    except ValueError as error:
        raise FileFormatError(f"sums of {len(text)} characters, expected those of an array {shape}") from error
