"""The oracle: each event's pass probability, measured by simulating it again and again, and what it is worth at most.

With p known, no filter that sees the generated event can do better than the optimal policy on p: the speed-up reached
there is the limit of every network. Two estimates enclose it:

- *Cross-fit*: replicas 1, 3, 5, ... choose the keep probabilities, replicas 2, 4, 6, ... evaluate them, then the other
  way round. Raw frequencies must not choose: an event with no pass in the choosing half would get the floor, and one
  rare pass then weighs 1/floor. The choice uses E[p | k passes], shrunk with the distribution of p over events, which
  is itself estimated from all events (empirical Bayes; Robbins 1956; as a mixture over a grid by maximum likelihood:
  Kiefer and Wolfowitz, doi:10.1214/aoms/1177728066). Unbiased for what half of the replicas allow, so a lower bound.
- *Limit*: the optimal policy on that estimated distribution of p itself, as if every p were known. It approaches the
  truth as the distribution gets better known, mostly from above.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, FRACTION_PREFIX, ORACLE_PREFIX
from smartbkg.experiment.detector.parameters import BELLE2, DetectorParameters
from smartbkg.experiment.simulation import BATCH_SIZE, ordered_map, passes_only
from smartbkg.experiment.skims.registry import Skim, find_skim
from smartbkg.io import open_events
from smartbkg.io.tables import write_table
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT, solve_optimal
from smartbkg.sampling.statistics import Estimate, speed_up_estimate, speed_up_of_means, speed_up_terms
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

#: Pass probabilities on which the distribution is estimated: 0, then logarithmic, dense enough that a finer grid
#: changes nothing.
PROBABILITY_GRID: Final = np.concatenate([[0.0], np.geomspace(1e-4, 0.5, 60), 1.0 - np.geomspace(0.48, 1e-3, 30)])
_EM_ITERATIONS: Final = 200
_BOOTSTRAP_OF_LIMIT: Final = 20


class PassCounts(NamedTuple):
    """How often each event passed.

    Replicas are numbered from 1: replica 0 is the simulation of `smartbkg simulate`, which stays independent.
    """

    event: dict[str, NDArray[Any]]
    """event id columns, (n_events,) each"""
    passed: NDArray[np.int32]
    """(n_events, n_stages, 2) passes among odd and among even replicas, after each stage"""
    n_replicas: NDArray[np.int64]
    """(n_stages,) replicas run after each stage, odd and even together"""

    @property
    def total(self) -> NDArray[np.int64]:
        """(n_events,) passes among all replicas."""
        return np.asarray(self.passed[:, -1].sum(axis=1), dtype=np.int64)


def stages_of(n_replicas: int) -> NDArray[np.int64]:
    """Numbers of replicas at which convergence is shown: even, doubling, ending at ``n_replicas``."""
    stages = [n_replicas]
    while stages[-1] >= 8 and len(stages) < 6:
        stages.append(stages[-1] // 4 * 2)
    return np.array(stages[::-1], dtype=np.int64)


def count_passes(
    source: Path,
    skim: Skim,
    n_replicas: int,
    *,
    seed: int = 1,
    detector: DetectorParameters = BELLE2,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> PassCounts:
    """Simulate each event of a file ``n_replicas`` times.

    Parameters
    ----------
    n_replicas : even, at least 4.
    detector : whose pass probabilities they are.
    progress : called with the number of simulations of each batch that is done.

    Raises
    ------
    UsageError
        Too few or an odd number of replicas, or no events.
    """
    if n_replicas < 4 or n_replicas % 2:
        raise UsageError(f"{n_replicas} replicas: expected an even number, at least 4 (half choose, half evaluate)")
    stages = stages_of(n_replicas)

    def count(batch: EventBatch) -> tuple[dict[str, NDArray[Any]], NDArray[np.int32]]:
        passed = np.zeros((len(batch), len(stages), 2), dtype=np.int32)
        for replica in range(1, n_replicas + 1):
            passes = passes_only(batch, seed, replica, skim, detector)
            passed[:, np.flatnonzero(stages >= replica), (replica + 1) % 2] += passes[:, None]
            if progress is not None:
                progress(len(batch))
        return {name: batch.event[name] for name in EVENT_ID}, passed

    with open_events(source) as reader:
        results = list(ordered_map(count, reader.batches(min(BATCH_SIZE, 256)), n_jobs))
    if not results:
        raise UsageError(f"{source}: holds no events")
    event = {name: np.concatenate([columns[name] for columns, _ in results]) for name in EVENT_ID}
    return PassCounts(event, np.concatenate([passed for _, passed in results]), stages)


class Prior(NamedTuple):
    """The distribution of the pass probability over events."""

    probability: NDArray[np.float64]
    """(n,) grid"""
    share: NDArray[np.float64]
    """(n,) share of events with each probability, sums to 1"""

    def posterior_mean(self, passed: NDArray[Any], n_replicas: int) -> NDArray[np.float64]:
        """E[p | passed of n_replicas], shape of ``passed``."""
        values, inverse = np.unique(passed, return_inverse=True)
        weight = _binomial(values, n_replicas, self.probability) * self.share
        mean = (weight @ self.probability) / weight.sum(axis=1)
        return np.asarray(mean[inverse].reshape(np.shape(passed)))


def _binomial(passed: NDArray[Any], n_replicas: int, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_passed, n_grid) likelihood of each number of passes at each probability, each row scaled to a maximum of 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p, log_not = np.log(probability), np.log1p(-probability)
        k = np.asarray(passed, dtype=np.float64)[:, None]
        logarithm = np.where(k > 0, k * log_p, 0.0) + np.where(k < n_replicas, (n_replicas - k) * log_not, 0.0)
    return np.asarray(np.exp(logarithm - logarithm.max(axis=1, keepdims=True)))


def estimate_prior(passed: NDArray[Any], n_replicas: int, weight: NDArray[np.float64] | None = None) -> Prior:
    """The distribution of p that makes the observed numbers of passes most likely, on `PROBABILITY_GRID`.

    Parameters
    ----------
    passed : (n_events,) passes of each event among ``n_replicas``.
    weight : (n_events,) how often each event counts (bootstrap), 1 if not given.
    """
    values, inverse = np.unique(passed, return_inverse=True)
    count = np.bincount(inverse, weights=weight, minlength=len(values)).astype(np.float64)
    likelihood = _binomial(values, n_replicas, PROBABILITY_GRID)
    share = np.full(len(PROBABILITY_GRID), 1.0 / len(PROBABILITY_GRID))
    for _ in range(_EM_ITERATIONS):
        posterior = likelihood * share
        posterior *= (count / posterior.sum(axis=1))[:, None]
        share = posterior.sum(axis=0) / count.sum()
    return Prior(PROBABILITY_GRID, share)


class Convergence(NamedTuple):
    """The speed-ups after some replicas."""

    n_replicas: int
    cross_fit: Estimate
    """reached with keep probabilities chosen from half of the replicas: a lower bound"""
    limit: Estimate
    """of the estimated distribution of pass probabilities, as if each were known"""


class OracleResult(NamedTuple):
    """What the oracle found."""

    n_events: int
    n_simulations: int
    retention: Estimate
    """share of events that pass"""
    pass_again: Estimate
    """P(an event passes again | it passed) = E[p²]/E[p]"""
    auc: float
    """area under the ROC curve of a classifier that knows each event's p"""
    convergence: tuple[Convergence, ...]
    """from few to all replicas; the last is the result"""


