"""What a network is worth, measured on the validation part: loss, AUC, calibration error, speed-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smartbkg.networks.backends import make_backend
from smartbkg.networks.bundle import state_of
from smartbkg.networks.config import ModelConfig
from smartbkg.sampling import Costs, OptimalPolicy, solve_optimal
from smartbkg.sampling.statistics import Estimate, speed_up_estimate, speed_up_of_means, speed_up_terms
from smartbkg.scores.calibration import Calibration
from smartbkg.scores.fit import fit_calibration
from smartbkg.scores.labels import split_labels
from smartbkg.scores.metrics import area_under_curve, calibration_curve
from smartbkg.training.input.data import TrainingData

#: Events at once when nothing has to be remembered for gradients.
EVALUATION_BATCH: Final = 512
#: Size of the natural sample on which a policy is solved.
_SOLVING_EVENTS: Final = 200_000


class Subsample(NamedTuple):
    """Some events that stand for all of a part."""

    events: NDArray[np.int64]
    """(n_events,) positions in the data."""
    weight: NDArray[np.float64]
    """(n_events,) how many events of the natural mixture each stands for."""


def subsample(data: TrainingData, events: NDArray[np.int64], n_most: int) -> Subsample:
    """At most ``n_most`` of the events, up to half of them passing, weighted to the whole."""
    if len(events) <= n_most:
        return Subsample(events, data.weight[events])
    is_passing = np.any(np.nan_to_num(data.label[events]) > 0, axis=1)
    passing, failing = events[is_passing], events[~is_passing]
    n_passing = min(len(passing), n_most // 2)
    chosen = [_spread(passing, n_passing), _spread(failing, min(len(failing), n_most - n_passing))]
    factors = [len(group) / max(1, len(part)) for group, part in zip((passing, failing), chosen, strict=True)]
    return Subsample(
        np.concatenate(chosen),
        np.concatenate([data.weight[part] * factor for part, factor in zip(chosen, factors, strict=True)]),
    )


def _spread(events: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """n of the events at equal distances."""
    return events[np.arange(n) * len(events) // max(1, n)]


def predict(
    model: torch.nn.Module,
    network: ModelConfig,
    data: TrainingData,
    events: NDArray[np.int64],
    processes: NDArray[np.int64],
    device: torch.device,
) -> NDArray[np.float32]:
    """(n_events, n_skims) outputs of the network for events of the data, by the backend that a filter would use."""
    groups = [events[start : start + EVALUATION_BATCH] for start in range(0, len(events), EVALUATION_BATCH)]
    if not groups:
        return np.empty((0, len(data.skims)), dtype=np.float32)
    backend = make_backend(
        network,
        state=lambda: state_of(model),
        network=lambda: model,
        device=str(device),
        threads=torch.get_num_threads(),
    )
    return np.concatenate([backend(data.store.fetch(group), processes[data.process[group]]) for group in groups])


def natural_sample(weight: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Positions of n events drawn at equal distances along the sum of weights: a sample of weights 1."""
    total = np.cumsum(weight)
    position = np.searchsorted(total, (np.arange(n) + 0.5) / n * total[-1], side="right")
    return np.asarray(position.clip(max=len(weight) - 1))


def solve_policy(
    score: NDArray[np.float64],
    weight: NDArray[np.float64],
    costs: Costs,
    max_weight: float,
    importance: NDArray[np.float64] | None = None,
    generator_weight: NDArray[np.float64] | None = None,
) -> OptimalPolicy:
    """The optimal policy for weighted events.

    Parameters
    ----------
    score : (n_events, n_skims) calibrated.
    weight : (n_events,) how many natural events each stands for.
    generator_weight : (n_events,) the generator's own; not used where all are equal.
    """
    if np.ptp(weight) == 0:
        chosen = np.arange(len(weight))
    else:
        chosen = natural_sample(weight, min(_SOLVING_EVENTS, max(len(weight), round(float(weight.sum())))))
    is_weighted = generator_weight is not None and np.ptp(np.abs(generator_weight)) > 0
    return solve_optimal(
        score[chosen, 0] if score.shape[1] == 1 else score[chosen],
        costs,
        max_weight,
        weight=generator_weight[chosen] if is_weighted and generator_weight is not None else None,
        importance=None if score.shape[1] == 1 else importance,
    )


@dataclass(frozen=True)
class SkimMetrics:
    """How well one skim is predicted.

    Attributes
    ----------
    skim : its name.
    retention : natural pass fraction of the validation part.
    n_passing : validation events that pass.
    auc : area under the ROC curve.
    calibration_error : expected calibration error.
    speed_up : of the optimal policy, with its uncertainty.
    """

    skim: str
    retention: float
    n_passing: int
    auc: float
    calibration_error: float
    speed_up: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        content = dict(self.__dict__)
        return content | {"speed_up": self.speed_up[0], "speed_up_error": self.speed_up[1]}


def calibrated_where_possible(
    logits: NDArray[np.float64], label: NDArray[np.float64], weight: NDArray[np.float64], retention: NDArray[np.float64]
) -> Calibration:
    """An affine calibration fitted on the events themselves; the prior alone where a skim lacks one of the classes.

    A network that is too sure of itself, as after its first epochs, has a speed-up far below what its calibrated scores
    are worth. Arguments as in `smartbkg.scores.fit.fit_calibration`.
    """
    has_both = (np.nansum(label, axis=0) > 0) & (np.nansum(1 - label, axis=0) > 0)
    return fit_calibration(logits, label, weight, retention, "affine" if has_both.all() else "prior")


def quick_metrics(
    score: NDArray[np.float64],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    costs: Costs,
    max_weight: float,
    importance: NDArray[np.float64],
) -> tuple[float, float]:
    """(AUC, speed-up) of the skims together: means by importance, for the display."""
    policy = solve_policy(score, weight, costs, max_weight, importance)
    keep = policy.keep_probability(score if score.shape[1] > 1 else score[:, 0])
    areas, gains = [], []
    for skim in range(score.shape[1]):
        is_run = np.isfinite(label[:, skim])
        y, w = label[is_run, skim], weight[is_run]
        areas.append(area_under_curve(*split_labels(y, score[is_run, skim], w)))
        terms = np.average(speed_up_terms(y, keep[is_run], costs), axis=0, weights=w)
        gains.append(float(speed_up_of_means(terms, costs)))
    return float(np.average(areas, weights=importance)), float(np.average(gains, weights=importance))


def full_metrics(
    score: NDArray[np.float64],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    policy: OptimalPolicy,
    costs: Costs,
    skims: Sequence[str],
    generator_weight: NDArray[np.float64],
) -> list[SkimMetrics]:
    """The metrics that go into the model, one entry per skim; scores are calibrated."""
    is_weighted = np.ptp(np.abs(generator_weight)) > 0
    generator = generator_weight if is_weighted else None
    keep = policy.keep_probability(score if score.shape[1] > 1 else score[:, 0], weight=generator)
    metrics = []
    for position, skim in enumerate(skims):
        is_run = np.isfinite(label[:, position])
        y, s, w = label[is_run, position], score[is_run, position], weight[is_run]
        terms = speed_up_terms(y, keep[is_run], costs, weight=None if generator is None else generator[is_run])
        metrics.append(
            SkimMetrics(
                skim,
                float(np.average(y, weights=w)),
                int(np.ceil(y).sum()),
                area_under_curve(*split_labels(y, s, w)),
                calibration_curve(*split_labels(y, s, w)).expected_calibration_error,
                speed_up_estimate(terms * (w / w.mean())[:, None], costs),
            )
        )
    return metrics
