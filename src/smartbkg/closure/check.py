"""Closure: do kept and weighted events tell the same as all passing events, in every variable that was looked at?

Three situations, one treatment. The difference between the two samples is a sum of deviations, one an event; under the
hypothesis that the weights are right the law of those deviations is known:

* `check_closure`: the keep probability of *every* passing event is known (a test sample that was scored). Under the
  hypothesis the draw can be repeated, so p-values come from redrawn samples and hold for any number of events.
* `check_subset`: all passing events are there, but keep probabilities only of the kept ones.
* `check_samples`: the unfiltered reference holds other events; only shapes are compared.

In the last two, replicas count each event Poisson(1) times (bootstrap), which is good from some thousand passing events
on; with a few hundred, `check_samples` raises up to half again as many false alarms as stated. All tests (χ² and
Kolmogorov–Smirnov of each variable, χ² of each pair, the total) go through the same replicas, and the verdict compares
the largest excess among them with the largest excess in each replica: it accounts for how many tests were made and for
how they hang together (Westfall and Young, Resampling-Based Multiple Testing, Wiley 1993).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.closure.deviations import Binning, Deviations, fine_binning, histogram_binning, pair_binning
from smartbkg.closure.report import SIGNIFICANCE, ClosureReport, PairClosure, VariableClosure
from smartbkg.errors import DatasetError, PolicyError
from smartbkg.sampling.statistics import check_probability, effective_sample_size


@dataclass(frozen=True)
class ClosureSettings:
    """How closely to look."""

    n_bins: int = 20
    """Bins of a histogram at most; sparse neighbours are merged."""
    n_pair_bins: int = 5
    """Quantiles an axis of each pair."""
    with_pairs: bool = True
    """Whether pairs are looked at."""
    n_replicas: int = 1000
    """Replicas behind the p-values."""
    n_coverage_seeds: int = 200
    """Seeds over which the coverage of error bars is counted."""
    significance: float = SIGNIFICANCE
    """Global p-value below which the check fails."""
    seed: int = 0
    """Of the replicas."""


DEFAULT_SETTINGS: Final = ClosureSettings()


def check_closure(
    variables: Mapping[str, ArrayLike],
    keep_probability: ArrayLike,
    is_kept: ArrayLike,
    generator_weight: ArrayLike | None = None,
    settings: ClosureSettings = DEFAULT_SETTINGS,
) -> ClosureReport:
    """Closure where the keep probability of every passing event is known; the p-values are then exact.

    Parameters
    ----------
    variables : name → (n_passing,) values of all passing events.
    keep_probability : (n_passing,) q, the number by which kept events were weighted.
    is_kept : (n_passing,) bool, True = the filter kept the event.
    generator_weight : (n_passing,), 1 if not given.

    Raises
    ------
    DatasetError
        No passing event, no kept one, columns of different lengths, or no variable.
    """
    q = check_probability(keep_probability, "keep probability")
    kept = np.asarray(is_kept, dtype=bool)
    w = np.ones(len(q)) if generator_weight is None else np.asarray(generator_weight, dtype=np.float64)
    columns = _checked(variables, len(q))
    if kept.shape != q.shape or w.shape != q.shape:
        raise DatasetError(f"{len(q)} keep probabilities, {len(kept)} decisions and {len(w)} weights do not fit")
    if (q[kept] == 0).any():
        raise PolicyError("an event was kept whose keep probability is 0")
    if (q == 0).any():
        raise PolicyError(
            f"{int((q == 0).sum())} of {len(q)} passing events had no chance of being kept (a threshold?): "
            "the kept sample is biased, see `smartbkg reweight`"
        )
    return _report(columns, Deviations.of_draw(w, q, kept), len(q), int(kept.sum()), w[kept] / q[kept], settings)


def check_subset(
    all_variables: Mapping[str, ArrayLike],
    kept_variables: Mapping[str, ArrayLike],
    kept_weight: ArrayLike,
    kept_keep_probability: ArrayLike,
    all_weight: ArrayLike | None = None,
    settings: ClosureSettings = DEFAULT_SETTINGS,
) -> ClosureReport:
    """Closure of kept events against all passing events of the same generated sample, q known for kept ones only.

    Parameters
    ----------
    all_variables : name → (n_all,) values.
    kept_variables : name → (n_kept,) values of those that were kept.
    kept_weight : (n_kept,) generator weight over keep probability.
    kept_keep_probability : (n_kept,) q.
    all_weight : (n_all,) generator weights, 1 if not given.
    """
    weight = np.asarray(kept_weight, dtype=np.float64)
    q = check_probability(kept_keep_probability, "keep probability")
    return _two_samples(all_variables, kept_variables, all_weight, weight, q, settings)


def check_samples(
    reference_variables: Mapping[str, ArrayLike],
    kept_variables: Mapping[str, ArrayLike],
    kept_weight: ArrayLike,
    reference_weight: ArrayLike | None = None,
    settings: ClosureSettings = DEFAULT_SETTINGS,
) -> ClosureReport:
    """Closure of kept events against an unfiltered sample of other events: shapes only.

    Parameters
    ----------
    reference_variables : name → (n_reference,) values of passing events.
    kept_variables : name → (n_kept,) values.
    kept_weight : (n_kept,).
    reference_weight : (n_reference,), 1 if not given.
    """
    weight = np.asarray(kept_weight, dtype=np.float64)
    return _two_samples(reference_variables, kept_variables, reference_weight, weight, None, settings)


def _two_samples(
    all_variables: Mapping[str, ArrayLike],
    kept_variables: Mapping[str, ArrayLike],
    all_weight: ArrayLike | None,
    kept_weight: NDArray[np.float64],
    keep_probability: NDArray[np.float64] | None,
    settings: ClosureSettings,
) -> ClosureReport:
    if set(all_variables) != set(kept_variables):
        raise DatasetError(f"variables differ: {sorted(all_variables)} of all, {sorted(kept_variables)} of kept events")
    n_all = len(np.asarray(next(iter(all_variables.values()), [])))
    w_all = np.ones(n_all) if all_weight is None else np.asarray(all_weight, dtype=np.float64)
    of_all, of_kept = _checked(all_variables, n_all), _checked(kept_variables, len(kept_weight))
    columns = {name: np.concatenate([of_all[name], of_kept[name]]) for name in of_all}
    deviations = Deviations.of_samples(w_all, kept_weight, keep_probability)
    return _report(columns, deviations, n_all, len(kept_weight), kept_weight, settings)


def _checked(variables: Mapping[str, ArrayLike], n_events: int) -> dict[str, NDArray[np.float64]]:
    if not variables:
        raise DatasetError("closure needs at least one variable")
    if not n_events:
        raise DatasetError("closure needs passing events, all and kept; got none")
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in variables.items()}
    for name, column in columns.items():
        if column.shape != (n_events,):
            raise DatasetError(f"variable '{name}' has shape {column.shape}, expected ({n_events},)")
        if np.isinf(column).any():
            raise DatasetError(f"variable '{name}' is infinite in event {int(np.flatnonzero(np.isinf(column))[0])}")
    return columns


def _report(
    columns: Mapping[str, NDArray[np.float64]],
    deviations: Deviations,
    n_all: int,
    n_kept: int,
    kept_weight: NDArray[np.float64],
    settings: ClosureSettings,
) -> ClosureReport:
    """All tests on the same replicas."""
    if not n_kept:
        raise DatasetError(f"none of {n_all} passing events was kept: closure cannot be tested")
    usable = {name: values for name, values in columns.items() if len(np.unique(values[~np.isnan(values)])) > 1}
    if not usable:
        raise DatasetError(f"every variable is constant: {sorted(columns)}")
    coarse = [histogram_binning(name, values, deviations, settings.n_bins) for name, values in usable.items()]
    fine = [fine_binning(name, values, deviations) for name, values in usable.items()]
    pairs = list(combinations(usable, 2)) if settings.with_pairs else []
    cells = [pair_binning((a, b), (usable[a], usable[b]), deviations, settings.n_pair_bins) for a, b in pairs]
    tests = _Tests(coarse, fine, cells, deviations)
    observed = tests.statistics(deviations.observed[:, None])[:, 0]
    replicas = np.concatenate(
        [tests.statistics(block) for block in deviations.replicas(settings.n_replicas, settings.seed)], axis=1
    )
    p_values = (1 + (replicas >= observed[:, None]).sum(axis=1)) / (settings.n_replicas + 1)
    global_p_value, worst = _family_wise(observed, replicas, tests.counts_in_verdict)
    coverage = deviations.coverage(coarse, settings.n_coverage_seeds, settings.seed)
    n = len(usable)
    described = tuple(
        _describe(coarse[i], deviations, observed, p_values, replicas, i, n, coverage[i], usable[coarse[i].name])
        for i in range(n)
    )
    total = None if deviations.is_shape_only else deviations.total_pull
    return ClosureReport(
        variables=described,
        pairs=tuple(
            PairClosure(a, b, float(observed[3 * n + i]), cells[i].n_bins, float(p_values[3 * n + i]))
            for i, (a, b) in enumerate(pairs)
        ),
        total_pull=total,
        global_p_value=global_p_value,
        worst_test=tests.names[worst],
        n_tests=int(tests.counts_in_verdict.sum()),
        n_replicas=settings.n_replicas,
        n_all=n_all,
        n_kept=n_kept,
        effective_kept=effective_sample_size(kept_weight),
        significance=settings.significance,
    )


class _Tests:
    """The statistics of all tests, in the order: χ² of each variable, KS, KL, χ² of each pair, total."""

    def __init__(
        self, coarse: list[Binning], fine: list[Binning], cells: list[Binning], deviations: Deviations
    ) -> None:
        self._coarse, self._fine, self._cells = coarse, fine, cells
        self._deviations = deviations
        self.names = [
            *(f"χ² of {binning.name}" for binning in coarse),
            *(f"KS of {binning.name}" for binning in fine),
            *(f"KL of {binning.name}" for binning in coarse),
            *(f"χ² of {binning.name}" for binning in cells),
            *(() if deviations.is_shape_only else ("total",)),
        ]
        # KL is, to second order, half the χ² with other weights: it is reported, but would count the same thing twice.
        self.counts_in_verdict = np.array([not name.startswith("KL") for name in self.names])

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


def _family_wise(
    observed: NDArray[np.float64], replicas: NDArray[np.float64], counts: NDArray[np.bool_]
) -> tuple[float, int]:
    """Global p-value of the largest excess over all tests, and the position of the test that has it.

    The cube root makes χ² and KS nearly normal (Wilson and Hilferty, doi:10.1073/pnas.17.12.684), so that excesses in
    units of the replicas' standard deviation are comparable between tests; the p-value holds for any such scale.
    """
    # The sample at hand is one of the pool that sets the scale: it is then exchangeable with its replicas.
    roots = np.cbrt(np.concatenate([observed[:, None], replicas], axis=1))[counts]
    spread = roots.std(axis=1, keepdims=True)
    excess = (roots - roots.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    largest = excess.max(axis=0)
    worst = int(np.flatnonzero(counts)[np.argmax(excess[:, 0])])
    return float((largest >= largest[0]).sum() / len(largest)), worst


def _describe(
    binning: Binning,
    deviations: Deviations,
    observed: NDArray[np.float64],
    p_values: NDArray[np.float64],
    replicas: NDArray[np.float64],
    index: int,
    n_variables: int,
    coverage: float | None,
    values: NDArray[np.float64],
) -> VariableClosure:
    difference = deviations.binned(binning, deviations.observed[:, None])[:, 0]
    spread = np.sqrt(binning.variance)
    missing = np.isnan(values)
    return VariableClosure(
        name=binning.name,
        edges=binning.edges,
        all_sum=binning.all_sum,
        all_variance=binning.all_variance,
        kept_sum=binning.kept_sum,
        kept_variance=binning.kept_variance,
        pull=np.divide(difference, spread, out=np.full(binning.n_bins, np.nan), where=spread > 0),
        chi2=float(observed[index]),
        chi2_p_value=float(p_values[index]),
        ks=float(observed[n_variables + index]),
        ks_p_value=float(p_values[n_variables + index]),
        kl=float(observed[2 * n_variables + index]),
        kl_expected=float(replicas[2 * n_variables + index].mean()),
        missing_fraction=float(np.average(missing, weights=np.abs(deviations.all_weight))) if missing.any() else 0.0,
        coverage=coverage,
    )


__all__ = [
    "ClosureReport",
    "ClosureSettings",
    "PairClosure",
    "VariableClosure",
    "check_closure",
    "check_samples",
    "check_subset",
]
