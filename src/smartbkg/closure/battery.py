"""The tests that a closure check makes, each known by its name: a statistic, and the variable or pair it looks at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.closure.deviations import Binning, Deviations

#: Statistics: χ² of a histogram, Kolmogorov–Smirnov distance, Kullback–Leibler divergence, χ² of a pair, the yield.
CHI2, KS, KL, PAIR, TOTAL = "χ²", "KS", "KL", "χ² of a pair", "total"


class StatisticName(NamedTuple):
    """A statistic, and the variable or pair that it looks at."""

    statistic: str
    of: str

    def __str__(self) -> str:
        if self.statistic == TOTAL:
            return TOTAL
        return f"{CHI2 if self.statistic == PAIR else self.statistic} of {self.of}"


class StatisticResult(NamedTuple):
    """One test on the sample at hand, and the mean of its statistic over the replicas."""

    value: float
    p_value: float
    expected: float


class Battery:
    """The statistics of all tests of a comparison; each is a row, known by its name.

    Parameters
    ----------
    coarse, fine, cells : binnings of each variable for χ² and KL, of each variable for KS, and of each pair.
    deviations : of kept from all events.

    Attributes
    ----------
    names : (n_tests,) of the rows.
    total : the row of the yield, None where only shapes are compared.
    counts_in_verdict : (n_tests,) bool, True = counts in the verdict.
    """

    def __init__(
        self, coarse: list[Binning], fine: list[Binning], cells: list[Binning], deviations: Deviations
    ) -> None:
        self._coarse, self._fine, self._cells = coarse, fine, cells
        self._deviations = deviations
        self.names = [
            *(StatisticName(CHI2, binning.name) for binning in coarse),
            *(StatisticName(KS, binning.name) for binning in fine),
            *(StatisticName(KL, binning.name) for binning in coarse),
            *(StatisticName(PAIR, binning.name) for binning in cells),
            *(() if deviations.is_shape_only else (StatisticName(TOTAL, ""),)),
        ]
        self.total = None if deviations.is_shape_only else self.names.index(StatisticName(TOTAL, ""))
        # KL is, to second order, half the χ² with other weights: it is reported, but would count the same thing twice.
        self.counts_in_verdict = np.array([name.statistic != KL for name in self.names])

    def results(
        self, observed: NDArray[np.float64], replicas: NDArray[np.float64], p_values: NDArray[np.float64]
    ) -> dict[StatisticName, StatisticResult]:
        """Each test's result by its name, from the rows of all."""
        rows = zip(observed.tolist(), p_values.tolist(), (float(row.mean()) for row in replicas), strict=True)
        return {name: StatisticResult(*row) for name, row in zip(self.names, rows, strict=True)}

    def statistics(self, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_tests, n_replicas) from the (n_events, n_replicas) deviations of some replicas."""
        sums = [self._deviations.binned(binning, deviation) for binning in self._coarse]
        rows = [binning.chi2(change) for binning, change in zip(self._coarse, sums, strict=True)]
        rows += [binning.largest_distance(self._deviations.binned(binning, deviation)) for binning in self._fine]
        rows += [binning.divergence(change) for binning, change in zip(self._coarse, sums, strict=True)]
        rows += [binning.chi2(self._deviations.binned(binning, deviation)) for binning in self._cells]
        if not self._deviations.is_shape_only:
            rows.append(np.abs(deviation.sum(axis=0)))
        return np.stack(rows)


__all__ = ["CHI2", "KL", "KS", "PAIR", "TOTAL", "Battery", "StatisticName", "StatisticResult"]