def cross_fit_terms(passed: NDArray[np.int32], n_replicas: int, costs: Costs, max_weight: float) -> NDArray[np.float64]:
    """(n_events, 4) terms of the speed-up where half of the replicas set the policy and the others test it, both ways.

    Parameters
    ----------
    passed : (n_events, 2) passes in each half.
    n_replicas : replicas of both halves together.
    """
    half = n_replicas // 2
    terms = []
    for choosing in range(2):
        score = estimate_prior(passed[:, choosing], half).posterior_mean(passed[:, choosing], half)
        keep = solve_optimal(score, costs, max_weight).keep_probability(score)
        terms.append(speed_up_terms(passed[:, 1 - choosing] / half, keep, costs))
    return np.asarray((terms[0] + terms[1]) / 2)


def _limit(prior: Prior, costs: Costs, max_weight: float) -> float:
    """Speed-up of the optimal policy where every p is known and distributed as the prior."""
    n = 20_000
    position = (np.arange(n) + 0.5) / n
    known = prior.probability[np.searchsorted(np.cumsum(prior.share), position).clip(max=len(prior.share) - 1)]
    if not known.any():
        return float("nan")
    keep = solve_optimal(known, costs, max_weight).keep_probability(known)
    return float(speed_up_of_means(speed_up_terms(known, keep, costs).mean(axis=0), costs))


def _limit_estimate(passed: NDArray[Any], n_replicas: int, costs: Costs, max_weight: float, seed: int) -> Estimate:
    random = np.random.default_rng(seed)
    values = [
        _limit(estimate_prior(passed, n_replicas, random.poisson(1.0, len(passed)).astype(float)), costs, max_weight)
        for _ in range(_BOOTSTRAP_OF_LIMIT)
    ]
    central = _limit(estimate_prior(passed, n_replicas), costs, max_weight)
    return Estimate(central, float(np.nanstd(values, ddof=1)))


