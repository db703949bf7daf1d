"""Threshold, threshold with reweighting, and sampling, side by side: what each yields and how biased it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.closure.check import ClosureSettings, check_samples
from smartbkg.closure.files import choose_flags, event_variables
from smartbkg.errors import DatasetError
from smartbkg.events.columns import EVENT_ID, PASSES_PREFIX, SCORE, WEIGHT
from smartbkg.events.identity import match_events
from smartbkg.io.tables import Table, read_table, write_table
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.reweighting import Reweighter, ReweighterSettings, TrainedReweighter, train_reweighter
from smartbkg.sampling.statistics import check_probability
from smartbkg.sampling.weights import generator_weights, sampling_weights
from smartbkg.storage.kinds import SCHEMA_VERSIONS, WEIGHTS
from smartbkg.storage.provenance import record


class ModeMetrics(NamedTuple):
    """One way to filter, compared with events that it has not seen."""

    mode: str
    """What was done."""
    simulated_fraction: float
    """Share of the generated events that is simulated."""
    effective: float
    """Effective sample size of the kept, passing events."""
    yield_bias: float
    """Σw of kept over Σw of all passing events, minus 1; by chance alone it scatters by about 1/√n_eff."""
    mean_bias: float
    """Largest shift of the mean of a variable, in standard deviations of that variable; scatters likewise."""
    effective_per_cost: float
    """Effective passing events per CPU second, over that without filter. Of a biased sample it says little."""
    largest_weight: float
    """Largest weight."""
    largest_kl: float
    """Largest Kullback–Leibler divergence over variables."""
    worst_chi2: float
    """Largest χ² per bin over variables."""
    p_value: float
    """Global p-value of the closure over all variables."""


class ReweightingReport(NamedTuple):
    """A trained reweighter and the comparison."""

    trained: TrainedReweighter
    """The reweighter with its cross-validated factors."""
    modes: tuple[ModeMetrics, ...]
    """Threshold, threshold reweighted, sampling."""

    @property
    def warning(self) -> str:
        """What a user must know."""
        lost = self.trained.metrics.lost_fraction
        return (
            f"the threshold loses {lost:.1%} of the passing events; reweighting makes those that remain look like all "
            "in the variables it was given, and can recover nothing where no event remains: prefer sampling"
        )


def compare_modes(
    variables: Mapping[str, ArrayLike],
    score: ArrayLike,
    passes: ArrayLike,
    threshold: float,
    *,
    generator_weight: ArrayLike | None = None,
    multiplicity: ArrayLike | None = None,
    costs: Costs = BELLE_II_COSTS,
    settings: ReweighterSettings | None = None,
    closure: ClosureSettings | None = None,
) -> ReweightingReport:
    """Train a reweighter for a threshold and compare it with the threshold alone and with sampling.

    Closure compares every other event, filtered, with the remaining ones, unfiltered.

    Parameters
    ----------
    variables : name → (n_events,) of all generated events (NaN where there is none).
    score : (n_events,) calibrated.
    passes : (n_events,) bool.
    threshold : events below it are not simulated.
    generator_weight : (n_events,) 1 if not given.
    multiplicity : (n_events,) how many generated events each stands for, 1 if not given: 1/q of kept events.
    """
    p, y = check_probability(score, "score"), np.asarray(passes, dtype=bool)
    m = np.ones(len(p)) if multiplicity is None else np.asarray(multiplicity, dtype=np.float64)
    of_generator = np.ones(len(p)) if generator_weight is None else np.asarray(generator_weight, dtype=np.float64)
    w = m * of_generator
    if not y.any():
        raise DatasetError(f"none of {len(y)} events passes")
    passing = {name: np.asarray(values, dtype=np.float64)[y] for name, values in variables.items()}
    is_above = p >= threshold
    trained = train_reweighter(passing, is_above[y], w[y], threshold=threshold, settings=settings)
    policy = solve_optimal(p, costs, weight=generator_weight, multiplicity=m)
    q = policy.keep_probability(p, weight=generator_weight)
    drawn = np.random.default_rng(0).random(len(p)) < q
    factors = np.ones(len(p))
    factors[np.flatnonzero(y)[is_above[y]]] = trained.cross_validated
    checks = closure or ClosureSettings(n_replicas=200, with_pairs=False, n_coverage_seeds=0)
    ways = (
        ("threshold", is_above, np.average(is_above, weights=m), w),
        ("threshold, reweighted", is_above, np.average(is_above, weights=m), w * factors),
        ("sampling, optimal", drawn, np.average(q, weights=m), w / q),
    )
    n_generated = float(m.sum())
    unfiltered = _effective(w[y], m[y]) / (n_generated * (costs.generation + costs.simulation))
    modes = []
    for mode, kept, simulated, weight in ways:
        bias_and_closure = _closure(passing, w[y], kept[y], weight[y], checks)
        seconds = n_generated * (costs.before_decision + simulated * costs.simulation)
        effective, largest = _effective(weight[y & kept], m[y & kept]), float((weight / m)[y & kept].max())
        biases = _biases(passing, w[y], kept[y], weight[y])
        per_cost = effective / seconds / unfiltered
        modes.append(ModeMetrics(mode, float(simulated), effective, *biases, per_cost, largest, *bias_and_closure))
    return ReweightingReport(trained, tuple(modes))


def _effective(weight: NDArray[np.float64], multiplicity: NDArray[np.float64]) -> float:
    """n_eff of the generated events that rows stand for: a row of weight m·w is m events of weight w."""
    return float(weight.sum()) ** 2 / float((weight**2 / multiplicity).sum())


def _biases(
    passing: Mapping[str, NDArray[np.float64]],
    weight: NDArray[np.float64],
    kept: NDArray[np.bool_],
    kept_weight: NDArray[np.float64],
) -> tuple[float, float]:
    """(bias of the yield, largest bias of a mean in standard deviations) of kept against all passing events."""
    shifts = [0.0]
    for values in passing.values():
        known = np.isfinite(values)
        chosen = known & kept
        if not (weight[known].any() and kept_weight[chosen].any()):
            continue
        mean = np.average(values[known], weights=weight[known])
        width = float(np.sqrt(np.average(np.square(values[known] - mean), weights=np.abs(weight[known]))))
        if width > 0:
            shifts.append(abs(float(np.average(values[chosen], weights=kept_weight[chosen]) - mean)) / width)
    return float(kept_weight[kept].sum() / weight.sum() - 1), max(shifts)


def _closure(
    passing: Mapping[str, NDArray[np.float64]],
    weight: NDArray[np.float64],
    kept: NDArray[np.bool_],
    kept_weight: NDArray[np.float64],
    settings: ClosureSettings,
) -> tuple[float, float, float]:
    """(largest KL, worst χ² per bin, global p-value), of even events kept against odd events unfiltered."""
    is_even = np.arange(len(weight)) % 2 == 0
    mine, others = kept & is_even, ~is_even
    report = check_samples(
        {name: values[others] for name, values in passing.items()},
        {name: values[mine] for name, values in passing.items()},
        kept_weight[mine],
        weight[others],
        settings,
    )
    kl = max(variable.kl for variable in report.variables)
    return kl, max(variable.chi2 / variable.n_bins for variable in report.variables), report.global_p_value


def reweight_files(
    flags: Path,
    scores: Path,
    threshold: float,
    skim: str | None = None,
    variables: Sequence[str] = (),
    costs: Costs = BELLE_II_COSTS,
) -> ReweightingReport:
    """`compare_modes` for files.

    Parameters
    ----------
    flags : of events that were all simulated, with event-level variables: generated ones, or those that a filter kept.
    scores : table of `smartbkg score` for the same events.
    """
    table, of_scores = read_table(flags), read_table(scores)
    name = choose_flags(table, skim)
    names = tuple(variables) or event_variables(table)
    rows = match_events(table.columns, of_scores.columns, str(scores))
    column = SCORE if SCORE in of_scores.columns else f"{SCORE}_{name}"
    return compare_modes(
        {variable: table[variable] for variable in names},
        of_scores[column][rows],
        table[PASSES_PREFIX + name],
        threshold,
        generator_weight=generator_weights(table.columns) if WEIGHT in table.columns else None,
        multiplicity=sampling_weights(table.columns) if WEIGHT in table.columns else None,
        costs=costs,
    )


def apply_reweighter(reweighter: Reweighter, source: Path, output: Path) -> int:
    """Write the weights of kept, passing events: ids and ``weight``; returns how many.

    Parameters
    ----------
    source : table with ids and the variables of the reweighter, of events above the threshold that passed the skim.
    """
    table: Table = read_table(source)
    values = {name: table[name] for name in reweighter.variables}
    before = table[WEIGHT] if WEIGHT in table.columns else np.ones(len(table))
    columns = {name: table[name] for name in EVENT_ID} | {WEIGHT: before * reweighter.factors(values)}
    write_table(
        output, columns, record(WEIGHTS, SCHEMA_VERSIONS[WEIGHTS], {"threshold": reweighter.threshold}, [source])
    )
    return len(table)
