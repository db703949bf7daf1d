"""Closure: do kept and weighted events tell the same as all passing events, in every variable that was looked at?

Three situations, one treatment. The difference between the two samples is a sum of deviations, one per event; where the
weights are right the law of those deviations is known, because the draw can be repeated:

* `check_closure`: the keep probability of *every* event is known (a table of scores). The file's own weights go in.
* `check_subset`: all passing events are there, but keep probabilities only of the kept ones.
* `check_samples`: the unfiltered reference holds other events; only shapes are compared.

In the last two, kept events are first thinned to one common keep probability, the least that the policy allows: they
are then a simple random part of all passing events (of all events of both samples), and the draw of such a part can be
repeated again. That is exact for any number of events, and looks less closely. With at least `LEAST_FOR_BOOTSTRAP`
effective kept events replicas count each event Poisson(1) times instead (bootstrap), without thinning.

All tests (χ² and Kolmogorov–Smirnov of each variable, χ² of each pair, the total) go through the same replicas;
`smartbkg.closure.verdict` says what they amount to together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.closure.battery import CHI2, KL, KS, PAIR, Battery, StatisticName, StatisticResult
from smartbkg.closure.deviations import Binning, Deviations, fine_binning, histogram_binning, pair_binning
from smartbkg.closure.report import SIGNIFICANCE, ClosureReport, PairClosure, VariableClosure
from smartbkg.closure.verdict import YIELD_SHARE, reach_verdict
from smartbkg.errors import DatasetError, PolicyError, UsageError
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
#: Effective kept events from which on a bootstrap stands in for draws that cannot be repeated.
LEAST_FOR_BOOTSTRAP: Final = 1000


def check_closure(
    variables: Mapping[str, ArrayLike],
    keep_probability: ArrayLike,
    is_kept: ArrayLike,
    generator_weight: ArrayLike | None = None,
    settings: ClosureSettings = DEFAULT_SETTINGS,
    *,
    kept_weight: ArrayLike | None = None,
) -> ClosureReport:
    """Closure where the keep probability of every passing event is known; the p-values are then exact.

    Parameters
    ----------
    variables : name → (n_passing,) values of all passing events.
    keep_probability : (n_passing,) q, the number by which kept events were weighted.
    is_kept : (n_passing,) bool, True = the filter kept the event.
    generator_weight : (n_passing,), 1 if not given.
    kept_weight : (n_passing,) the weights that a file states, looked at where ``is_kept``; those that follow from
        ``generator_weight`` and ``keep_probability`` if not given.

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
    stated = np.divide(w, q) if kept_weight is None else np.asarray(kept_weight, dtype=np.float64)
    deviations = Deviations.of_draw(w, q, kept, stated)
    return _report(columns, deviations, len(q), int(kept.sum()), stated[kept], settings)


