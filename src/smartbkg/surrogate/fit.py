"""Fitting the combined score: the prior to counts alone, the correction to few labels."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError
from smartbkg.optional import needed_for
from smartbkg.scores.logistic import expit
from smartbkg.surrogate.combination import N_OWN, Combination, design_matrix
from smartbkg.surrogate.prior import fit_prior

#: Standard deviations that are believed of the correction's terms before labels are seen: of 1, U, L, U², L², U L ...
OWN_WIDTHS: Final = (1.0, 0.3, 0.3, 0.02, 0.02, 0.02)
#: ... and of each other skim.
OTHER_WIDTH: Final = 0.05
#: Passing events that a skim needs at least.
LEAST_PASSING: Final = 10


def fit_combination(
    network_logit: NDArray[np.float64],
    passed: NDArray[np.int32],
    n_replicas: NDArray[np.int32],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> Combination:
    """The combined score of largest posterior probability.

    Parameters
    ----------
    network_logit : (n_events, n_skims) calibrated, 0 where there is no network.
    passed : (n_events, n_skims) passes of the surrogate among ``n_replicas`` (n_events,).
    label : (n_events, n_skims) 1 where the event passed, 0 where not (or a fraction), NaN where the skim was not run.
    weight : (n_events,) natural events each stands for.

    Raises
    ------
    DatasetError
        A skim has fewer than `LEAST_PASSING` passing or failing events.
    """
    n_skims = label.shape[1]
    priors = tuple(fit_prior(network_logit[:, skim], passed[:, skim], n_replicas, weight) for skim in range(n_skims))
    believed = Combination(priors, tuple((0.0,) * (N_OWN + n_skims - 1) for _ in range(n_skims)))
    u = believed.surrogate_logit(network_logit, passed, n_replicas)
    rows = []
    for skim in range(n_skims):
        is_run = np.isfinite(label[:, skim])
        y, w = label[is_run, skim], weight[is_run]
        if min((y > 0).sum(), (y < 1).sum()) < LEAST_PASSING:
            raise DatasetError(
                f"{int((y > 0).sum())} passing, {int((y < 1).sum())} failing events of skim {skim + 1} of {n_skims}: "
                f"the combined score needs {LEAST_PASSING} of each, simulate more events"
            )
        rows.append(_correction(design_matrix(u[is_run], network_logit[is_run], skim), u[is_run, skim], y, w))
    return Combination(priors, tuple(rows))


def _correction(
    design: NDArray[np.float64], offset: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, ...]:
    """Coefficients of largest posterior probability under normal priors around 0."""
    widths = np.array([*OWN_WIDTHS, *[OTHER_WIDTH] * (design.shape[1] - N_OWN)])
    with needed_for("fitting a surrogate's score", "train"):
        from scipy import optimize

    # natural weights would count a thinned failing event as many: the information is that of the events at hand
    w = weight / weight.mean()

    def loss(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = offset + design @ b
        value = w @ (np.logaddexp(0, z) - y * z) + 0.5 * np.square(b / widths).sum()
        return float(value), design.T @ (w * (expit(z) - y)) + b / widths**2

    found = optimize.minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return tuple(float(value) for value in found.x)
