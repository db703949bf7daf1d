"""Alarms: what cannot be chance in a campaign where all is right, in a sentence each.

Five things are watched, each with a fifth of the false-alarm rate; half of that goes to single chunks, shared by all
that there will be, half to the whole campaign so far, however often it is looked at (`smartbkg.campaign.watch.bounds`):

* ``weights``: Σ of kept weights against Σ over all generated events, and the number kept against Σq.
* ``closure``: the same in each bin of each variable: kept and weighted events against all of them.
* ``pass rates``: predicted against observed pass rates of simulated events, beyond a tolerance: calibration drift.
* ``unknown codes``: particles that the model's table does not know, beyond a tolerance.
* ``scores``: the distribution of scores of a chunk against that of the others of its process, beyond a tolerance; and
  of the campaign against the one stored with the model, where there is one.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.chunk.observation import VARIABLES, ClosureSums, ScoreSums
from smartbkg.campaign.config import AlarmsSection
from smartbkg.campaign.watch.bounds import distance_limit, largest_distance, running_tail, tail
from smartbkg.scores.histogram import N_SCORE_BINS

KINDS: Final = ("weights", "closure", "pass rates", "unknown codes", "scores")
#: Parts of a rate: half for single chunks, half for the whole.
_HALF: Final = 0.5
_LEAST_FOR_SCORES: Final = 200


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


class AlarmWatch:
    """Sees the records of a campaign and says what is wrong.

    Parameters
    ----------
    settings : rates and tolerances.
    n_chunks : of the whole campaign, among which the rate of single chunks is shared.
    stored : skim → (n_bins,) the histogram of scores stored with the model, in √score; empty where there is none.
    """

    def __init__(
        self, settings: AlarmsSection, n_chunks: int, stored: dict[str, NDArray[np.float64]] | None = None
    ) -> None:
        self._settings = settings
        self._stored = stored or {}
        rate = settings.false_alarm_rate / len(KINDS)
        self._chunk_rate, self._whole_rate = _HALF * rate / max(n_chunks, 1), _HALF * rate
        self._found: list[Alarm] = []
        self._closure = ClosureSums.zeros()
        self._scores: dict[str, ScoreSums] = {}
        self._draw = np.zeros(5)
        """D, V, kept − Σq, its variance, chunks."""
        self._largest = 0.0
        self._n_particles = self._n_unknown = 0
        self._by_process: dict[tuple[str, str], list[tuple[int, NDArray[np.float64]]]] = {}
        self._process_sums: dict[tuple[str, str], NDArray[np.float64]] = {}

    def add(self, content: dict[str, Any]) -> None:
        """See the record of a chunk."""
        index, draw, totals = content["chunk"], content["draw"], content["totals"]
        largest = draw["largest"]
        difference = totals["sum_kept_weight"] - totals["sum_weight"]
        surplus = totals["n_kept"] - draw["sum_keep_probability"]
        closure = ClosureSums.decoded(content["closure"])
        self._draw += (difference, draw["variance"], surplus, draw["count_variance"], 1)
        self._largest = max(self._largest, largest)
        for mine, its in zip(self._closure, closure, strict=True):
            mine += its
        self._n_particles += content["particles"]
        self._n_unknown += content["unknown_codes"]
        self._check_chunk_draw(index, difference, surplus, draw, totals)
        self._check_chunk_closure(index, closure, largest)
        for skim, text in content["scores"].items():
            self._add_scores(index, content["process"], skim, ScoreSums.decoded(text))

    def _check_chunk_draw(
        self, index: int, difference: float, surplus: float, draw: dict[str, float], totals: dict[str, Any]
    ) -> None:
        p = 2 * min(
            float(tail(difference, draw["variance"], draw["largest"])),
            float(tail(surplus, draw["count_variance"], 1.0)),
        )
        if p < self._chunk_rate:
            self._found.append(Alarm("weights", index, min(p, 1.0), _weights_sentence(totals["sum_kept_weight"],
                totals["sum_weight"], totals["n_kept"], draw["sum_keep_probability"])))  # fmt: skip

    def _check_chunk_closure(self, index: int, closure: ClosureSums, largest: float) -> None:
        p = tail(closure.difference, closure.variance, largest) * closure.difference.size
        if p.min() < self._chunk_rate:
            self._found.append(Alarm("closure", index, float(p.min()), _closure_sentence(closure, p)))

    def _add_scores(self, index: int, process: str, skim: str, sums: ScoreSums) -> None:
        whole = self._scores.setdefault(skim, ScoreSums.zeros())
        for mine, its in zip(whole, sums, strict=True):
            mine += its
        key = (process, skim)
        self._by_process.setdefault(key, []).append((index, sums.n_events.astype(np.float32)))
        self._process_sums.setdefault(key, np.zeros(N_SCORE_BINS))[:] += sums.n_events

    @property
    def scores(self) -> dict[str, NDArray[np.float64]]:
        """Skim → (n_bins,) all events so far by √score."""
        return {skim: sums.n_events for skim, sums in self._scores.items()}

    @property
    def stored(self) -> dict[str, NDArray[np.float64]]:
        """The same as stored with the model."""
        return self._stored

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
        for (process, skim), chunks in self._by_process.items():
            whole = self._process_sums[process, skim]
            rate = self._chunk_rate / n_tests / 2
            for index, histogram in chunks:
                n_events, others = float(histogram.sum()), whole - histogram
                if min(n_events, others.sum()) < _LEAST_FOR_SCORES:
                    continue
                limit = self._settings.score_tolerance + float(distance_limit(n_events, rate)) + float(
                    distance_limit(others.sum(), rate)
                )  # fmt: skip
                distance = largest_distance(histogram.astype(np.float64), others)
                if distance > limit:
                    sentence = f"its scores for {skim} are distributed unlike those of the other '{process}' chunks "
                    sentence += (
                        f"(distance {distance:.3f}, expected below {limit:.3f}): were its events made otherwise?"
                    )
                    found.append(Alarm("scores", index, self._chunk_rate, sentence))
        return found + self._against_stored()

    def _against_stored(self) -> list[Alarm]:
        found = []
        for skim, stored in self._stored.items():
            sums = self._scores.get(skim)
            if sums is None or min(stored.sum(), sums.n_events.sum()) < _LEAST_FOR_SCORES:
                continue
            n_events = float(sums.n_events.sum())
            doubling = math.ceil(math.log2(n_events))
            rate = self._whole_rate / len(self._stored) / 2 / ((doubling + 1) * (doubling + 2))
            limit = self._settings.score_tolerance + float(distance_limit(n_events / 2, rate))
            limit += float(distance_limit(stored.sum(), rate))
            distance = largest_distance(sums.n_events, stored)
            if distance > limit:
                sentence = f"scores for {skim} are distributed unlike those stored with the model (distance "
                sentence += (
                    f"{distance:.3f}, expected below {limit:.3f}): these are not the events that it was trained for"
                )
                found.append(Alarm("scores", None, self._whole_rate, sentence))
        return found


def _weights_sentence(kept: float, generated: float, n_kept: int, expected: float) -> str:
    return (
        f"Σ of kept weights is {kept:.6g}, of all events {generated:.6g}; {n_kept} were kept where Σq is "
        f"{expected:.6g}: the draw or the weights are wrong"
    )


def _closure_sentence(closure: ClosureSums, probability: NDArray[np.float64]) -> str:
    row, column = (int(i) for i in np.unravel_index(int(np.argmin(probability)), probability.shape))
    weight, difference = closure.weight[row, column], closure.difference[row, column]
    return (
        f"in bin {column} of '{list(VARIABLES)[row]}' the kept and weighted events sum to {weight + difference:.6g}, "
        f"all events to {weight:.6g}: the weights do not make up for what was not kept"
    )


def stored_histograms(metrics: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Histograms of scores that a model's metrics hold: ``score_histogram`` → skim → (n_bins,) counts in √score."""
    found = metrics.get("score_histogram", {})
    return {
        str(skim): np.asarray(counts, dtype=np.float64) for skim, counts in found.items() if len(counts) == N_SCORE_BINS
    }
