"""How well scores separate and how true they are as probabilities: ROC, AUC, calibration. Weighted throughout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import DatasetError
from smartbkg.optional import needed_for
from smartbkg.seeds import derive_seed


class RocCurve(NamedTuple):
    """Receiver operating characteristic: pass efficiency against the fraction of failing events kept."""

    false_positive_rate: NDArray[np.float64]
    """(n_points,) fraction of failing events above each threshold."""
    true_positive_rate: NDArray[np.float64]
    """(n_points,) fraction of passing events above each threshold."""
    area: float
    """Area under the curve: chance that a passing event scores above a failing one."""
    area_error: float
    """Standard deviation of the area, by the bootstrap."""


class CalibrationCurve(NamedTuple):
    """Mean score against the fraction of passing events, in bins of equal numbers of events."""

    mean_score: NDArray[np.float64]
    """(n_bins,)"""
    pass_fraction: NDArray[np.float64]
    """(n_bins,)"""
    pass_fraction_error: NDArray[np.float64]
    """(n_bins,) binomial standard deviation expected at the mean score."""
    expected_calibration_error: float
    """Mean over events of |mean score − pass fraction| of their bin."""
    chi2: float
    """Σ ((pass fraction − mean score) / error)² over bins."""


def _checked(label: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    passed = np.asarray(label, dtype=bool)
    values = np.asarray(score, dtype=np.float64)
    if passed.shape != values.shape or passed.ndim != 1:
        raise DatasetError(f"labels {passed.shape} and scores {values.shape} must be one number per event each")
    if passed.all() or not passed.any():
        which = "pass" if passed.any() else "fail"
        raise DatasetError(f"all {len(passed)} events {which}: separation needs passing and failing events")
    return passed, values


def _curve(
    passed: NDArray[np.bool_], values: NDArray[np.float64], weight: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """False and true positive rate at each threshold, and the area under them."""
    with needed_for("the separation of scores", "report"):
        from sklearn.metrics import auc, roc_curve
    false_positive, true_positive, _ = roc_curve(passed, values, sample_weight=weight, drop_intermediate=True)
    return false_positive, true_positive, float(auc(false_positive, true_positive))


def area_under_curve(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve.

    Parameters
    ----------
    label : (n_events,) bool, True = the event passed.
    score : (n_events,) any number that grows with the chance to pass.
    weight : (n_events,) event weights, 1 where not given.

    Raises
    ------
    DatasetError
        Labels of one class only.
    """
    passed, values = _checked(label, score)
    return _curve(passed, values, weight)[2]


def roc(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, n_bootstrap: int = 50) -> RocCurve:
    """The ROC curve with its area and the area's bootstrap error. Parameters as in `area_under_curve`."""
    passed, values = _checked(label, score)
    weights = np.ones(len(passed)) if weight is None else np.asarray(weight, dtype=np.float64)
    false_positive, true_positive, area = _curve(passed, values, weights)
    random = np.random.default_rng(derive_seed(0, "roc bootstrap"))
    areas = []
    for _ in range(n_bootstrap):
        repeated = random.poisson(1.0, len(passed)) * weights
        if repeated[passed].sum() > 0 and repeated[~passed].sum() > 0:
            areas.append(area_under_curve(passed, values, repeated))
    error = float(np.std(areas, ddof=1)) if len(areas) > 1 else float("nan")
    return RocCurve(false_positive, true_positive, area, error)


def calibration_curve(
    label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, n_bins: int = 15
) -> CalibrationCurve:
    """Are scores probabilities? Bins hold equal numbers of events, so that the rare high scores get bins of their own.

    Parameters
    ----------
    label, weight : as in `area_under_curve`.
    score : (n_events,) calibrated probabilities in [0, 1].
    """
    passed, values = _checked(label, score)
    weights = np.ones(len(passed)) if weight is None else np.asarray(weight, dtype=np.float64)
    groups = [group for group in np.array_split(np.argsort(values, kind="stable"), n_bins) if len(group)]
    total = np.array([weights[group].sum() for group in groups])
    if (total <= 0).any():
        raise DatasetError("a bin of the calibration curve has no positive sum of weights: use fewer bins")
    mean_score = np.array([np.average(values[group], weights=weights[group]) for group in groups])
    fraction = np.array([np.average(passed[group], weights=weights[group]) for group in groups])
    effective = np.array([weights[group].sum() ** 2 / (weights[group] ** 2).sum() for group in groups])
    error = np.sqrt((mean_score * (1 - mean_score)).clip(min=1e-12) / effective)
    return CalibrationCurve(
        mean_score,
        fraction,
        error,
        float(np.average(np.abs(mean_score - fraction), weights=total)),
        float((((fraction - mean_score) / error) ** 2).sum()),
    )