def check_subset(
    variables: Mapping[str, ArrayLike],
    is_kept: ArrayLike,
    kept_weight: ArrayLike,
    keep_probability: ArrayLike,
    weight: ArrayLike | None = None,
    settings: ClosureSettings = DEFAULT_SETTINGS,
    *,
    least_keep_probability: float | None = None,
) -> ClosureReport:
    """Closure of kept events against all passing events of the same generated sample, q known for kept ones only.

    Parameters
    ----------
    variables : name → (n_all,) values of all passing events.
    is_kept : (n_all,) bool, True = the event is among the kept ones.
    kept_weight : (n_all,) the weights that the file states, looked at where ``is_kept``.
    keep_probability : (n_all,) q, looked at where ``is_kept``.
    weight : (n_all,) generator weights, 1 if not given.
    least_keep_probability : the least q that the policy gives any event; the least of the kept ones if not given.
    """
    kept = np.asarray(is_kept, dtype=bool)
    columns = _checked(variables, len(kept))
    w_all = np.ones(len(kept)) if weight is None else np.asarray(weight, dtype=np.float64)
    stated, q = np.asarray(kept_weight, dtype=np.float64)[kept], np.asarray(keep_probability, dtype=np.float64)[kept]
    q = check_probability(q, "keep probability")
    _refuse_none_kept(kept)
    if effective_sample_size(stated) >= LEAST_FOR_BOOTSTRAP:
        both = {name: np.concatenate([values, values[kept]]) for name, values in columns.items()}
        return _report(both, Deviations.of_samples(w_all, stated, q), len(kept), int(kept.sum()), stated, settings)
    chosen, thinned, level = _thinned(stated, q, least_keep_probability, settings.seed)
    is_in, weights = np.zeros(len(kept), dtype=bool), np.zeros(len(kept))
    is_in[np.flatnonzero(kept)[chosen]] = True
    weights[is_in] = thinned
    if not is_in.any():
        raise DatasetError(
            f"of {int(kept.sum())} kept passing events none is left at their least keep probability {level:.3g}: too "
            "few for a verdict without the table of `smartbkg filter --scores`"
        )
    deviations = Deviations.of_draw(w_all, np.full(len(kept), level), is_in, weights)
    settings = replace(settings, n_coverage_seeds=0)  # of the thinned events it would say nothing
    return _report(columns, deviations, len(kept), int(kept.sum()), stated, settings, n_thinned=int(is_in.sum()))


def check_samples(
    reference_variables: Mapping[str, ArrayLike],
    kept_variables: Mapping[str, ArrayLike],
    kept_weight: ArrayLike,
    reference_weight: ArrayLike | None = None,
    settings: ClosureSettings = DEFAULT_SETTINGS,
    *,
    keep_probability: ArrayLike | None = None,
    least_keep_probability: float | None = None,
) -> ClosureReport:
    """Closure of kept events against an unfiltered sample of other events: shapes only.

    Parameters
    ----------
    reference_variables : name → (n_reference,) values of passing events.
    kept_variables : name → (n_kept,) values.
    kept_weight : (n_kept,) the weights that the file states.
    reference_weight : (n_reference,), 1 if not given.
    keep_probability : (n_kept,) q; without it, as for reweighted events, there is the bootstrap alone.
    least_keep_probability : as for `check_subset`.
    """
    if set(reference_variables) != set(kept_variables):
        raise DatasetError(
            f"variables differ: {sorted(reference_variables)} of all, {sorted(kept_variables)} of kept events"
        )
    stated = np.asarray(kept_weight, dtype=np.float64)
    n_other = len(np.asarray(next(iter(reference_variables.values()), [])))
    w_other = np.ones(n_other) if reference_weight is None else np.asarray(reference_weight, dtype=np.float64)
    of_other, of_kept = _checked(reference_variables, n_other), _checked(kept_variables, len(stated))
    if keep_probability is None or effective_sample_size(stated) >= LEAST_FOR_BOOTSTRAP:
        both = {name: np.concatenate([of_other[name], of_kept[name]]) for name in of_other}
        return _report(both, Deviations.of_samples(w_other, stated, None), n_other, len(stated), stated, settings)
    q = check_probability(keep_probability, "keep probability")
    chosen, thinned, level = _thinned(stated, q, least_keep_probability, settings.seed)
    if not len(thinned):
        raise DatasetError(
            f"of {len(stated)} kept passing events none is left at their least keep probability {level:.3g}: too few "
            "to be compared with a reference"
        )
    both = {name: np.concatenate([of_other[name], of_kept[name][chosen]]) for name in of_other}
    # thinned weights are generator weights times one number: as a random part of all events of both samples
    w_both = np.concatenate([w_other, thinned * level])
    is_in = np.arange(len(w_both)) >= n_other
    deviations = Deviations.of_part(w_both, is_in)
    settings = replace(settings, n_coverage_seeds=0)
    return _report(both, deviations, n_other, len(stated), stated, settings, n_thinned=len(thinned))


