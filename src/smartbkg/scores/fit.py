"""Fitting calibrations on events that training did not see; `smartbkg.scores.calibration` applies them."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError
from smartbkg.optional import needed_for
from smartbkg.scores.calibration import Affine, Calibration, Isotonic, PerProcess
from smartbkg.scores.logistic import fit_logistic, logit

#: Passing and failing events from which a process gets a calibration of its own for a skim.
LEAST_OF_PROCESS: Final = 50

Method = Literal["affine", "temperature", "isotonic", "prior"]


def fit_calibration(
    logits: NDArray[np.float64],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    retention: NDArray[np.float64],
    method: Method = "affine",
    process: NDArray[np.str_] | None = None,
) -> Calibration:
    """The calibration that makes outputs of a network probabilities at the natural prior.

    Parameters
    ----------
    logits : (n_events, n_skims) outputs of the network, log likelihood ratios.
    label : (n_events, n_skims) in [0, 1], NaN where the skim was not run.
    weight : (n_events,) how many natural events each stands for.
    retention : (n_skims,) natural prior, the start of the fit.
    method : ``affine``: scale and offset by maximum likelihood (Platt); ``temperature``: the scale alone, with the
        offset that keeps the mean score at the retention; ``isotonic``: a rising function; ``prior``: no fit.
    process : (n_events,) names, for a calibration of each process that has enough events of some skim; of its other
        skims the common one holds there.

    Raises
    ------
    DatasetError
        No passing or no failing events.
    """
    common = _fit(logits, label, weight, retention, method)
    if process is None or method == "prior":
        return common
    by_process = {}
    for name in np.unique(process):
        chosen = process == name
        here = label[chosen]
        has_enough = np.minimum(np.nansum(here, axis=0), np.nansum(1 - here, axis=0)) >= LEAST_OF_PROCESS
        if name and has_enough.any():
            prior = _pass_fraction(here[:, has_enough], weight[chosen])
            own = _fit(logits[chosen][:, has_enough], here[:, has_enough], weight[chosen], prior, method)
            by_process[str(name)] = _with_own(common, own, has_enough)
    return PerProcess(by_process, common) if by_process else common


def _with_own(common: Calibration, own: Calibration, has_own: NDArray[np.bool_]) -> Calibration:
    """A calibration of all skims: a process's own where it has one, the common one elsewhere.

    Parameters
    ----------
    has_own : (n_skims,) True = the next column of ``own`` is this skim's.
    """
    position = np.cumsum(has_own) - 1
    source = [(own, int(position[skim])) if has_own[skim] else (common, skim) for skim in range(len(has_own))]
    if isinstance(common, Isotonic) and isinstance(own, Isotonic):
        pairs = [(c.logits[at], c.scores[at]) for c, at in source if isinstance(c, Isotonic)]
        return Isotonic(tuple(x for x, _ in pairs), tuple(y for _, y in pairs))
    affine = [(c.scale[at], c.offset[at]) for c, at in source if isinstance(c, Affine)]
    return Affine(tuple(scale for scale, _ in affine), tuple(offset for _, offset in affine))


def _pass_fraction(label: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    is_run = np.isfinite(label)
    return np.asarray((np.nan_to_num(label) * weight[:, None]).sum(axis=0) / (is_run * weight[:, None]).sum(axis=0))


def _fit(
    logits: NDArray[np.float64],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    retention: NDArray[np.float64],
    method: Method,
) -> Calibration:
    if method == "prior":
        return Affine.for_prior(retention, np.full(len(retention), 0.5))
    columns = []
    for skim in range(logits.shape[1]):
        is_run = np.isfinite(label[:, skim])
        x, y, w = logits[is_run, skim], label[is_run, skim], weight[is_run]
        if not (y * w).sum() > 0 or not ((1 - y) * w).sum() > 0:
            raise DatasetError(f"calibration of output {skim}: passing and failing events are needed")
        columns.append((x, y, w))
    if method == "isotonic":
        knots = [_isotonic(*column) for column in columns]
        return Isotonic(tuple(x for x, _ in knots), tuple(y for _, y in knots))
    fits = [
        fit_logistic(*column, float(logit(prior)), is_offset_free=method == "affine")
        for column, prior in zip(columns, retention, strict=True)
    ]
    return Affine(tuple(scale for scale, _ in fits), tuple(offset for _, offset in fits))


def _isotonic(
    x: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the rising function of least squares, each step at its mean logit, so that scores rise strictly."""
    with needed_for("isotonic calibration", "train"):
        from sklearn.isotonic import IsotonicRegression
    order = np.argsort(x, kind="stable")
    x, y, w = x[order], y[order], w[order]
    steps = IsotonicRegression(y_min=0, y_max=1).fit_transform(x, y, sample_weight=w)
    _, first, step = np.unique(steps, return_index=True, return_inverse=True)
    total = np.bincount(step, weights=w)
    mean = np.bincount(step, weights=w * x) / total
    score = steps[first]
    if score[0] <= 0:
        # half an event: a score of zero would claim that no such event can ever pass
        score[0] = min(0.5 * float(w.min()) / float(total[0]), float(score[1]) / 2 if len(score) > 1 else 1.0)
    is_rising = np.concatenate([[True], np.diff(mean) > 0])
    return tuple(mean[is_rising].tolist()), tuple(score[is_rising].tolist())
