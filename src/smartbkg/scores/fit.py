"""Fitting calibrations on events that training did not see; `smartbkg.scores.calibration` applies them."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from smartbkg.errors import DatasetError, MissingDependencyError
from smartbkg.scores.calibration import Affine, Calibration, Isotonic, PerProcess, logit

#: Passing and failing events from which a process gets a calibration of its own.
LEAST_OF_PROCESS: Final = 50
#: The slope of a fit stays within these: outside, the sample was too small to say.
_SLOPES: Final = (0.05, 20.0)

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
    process : (n_events,) names, for a calibration of each process that has enough events.

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
        n_passing, n_failing = np.nansum(here, axis=0), np.nansum(1 - here, axis=0)
        if name and min(n_passing.min(), n_failing.min()) >= LEAST_OF_PROCESS:
            prior = _pass_fraction(here, weight[chosen])
            by_process[str(name)] = _fit(logits[chosen], here, weight[chosen], prior, method)
    return PerProcess(by_process, common) if by_process else common


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
        _logistic(*column, float(logit(prior)), is_offset_free=method == "affine")
        for column, prior in zip(columns, retention, strict=True)
    ]
    return Affine(tuple(scale for scale, _ in fits), tuple(offset for _, offset in fits))


def _logistic(
    x: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64], offset: float, *, is_offset_free: bool
) -> tuple[float, float]:
    """Scale and offset of the largest likelihood of y under expit(scale·x + offset)."""
    w = w / w.sum()
    fraction = float((w * y).sum())

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * x + parameters[1]
        residual = w * (np.where(z >= 0, 1.0, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z))) - y)
        value = (w * (np.logaddexp(0, z) - y * z)).sum()
        return float(value / fraction), np.array([(residual * x).sum(), residual.sum()]) / fraction

    if is_offset_free:
        found = optimize.minimize(
            loss, np.array([1.0, offset]), jac=True, method="L-BFGS-B", bounds=[_SLOPES, (-40, 40)],
            options={"ftol": 1e-14, "gtol": 1e-10},
        )  # fmt: skip
        return float(found.x[0]), float(found.x[1])

    def offset_of(scale: float) -> float:
        """The offset at which the mean score is the pass fraction."""
        return float(
            optimize.brentq(lambda b: loss(np.array([scale, b]))[1][1], -40 - scale * x.max(), 40 - scale * x.min())
        )

    best = optimize.minimize_scalar(
        lambda log_scale: loss(np.array([np.exp(log_scale), offset_of(float(np.exp(log_scale)))]))[0],
        bounds=tuple(np.log(_SLOPES)),
        method="bounded",
    )
    scale = float(np.exp(best.x))
    return scale, offset_of(scale)


def _isotonic(
    x: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the rising function of least squares, each step at its mean logit, so that scores rise strictly."""
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError as error:
        raise MissingDependencyError("scikit-learn", "train", "isotonic calibration") from error
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