def _thinned(
    weight: NDArray[np.float64], keep_probability: NDArray[np.float64], least: float | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Rows of kept events that are kept again with probability level/q, their weights, and the level.

    Together each passing event is then in with one and the same probability, the level, and a weight that was w/q
    becomes w/level.
    """
    level = float(keep_probability.min()) if least is None else min(float(keep_probability.min()), least)
    chance = np.random.default_rng([seed, 2]).random(len(weight))
    chosen = np.flatnonzero(chance * keep_probability < level)
    return chosen, weight[chosen] * keep_probability[chosen] / level, level


def _refuse_none_kept(is_kept: NDArray[np.bool_]) -> None:
    if not is_kept.any():
        raise DatasetError(f"none of {len(is_kept)} passing events was kept: closure cannot be tested")


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
    n_thinned: int | None = None,
) -> ClosureReport:
    """All tests on the same replicas."""
    if not n_kept:
        raise DatasetError(f"none of {n_all} passing events was kept: closure cannot be tested")
    if not 0 < settings.significance < 1:
        raise UsageError(f"a significance of {settings.significance:g}: expected a p-value between 0 and 1, as 0.01")
    if 1 / (settings.n_replicas + 1) > settings.significance * YIELD_SHARE:
        raise UsageError(
            f"{settings.n_replicas} replicas cannot tell p-values below {settings.significance:g}: give at least "
            f"{int(np.ceil(1 / (settings.significance * YIELD_SHARE)))}"
        )
    usable = {name: values for name, values in columns.items() if len(np.unique(values[~np.isnan(values)])) > 1}
    if not usable:
        raise DatasetError(f"every variable is constant: {sorted(columns)}")
    coarse = [histogram_binning(name, values, deviations, settings.n_bins) for name, values in usable.items()]
    fine = [fine_binning(name, values, deviations) for name, values in usable.items()]
    pairs = list(combinations(usable, 2)) if settings.with_pairs else []
    cells = [pair_binning((a, b), (usable[a], usable[b]), deviations, settings.n_pair_bins) for a, b in pairs]
    tests = Battery(coarse, fine, cells, deviations)
    observed = tests.statistics(deviations.observed[:, None])[:, 0]
    replicas = np.concatenate(
        [tests.statistics(block) for block in deviations.replicas(settings.n_replicas, settings.seed)], axis=1
    )
    verdict = reach_verdict(observed, replicas, tests.counts_in_verdict, tests.total)
    results = tests.results(observed, replicas, verdict.p_values)
    coverage = deviations.coverage(coarse, settings.n_coverage_seeds, settings.seed)
    return ClosureReport(
        variables=tuple(
            _describe(binning, deviations, results, covered, usable[binning.name])
            for binning, covered in zip(coarse, coverage, strict=True)
        ),
        pairs=tuple(
            PairClosure(a, b, result.value, binning.n_bins, result.p_value)
            for (a, b), binning in zip(pairs, cells, strict=True)
            for result in (results[StatisticName(PAIR, binning.name)],)
        ),
        total_pull=None if deviations.is_shape_only else deviations.total_pull,
        yield_p_value=verdict.yield_p_value,
        shape_p_value=verdict.shape_p_value,
        global_p_value=verdict.global_p_value,
        worst_test=str(tests.names[verdict.worst]),
        n_tests=int(tests.counts_in_verdict.sum()),
        n_replicas=settings.n_replicas,
        n_all=n_all,
        n_kept=n_kept,
        effective_kept=effective_sample_size(kept_weight),
        significance=settings.significance,
        n_thinned=n_thinned,
    )


def _describe(
    binning: Binning,
    deviations: Deviations,
    results: Mapping[StatisticName, StatisticResult],
    coverage: float | None,
    values: NDArray[np.float64],
) -> VariableClosure:
    chi2, ks, kl = (results[StatisticName(statistic, binning.name)] for statistic in (CHI2, KS, KL))
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
        chi2=chi2.value,
        chi2_p_value=chi2.p_value,
        ks=ks.value,
        ks_p_value=ks.p_value,
        kl=kl.value,
        kl_expected=kl.expected,
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
