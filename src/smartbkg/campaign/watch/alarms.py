"""Alarms: what cannot be chance in a campaign where all is right, in a sentence each.

Five things are watched, each with a fifth of the false-alarm rate; half of that goes to single chunks, shared by all
that there will be, half to the whole campaign so far, however often it is looked at (`smartbkg.campaign.watch.bounds`):

* ``weights``: Σ of kept weights against Σ over all generated events, and the number kept against Σq.
* ``closure``: the same in each bin of each variable: kept and weighted events against all of them.
* ``pass rates``: predicted against observed pass rates of simulated events, beyond a tolerance: calibration drift.
* ``unknown codes``: particles that the model's table does not know, beyond a tolerance.
* ``scores``: the distribution of scores of a chunk against that of the others of its process, beyond a tolerance; and
  of each process against the one stored with the model, where there is one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.chunk.observation import VARIABLES, ClosureSums, ScoreSums
from smartbkg.campaign.config import AlarmsSection
from smartbkg.campaign.record_table import RecordTable
from smartbkg.campaign.watch.bounds import distance_limit, largest_distance, running_tail, tail
from smartbkg.scores.histogram import BY_PROCESS, N_SCORE_BINS, TOGETHER

KINDS: Final = ("weights", "closure", "pass rates", "unknown codes", "scores")
#: Parts of a rate: half for single chunks, half for the whole.
_HALF: Final = 0.5
_LEAST_FOR_SCORES: Final = 200
#: Chunks that are compared at once.
_BLOCK: Final = 2000


class Alarm(NamedTuple):
    """Something that is wrong."""

    kind: str
    """One of `KINDS`."""
    chunk: int | None
    """The chunk, None where it is the campaign as a whole."""
    probability: float
    """Bound on the chance of this where all is right."""
    sentence: str

    def __str__(self) -> str:
        where = "" if self.chunk is None else f"chunk {self.chunk}: "
        return f"{self.kind}: {where}{self.sentence} (chance at most {self.probability:.1g})"


class StoredScores(NamedTuple):
    """Histograms of scores that came with a model, (n_bins,) counts in √score."""

    together: Mapping[str, NDArray[np.float64]]
    """Skim → of all events that it was trained for."""
    by_process: Mapping[str, Mapping[str, NDArray[np.float64]]]
    """Process → skim → of that process alone."""

    def of(self, process: str, skim: str) -> NDArray[np.float64] | None:
        """What a process is compared with: its own histogram, else that of all, None where neither is there."""
        return self.by_process.get(process, self.together).get(skim)


class _ChunkHistograms:
    """Histograms of scores of the chunks of a process."""

    def __init__(self) -> None:
        self._chunks: list[NDArray[np.int64]] = []
        self._histograms: list[NDArray[np.float32]] = []
        self.whole = np.zeros(N_SCORE_BINS)

    def add(self, chunks: NDArray[np.int64], histograms: NDArray[np.float32]) -> None:
        """See chunks: their numbers (n,) and histograms (n, n_bins)."""
        self._chunks.append(chunks)
        self._histograms.append(histograms)
        self.whole += histograms.sum(axis=0, dtype=np.float64)

    def unlike_others(self, tolerance: float, rate: float) -> Iterator[tuple[int, float, float]]:
        """Chunks whose scores are distributed unlike those of the others: number, distance, and its limit."""
        chunks, histograms = np.concatenate(self._chunks), np.concatenate(self._histograms)
        self._chunks, self._histograms = [chunks], [histograms]
        for start in range(0, len(chunks), _BLOCK):
            here = histograms[start : start + _BLOCK].astype(np.float64)
            others = self.whole - here
            n_here, n_others = here.sum(axis=1), others.sum(axis=1)
            limit = tolerance + distance_limit(n_here, rate) + distance_limit(n_others, rate)
            distance = largest_distance(here, others)
            is_seen = (np.minimum(n_here, n_others) >= _LEAST_FOR_SCORES) & (distance > limit)
            for row in np.flatnonzero(is_seen).tolist():
                yield int(chunks[start + row]), float(distance[row]), float(limit[row])


class AlarmWatch:
    """Sees the records of a campaign and says what is wrong.

    Parameters
    ----------
    settings : rates and tolerances.
    n_chunks : of the whole campaign, among which the rate of single chunks is shared.
    stored : histograms of scores that came with the model.
    n_processes : of the whole campaign.
    """

    def __init__(
        self, settings: AlarmsSection, n_chunks: int, stored: StoredScores | None = None, n_processes: int = 1
    ) -> None:
        self._settings = settings
        self._stored, self._n_processes = stored or StoredScores({}, {}), n_processes
        rate = settings.false_alarm_rate / len(KINDS)
        self._chunk_rate, self._whole_rate = _HALF * rate / max(n_chunks, 1), _HALF * rate
        self._found: list[Alarm] = []
        self._closure = ClosureSums.zeros()
        self._scores: dict[str, ScoreSums] = {}
        self._draw = np.zeros(5)
        """D, V, kept − Σq, its variance, chunks."""
        self._largest = 0.0
        self._n_particles = self._n_unknown = 0
        self._by_process: dict[tuple[str, str], _ChunkHistograms] = {}

    def add(self, table: RecordTable) -> None:
        """See records of chunks that it has not seen."""
        if not len(table):
            return
        closure = ClosureSums(*np.moveaxis(table.closure.astype(np.float64), 1, 0))
        difference = table.sum_kept_weight - table.sum_weight
        surplus = table.n_kept - table.sum_keep_probability
        columns = (difference, table.variance, surplus, table.count_variance)
        self._draw += (*(column.sum() for column in columns), len(table))
        self._largest = max(self._largest, float(table.largest.max()))
        for mine, its in zip(self._closure, closure, strict=True):
            mine += its.sum(axis=0)
        self._n_particles += int(table.n_particles.sum())
        self._n_unknown += int(table.n_unknown.sum())
        self._check_draws(table, difference, surplus)
        self._check_closures(table, closure)
        self._add_scores(table)

    def _check_draws(self, table: RecordTable, difference: NDArray[np.float64], surplus: NDArray[np.float64]) -> None:
        of_weights = tail(difference, table.variance, table.largest)
        p = np.minimum(2 * np.minimum(of_weights, tail(surplus, table.count_variance, 1.0)), 1.0)
        for row in np.flatnonzero(p < self._chunk_rate).tolist():
            sentence = (
                f"Σ of kept weights is {table.sum_kept_weight[row]:.6g}, of all events {table.sum_weight[row]:.6g}; "
                f"{table.n_kept[row]} were kept where Σq is {table.sum_keep_probability[row]:.6g}: the draw or the "
                "weights are wrong"
            )
            self._found.append(Alarm("weights", int(table.chunk[row]), float(p[row]), sentence))

    def _check_closures(self, table: RecordTable, closure: ClosureSums) -> None:
        n_bins = closure.weight[0].size
        p = tail(closure.difference, closure.variance, table.largest[:, None, None]) * n_bins
        for row in np.flatnonzero(p.min(axis=(1, 2)) < self._chunk_rate).tolist():
            own = ClosureSums(*(sums[row] for sums in closure))
            sentence = _closure_sentence(own, p[row])
            self._found.append(Alarm("closure", int(table.chunk[row]), float(p[row].min()), sentence))

    def _add_scores(self, table: RecordTable) -> None:
        for column, skim in enumerate(table.skims):
            whole = self._scores.setdefault(skim, ScoreSums.zeros())
            for mine, its in zip(whole, table.scores[:, column].sum(axis=0, dtype=np.float64), strict=True):
                mine += its
            for process in np.unique(table.process).tolist():
                chosen = table.process == process
                histograms = table.scores[chosen, column, 0]
                sums = self._by_process.setdefault((process, skim), _ChunkHistograms())
                sums.add(table.chunk[chosen], histograms)

    @property
    def scores(self) -> dict[str, NDArray[np.float64]]:
        """Skim → (n_bins,) all events so far by √score."""
        return {skim: sums.n_events for skim, sums in self._scores.items()}

    @property
    def stored(self) -> dict[str, NDArray[np.float64]]:
        """The same as stored with the model, mixed as the processes of this campaign are."""
        mixed: dict[str, NDArray[np.float64]] = {}
        for (process, skim), chunks in self._by_process.items():
            stored = self._stored.of(process, skim)
            if stored is not None and stored.sum():
                mixed.setdefault(skim, np.zeros(N_SCORE_BINS))[:] += stored / stored.sum() * chunks.whole.sum()
        return mixed

    def alarms(self) -> list[Alarm]:
        """What is wrong, the most improbable first."""
        found = [*self._found, *self._whole_draw(), *self._pass_rates(), *self._unknown_codes(), *self._score_shapes()]
        return sorted(found, key=lambda alarm: alarm.probability)

    def _whole_draw(self) -> list[Alarm]:
        found = []
        difference, variance, surplus, count_variance, n_chunks = self._draw
        if not n_chunks:
            return []
        p = 2 * min(
            float(running_tail(difference, variance, self._largest)), float(running_tail(surplus, count_variance, 1.0))
        )
        total = float(self._closure.weight[0].sum())
        if p < self._whole_rate:
            sentence = (
                f"Σ of kept weights differs by {difference:+.4g} from the {total:.6g} of all events, the number "
                f"kept by {surplus:+.4g} from Σq: the draw or the weights are wrong"
            )
            found.append(Alarm("weights", None, min(p, 1.0), sentence))
        bins = running_tail(self._closure.difference, self._closure.variance, self._largest) * self._closure.weight.size
        if bins.min() < self._whole_rate:
            found.append(Alarm("closure", None, float(bins.min()), _closure_sentence(self._closure, bins)))
        return found

    def _pass_rates(self) -> list[Alarm]:
        """Predicted against observed, in all and in groups of five bins of the score."""
        found = []
        tolerance = self._settings.pass_rate_tolerance
        for skim, sums in self._scores.items():
            edges = [*range(0, N_SCORE_BINS, 5), N_SCORE_BINS]
            groups = [slice(None), *(slice(a, b) for a, b in itertools.pairwise(edges))]
            expected = np.array([sums.score[group].sum() for group in groups])
            observed = np.array([sums.passed[group].sum() for group in groups])
            variance = np.array([sums.variance[group].sum() for group in groups]) * (1 + tolerance)
            beyond = np.maximum(np.abs(observed - expected) - tolerance * expected, 0.0)
            p = running_tail(beyond, variance, 1.0) * len(groups) * len(self._scores)
            worst = int(np.argmin(p))
            if p[worst] < self._whole_rate:
                bins = f" with √score in bins {edges[worst - 1]} to {edges[worst]} of {N_SCORE_BINS}"
                where = bins if worst else ""
                sentence = (
                    f"of the simulated events{where} {observed[worst]:.0f} pass {skim} where the scores say "
                    f"{expected[worst]:.4g}: the calibration of the model does not hold here"
                )
                found.append(Alarm("pass rates", None, float(p[worst]), sentence))
        return found

    def _unknown_codes(self) -> list[Alarm]:
        allowed = self._settings.unknown_codes * self._n_particles
        beyond = max(self._n_unknown - allowed, 0.0)
        p = float(running_tail(beyond, max(allowed, 1.0), 1.0)) if allowed else float(self._n_unknown == 0)
        if p >= self._whole_rate:
            return []
        sentence = (
            f"{self._n_unknown} of {self._n_particles} particles have a PDG code that the model does not know, "
            f"{self._settings.unknown_codes:.1g} of them are allowed: another generator than that of the training?"
        )
        return [Alarm("unknown codes", None, p, sentence)]

    def _score_shapes(self) -> list[Alarm]:
        found = []
        n_tests = max(len(self._by_process), 1)
        rate = self._chunk_rate / n_tests / 2
        for (process, skim), chunks in self._by_process.items():
            for index, distance, limit in chunks.unlike_others(self._settings.score_tolerance, rate):
                sentence = f"its scores for {skim} are distributed unlike those of the other '{process}' chunks "
                sentence += f"(distance {distance:.3f}, expected below {limit:.3f}): were its events made otherwise?"
                found.append(Alarm("scores", index, self._chunk_rate, sentence))
        return found + self._against_stored()

    def _against_stored(self) -> list[Alarm]:
        found = []
        n_tests = self._n_processes * max(len(self._scores), 1)
        for (process, skim), chunks in self._by_process.items():
            stored, n_events = self._stored.of(process, skim), float(chunks.whole.sum())
            if stored is None or min(stored.sum(), n_events) < _LEAST_FOR_SCORES:
                continue
            doubling = math.ceil(math.log2(n_events))
            rate = self._whole_rate / n_tests / 2 / ((doubling + 1) * (doubling + 2))
            limit = self._settings.score_tolerance + float(distance_limit(n_events / 2, rate))
            limit += float(distance_limit(stored.sum(), rate))
            distance = float(largest_distance(chunks.whole, stored))
            if distance > limit:
                sentence = f"scores of '{process}' for {skim} are distributed unlike those stored with the model "
                sentence += (
                    f"(distance {distance:.3f}, expected below {limit:.3f}): these are not the events that it was "
                    "trained for"
                )
                found.append(Alarm("scores", None, self._whole_rate, sentence))
        return found


def _closure_sentence(closure: ClosureSums, probability: NDArray[np.float64]) -> str:
    row, column = (int(i) for i in np.unravel_index(int(np.argmin(probability)), probability.shape))
    weight, difference = closure.weight[row, column], closure.difference[row, column]
    return (
        f"in bin {column} of '{list(VARIABLES)[row]}' the kept and weighted events sum to {weight + difference:.6g}, "
        f"all events to {weight:.6g}: the weights do not make up for what was not kept"
    )


def stored_scores(metrics: Mapping[str, Any]) -> StoredScores:
    """The histograms that a model's metrics hold."""
    return StoredScores(
        _histograms(metrics.get(TOGETHER, {})),
        {str(process): _histograms(found) for process, found in metrics.get(BY_PROCESS, {}).items()},
    )


def _histograms(found: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    return {
        str(skim): np.asarray(counts, dtype=np.float64) for skim, counts in found.items() if len(counts) == N_SCORE_BINS
    }
