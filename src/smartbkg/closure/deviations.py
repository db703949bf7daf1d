"""The difference between a kept and a full sample as a sum over events, its replicas, and its sums in bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.scores.histogram import even_edges

#: A bin of a histogram holds at least this many effective kept events, or is merged with its neighbour.
LEAST_EFFECTIVE_EVENTS: Final = 10
#: Bars are counted for coverage where a bin holds at least this many, for √Σw² is itself an estimate.
LEAST_FOR_COVERAGE: Final = 25
#: Quantiles on which cumulative distributions are compared.
N_QUANTILES: Final = 256

_BLOCK: Final = 4_000_000
_OUTSIDE: Final = -1


@dataclass(frozen=True)
class Deviations:
    """What each event adds to (kept sum − full sum).

    Attributes
    ----------
    observed : (n_events,) its contribution in the sample at hand.
    variance : (n_events,) its contribution to the variance of the difference.
    all_weight, kept_weight : (n_events,) its contribution to either sum; 0 where it belongs to the other sample.
    keep_probability : (n_events,) q where it is known for all events, so that draws can be repeated, else None.
    is_shape_only : whether the samples are compared after being scaled to the same total.
    n_drawn : where the number of kept events is fixed: that number, out of all in random order.
    """

    observed: NDArray[np.float64]
    variance: NDArray[np.float64]
    all_weight: NDArray[np.float64]
    kept_weight: NDArray[np.float64]
    keep_probability: NDArray[np.float64] | None
    is_shape_only: bool
    n_drawn: int | None = None

    @classmethod
    def of_draw(
        cls,
        weight: NDArray[np.float64],
        keep_probability: NDArray[np.float64],
        is_kept: NDArray[np.bool_],
        stated: NDArray[np.float64],
    ) -> Deviations:
        """Of a draw with known probabilities: the stated weights of kept events minus w, of variance w²(1 − q)/q."""
        kept_weight = np.where(is_kept, stated, 0.0)
        variance = weight**2 * (1 - keep_probability) / keep_probability
        return cls(kept_weight - weight, variance, weight, kept_weight, keep_probability, False)

    @classmethod
    def of_part(cls, weight: NDArray[np.float64], is_in: NDArray[np.bool_]) -> Deviations:
        """Of a part of all events that should be a random one, in shape: its number and total say nothing."""
        share = np.full(len(weight), is_in.mean())
        kept_weight = np.where(is_in, weight / share, 0.0)
        variance = weight**2 * (1 - share) / share
        return cls(kept_weight - weight, variance, weight, kept_weight, share, True, int(is_in.sum()))

    @classmethod
    def of_samples(
        cls,
        all_weight: NDArray[np.float64],
        kept_weight: NDArray[np.float64],
        keep_probability: NDArray[np.float64] | None,
    ) -> Deviations:
        """Of a full sample and a kept one, whose events follow one another in this order.

        Parameters
        ----------
        keep_probability : (n_kept,) q of the kept events where they are a part of the full sample; the variance is then
            estimated by Σ w²(1 − q) over them (w the weight after division by q). None: the samples are independent,
            and the kept one is scaled to the total of the other.
        """
        scale = 1.0 if keep_probability is not None else float(all_weight.sum() / kept_weight.sum())
        kept = scale * kept_weight
        none_all, none_kept = np.zeros_like(all_weight), np.zeros_like(kept)
        if keep_probability is None:
            variance = np.concatenate([all_weight**2, kept**2])
        else:
            variance = np.concatenate([none_all, kept**2 * (1 - keep_probability)])
        return cls(
            np.concatenate([-all_weight, kept]),
            variance,
            np.concatenate([all_weight, none_kept]),
            np.concatenate([none_all, kept]),
            None,
            keep_probability is None,
        )

    @property
    def total_pull(self) -> float:
        """(Σ kept − Σ all) / σ; infinite where nothing was left to chance (a threshold) and the sums differ."""
        spread, difference = float(np.sqrt(self.variance.sum())), float(self.observed.sum())
        if spread > 0:
            return difference / spread
        is_equal = abs(difference) <= 1e-9 * float(np.abs(self.all_weight).sum())
        return 0.0 if is_equal else float(np.copysign(np.inf, difference))

    def replicas(self, n_replicas: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Blocks (n_events, n_in_block) of deviations as they would be if the weights are right.

        Where draws cannot be repeated, each event counts Poisson(1) times: the numbers of kept events in a bin are
        nearly Poissonian, and the multipliers share their skewness.
        """
        generator = np.random.default_rng(seed)
        n_at_once = max(1, _BLOCK // len(self.observed))
        for start in range(0, n_replicas, n_at_once):
            shape = (len(self.observed), min(n_at_once, n_replicas - start))
            if self.keep_probability is None:
                yield np.asarray((generator.poisson(1.0, shape) - 1.0) * np.sqrt(self.variance)[:, None])
            else:
                chance = generator.random(shape)
                if self.n_drawn is None:
                    kept = chance < self.keep_probability[:, None]
                else:
                    kept = np.zeros(shape, dtype=bool)
                    drawn = np.argpartition(chance, self.n_drawn - 1, axis=0)[: self.n_drawn]
                    np.put_along_axis(kept, drawn, True, axis=0)
                inverse = (self.all_weight / self.keep_probability)[:, None]
                yield np.where(kept, inverse, 0.0) - self.all_weight[:, None]

    def binned(self, binning: Binning, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_bins, n_replicas) sums of (n_events, n_replicas) deviations; in shape only, with the total taken out."""
        sums = binning.sums(deviation)
        return sums - binning.all_share[:, None] * sums.sum(axis=0) if self.is_shape_only else sums

    def coverage(self, binnings: list[Binning], n_seeds: int, seed: int) -> list[float | None]:
        """For each binning, how often a bar Σw ± √Σw² covers the expectation, over samples of new events.

        A new sample holds each event Poisson(1) times, and each copy is kept with probability q: Poisson(q) kept ones.
        """
        if self.keep_probability is None or n_seeds < 1:
            return [None] * len(binnings)
        generator = np.random.default_rng([seed, 1])
        weight = (self.all_weight / self.keep_probability)[:, None]
        n_at_once = max(1, _BLOCK // len(self.observed))
        n_covered, n_counted = np.zeros(len(binnings)), np.zeros(len(binnings))
        for start in range(0, n_seeds, n_at_once):
            shape = (len(self.observed), min(n_at_once, n_seeds - start))
            copies = generator.poisson(np.broadcast_to(self.keep_probability[:, None], shape)).astype(np.float64)
            for index, binning in enumerate(binnings):
                is_full = binning.effective >= LEAST_FOR_COVERAGE
                value = binning.sums(copies * weight)[is_full]
                bar = np.sqrt(binning.sums(copies * weight**2)[is_full])
                n_covered[index] += (np.abs(value - binning.all_sum[is_full, None]) <= bar).sum()
                n_counted[index] += value.size
        return [float(c / n) if n else None for c, n in zip(n_covered, n_counted, strict=True)]


@dataclass(frozen=True)
class Binning:
    """Bins of one variable, or of a pair.

    Attributes
    ----------
    name : of the variable or pair.
    edges : (n_bins + 1,) for one variable, empty for a pair.
    index : (n_events,) the bin of each event, -1 for none.
    all_sum, all_variance, kept_sum, kept_variance : (n_bins,) Σw and Σw².
    variance : (n_bins,) of the difference.
    smallest_variance : stands in for a variance of 0, where any difference at all is a failure.
    expected_effective : (n_bins,) (Σw)²/Σ(w²/q), where every q is known: bins must not depend on who was kept.
    """

    name: str
    edges: NDArray[np.float64]
    index: NDArray[np.int32]
    all_sum: NDArray[np.float64]
    all_variance: NDArray[np.float64]
    kept_sum: NDArray[np.float64]
    kept_variance: NDArray[np.float64]
    variance: NDArray[np.float64]
    smallest_variance: float
    expected_effective: NDArray[np.float64] | None

    @classmethod
    def of(cls, name: str, edges: NDArray[np.float64], index: NDArray[np.int32], deviations: Deviations) -> Binning:
        """The binning with its sums."""
        n_bins = int(index.max()) + 1
        inside = index != _OUTSIDE

        def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.bincount(index[inside], weights=values[inside], minlength=n_bins), dtype=np.float64)

        all_size, kept_size = summed(np.abs(deviations.all_weight)), summed(np.abs(deviations.kept_weight))
        variance, all_variance = summed(deviations.variance), summed(deviations.all_weight**2)
        if deviations.is_shape_only and deviations.n_drawn is None:
            variance = _pooled_variance(all_variance, all_size, variance - all_variance, kept_size)
        elif deviations.keep_probability is None:
            variance = _variance_per_weight(variance, kept_size) * all_size
        all_sum = summed(deviations.all_weight)
        effective = np.divide(
            all_sum**2, all_variance + variance, out=np.zeros(n_bins), where=np.asarray(all_variance + variance > 0)
        )
        return cls(
            name,
            edges,
            index,
            all_sum,
            all_variance,
            summed(deviations.kept_weight),
            summed(deviations.kept_weight**2),
            variance,
            1e-6 * float(np.mean(deviations.all_weight**2)),
            None if deviations.keep_probability is None else effective,
        )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.all_sum)

    @property
    def all_share(self) -> NDArray[np.float64]:
        """(n_bins,) the full sample's normalised histogram."""
        return np.asarray(self.all_sum / self.all_sum.sum())

    @property
    def effective(self) -> NDArray[np.float64]:
        """(n_bins,) effective kept events; their expectation where every keep probability is known."""
        if self.expected_effective is not None:
            return self.expected_effective
        some = self.kept_variance > 0
        return np.divide(self.kept_sum**2, self.kept_variance, out=np.zeros(self.n_bins), where=some)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_bins, n_replicas) sums over the events of each bin of (n_events, n_replicas) values."""
        sums = np.empty((self.n_bins, values.shape[1]))
        for position, events in enumerate(self._events_by_bin):
            sums[position] = values[events].sum(axis=0)
        return sums

    @cached_property
    def _events_by_bin(self) -> list[NDArray[np.intp]]:
        """The positions of each bin's events, ascending."""
        order = np.argsort(self.index, kind="stable")
        return np.split(order, np.searchsorted(self.index[order], np.arange(self.n_bins)))[1:]

    def chi2(self, difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_replicas,) Σ difference² / variance."""
        variance = np.maximum(self.variance, self.smallest_variance)
        return np.asarray((difference**2 / variance[:, None]).sum(axis=0))

    def largest_distance(self, difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_replicas,) largest |F_kept − F_all| of the normalised cumulative distributions."""
        change = difference.cumsum(axis=0)
        share = np.cumsum(self.all_share)[:, None]
        total = self.all_sum.sum() + change[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.abs(change - share * change[-1]) / np.abs(total)
        return np.asarray(np.nan_to_num(distance, nan=1.0, posinf=1.0).max(axis=0))

    def divergence(self, difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_replicas,) Kullback–Leibler divergence Σ p log(p/r), p of all, r of kept; empty bins are left out."""
        p = np.maximum(self.all_sum, 0.0)[:, None]
        r = np.maximum(self.all_sum[:, None] + difference, 0.0)
        both = (p > 0) & (r > 0)
        p, r = np.where(both, p, 0.0), np.where(both, r, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            p, r = p / p.sum(axis=0), r / r.sum(axis=0)
            return np.asarray(np.where(both, p * np.log(p / r), 0.0).sum(axis=0))


def _variance_per_weight(variance: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_bins,) variance per unit of weight in each bin, steadied by its mean over bins with the weight of one bin.

    Variances estimated from the events of a bin rise and fall with their number, and so with the difference that is to
    be compared. Per weight they do not; multiplied by a weight that is independent of the difference they are fair.
    """
    if not size.sum() > 0:
        return np.zeros_like(variance)
    return np.asarray((variance + variance.mean()) / (size + size.mean()))


def _pooled_variance(
    first_variance: NDArray[np.float64],
    first_size: NDArray[np.float64],
    second_variance: NDArray[np.float64],
    second_size: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n_bins,) variance of the difference of two independent samples that agree.

    The common content of a bin is the mean of both by inverse variance, which is independent of the difference.
    """
    first = _variance_per_weight(first_variance, first_size)
    second = _variance_per_weight(second_variance, second_size)
    both = first + second
    content = np.divide(second * first_size + first * second_size, both, out=np.zeros_like(both), where=both > 0)
    return np.asarray(both * content)


def _quantiles(
    values: NDArray[np.float64], weight: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted quantiles of the finite values."""
    finite = np.isfinite(values) & (weight != 0)
    order = np.argsort(values[finite], kind="stable")
    cumulative = np.cumsum(np.abs(weight[finite])[order])
    position = np.searchsorted(cumulative, shares * cumulative[-1], side="left")
    return np.asarray(values[finite][order][np.minimum(position, len(order) - 1)])


def _index(values: NDArray[np.float64], inner_edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """The bin of each value between the inner edges (bins are open at both ends), -1 for NaN; all bins occupied."""
    finite = np.isfinite(values)
    index = np.full(len(values), _OUTSIDE, dtype=np.int32)
    index[finite] = np.searchsorted(inner_edges, values[finite], side="right")
    return index


def _compact(index: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same bins without the unoccupied ones."""
    inside = index != _OUTSIDE
    result = index.copy()
    result[inside] = np.unique(index[inside], return_inverse=True)[1]
    return result


def _lumped(cells: Binning) -> NDArray[np.int32]:
    """The bin of each event with all sparse cells lumped into one."""
    inside = cells.index != _OUTSIDE
    index = cells.index.copy()
    is_sparse = cells.effective < LEAST_EFFECTIVE_EVENTS
    index[inside] = np.where(is_sparse[cells.index[inside]], cells.n_bins, cells.index[inside])
    return _compact(index)


def fine_binning(name: str, values: NDArray[np.float64], deviations: Deviations) -> Binning:
    """Bins at the quantiles of the full sample, for cumulative distributions."""
    inner = np.unique(_quantiles(values, deviations.all_weight, np.arange(1, N_QUANTILES) / N_QUANTILES))
    return Binning.of(name, np.empty(0), _compact(_index(values, inner)), deviations)


def pair_binning(
    names: tuple[str, str],
    values: tuple[NDArray[np.float64], NDArray[np.float64]],
    deviations: Deviations,
    n_bins: int,
) -> Binning:
    """Cells of a grid of quantiles."""
    shares = np.arange(1, n_bins) / n_bins
    first, second = (_index(v, np.unique(_quantiles(v, deviations.all_weight, shares))) for v in values)
    outside = (first == _OUTSIDE) | (second == _OUTSIDE)
    cell = np.where(outside, _OUTSIDE, first * n_bins + second).astype(np.int32)
    if outside.all():
        cell[:] = 0
    cells = Binning.of(f"{names[0]} × {names[1]}", np.empty(0), _compact(cell), deviations)
    return Binning.of(cells.name, cells.edges, _lumped(cells), deviations)


def histogram_binning(name: str, values: NDArray[np.float64], deviations: Deviations, n_bins: int) -> Binning:
    """Even bins over the central 99 %, the rest in the outer ones; sparse bins are merged with the next."""
    low, high = _quantiles(values, deviations.all_weight, np.array([0.005, 0.995]))
    if not low < high:
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
    edges = even_edges(values, float(low), float(high), n_bins)
    even = Binning.of(name, edges, _index(values, edges[1:-1]), deviations)
    effective = np.zeros(len(edges) - 1)
    effective[: even.n_bins] = even.effective
    return Binning.of(name, *_merged(edges, effective, values), deviations)


def _merged(
    edges: NDArray[np.float64], effective: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Edges after merging each sparse bin with its right neighbour (the last: left), and the bin of each value."""
    keep = [edges[0]]
    waiting = 0.0
    for content, right in zip(effective, edges[1:], strict=True):
        waiting += content
        if waiting >= LEAST_EFFECTIVE_EVENTS:
            keep.append(right)
            waiting = 0.0
    if len(keep) == 1:
        keep.append(edges[-1])
    keep[-1] = edges[-1]
    merged = np.array(keep)
    return merged, _index(values, merged[1:-1])