def auc_of_probability(probability: NDArray[np.float64]) -> float:
    """AUC of a classifier whose score is the pass probability itself: P(score of a passing > score of a failing event).

    Parameters
    ----------
    probability : (n_events,) p; event i counts p_i as passing and 1 - p_i as failing.
    """
    values, inverse = np.unique(probability, return_inverse=True)
    passing = np.bincount(inverse, weights=probability, minlength=len(values))
    failing = np.bincount(inverse, weights=1 - probability, minlength=len(values))
    below = np.cumsum(failing) - failing / 2
    return float((passing * below).sum() / (passing.sum() * failing.sum()))


def evaluate(
    counts: PassCounts, costs: Costs = BELLE_II_COSTS, max_weight: float = DEFAULT_MAX_WEIGHT, seed: int = 1
) -> OracleResult:
    """The best speed-up that any filter of these events could reach, and how it converges.

    Raises
    ------
    UsageError
        No event passed in any replica.
    """
    n_events, n_replicas, total = len(counts.total), int(counts.n_replicas[-1]), counts.total
    if not total.any():
        raise UsageError(f"none of {n_events} events passed in {n_replicas} replicas: the oracle needs some that do")
    convergence = []
    for stage, replicas in enumerate(counts.n_replicas.tolist()):
        passed = counts.passed[:, stage]
        if not passed.sum(axis=0).all():
            continue
        convergence.append(
            Convergence(
                replicas,
                speed_up_estimate(cross_fit_terms(passed, replicas, costs, max_weight), costs, seed=seed),
                _limit_estimate(passed.sum(axis=1), replicas, costs, max_weight, seed),
            )
        )
    fraction = total / n_replicas
    twice = total * (total - 1) / (n_replicas * (n_replicas - 1))
    again = float(twice.mean() / fraction.mean())
    # error of a ratio of means over events
    scatter = float(np.std(twice - again * fraction) / fraction.mean() / np.sqrt(n_events))
    posterior = estimate_prior(total, n_replicas).posterior_mean(total, n_replicas)
    return OracleResult(
        n_events,
        n_events * n_replicas,
        Estimate(float(fraction.mean()), float(fraction.std() / np.sqrt(n_events))),
        Estimate(again, scatter),
        auc_of_probability(posterior),
        tuple(convergence),
    )


def write_probabilities(path: Path, source: Path, counts: PassCounts, skim: Skim, settings: dict[str, Any]) -> None:
    """Write each event's measured pass probability, as soft labels for `smartbkg dataset` too.

    Columns: event id, ``pass_fraction_<skim>`` (passes / replicas), ``pass_probability_<skim>`` (shrunk,
    E[p | passes]), ``nReplicas``. The number of simulations spent is in the provenance.
    """
    refuse_same_file(path, source)
    n_replicas = int(counts.n_replicas[-1])
    columns = {
        **counts.event,
        FRACTION_PREFIX + skim.name: counts.total / n_replicas,
        ORACLE_PREFIX + skim.name: estimate_prior(counts.total, n_replicas).posterior_mean(counts.total, n_replicas),
        "nReplicas": np.full(len(counts.total), n_replicas, dtype=np.int32),
    }
    provenance = record(
        FLAGS,
        SCHEMA_VERSIONS[FLAGS],
        settings,
        inputs=[source],
        simulations=len(counts.total) * n_replicas,
        soft_labels=True,
    )
    write_table(path, columns, provenance)


def run_oracle(
    source: Path,
    skim_name: str,
    n_replicas: int,
    *,
    output: Path | None = None,
    seed: int = 1,
    detector: DetectorParameters = BELLE2,
    n_jobs: int = 1,
    costs: Costs = BELLE_II_COSTS,
    max_weight: float = DEFAULT_MAX_WEIGHT,
    progress: Callable[[int], None] | None = None,
) -> OracleResult:
    """Count passes, write them if wanted, and evaluate: all of `smartbkg oracle`."""
    skim = find_skim(skim_name)
    if output is not None:
        refuse_same_file(output, source)
    counts = count_passes(source, skim, n_replicas, seed=seed, detector=detector, n_jobs=n_jobs, progress=progress)
    if output is not None:
        settings = {
            "skim": skim.name,
            "replicas": n_replicas,
            "seed": seed,
            "detector": {"name": detector.name, "version": detector.version, "digest": detector.digest},
        }
        write_probabilities(output, source, counts, skim, settings)
    return evaluate(counts, costs, max_weight, seed)
