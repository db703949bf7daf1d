"""From the network's logits and the surrogate's counts to P(pass | event): the combined score.

For each skim u = logit of the posterior mean of the surrogate's pass probability (`smartbkg.surrogate.prior`), and

    logit P(pass) = u + b·(1, U, L, U², L², U L) + d·(U_j of the other skims),   U = (u + 4)/2, L = (ℓ + 4)/2 .

With b = d = 0 the surrogate is believed as it is; that is where the fit to labels starts, and what it is drawn back to
where they are few (`smartbkg.surrogate.fit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError
from smartbkg.scores.logistic import logit
from smartbkg.surrogate.prior import BetaPrior

#: Terms of a skim's own u and ℓ.
N_OWN: Final = 6
#: Scaled logits are held within ± this.
_LARGEST: Final = 4.0
_LARGEST_LOGIT: Final = 25.0


def scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits in units in which those of rare events are of order one."""
    return np.clip((values + 4.0) / 2.0, -_LARGEST, _LARGEST)


def design_matrix(u: NDArray[np.float64], network_logit: NDArray[np.float64], skim: int) -> NDArray[np.float64]:
    """(n_events, `N_OWN` + n_skims - 1) terms of one skim's correction.

    Parameters
    ----------
    u : (n_events, n_skims) logits of the surrogate's posterior means.
    network_logit : (n_events, n_skims) calibrated.
    """
    all_u = scaled(u)
    own, network = all_u[:, skim], scaled(network_logit[:, skim])
    columns = [np.ones(len(u)), own, network, own * own, network * network, own * network]
    others = [all_u[:, other] for other in range(u.shape[1]) if other != skim]
    return np.stack(columns + others, axis=1)


@dataclass(frozen=True)
class Combination:
    """The combined score for a number of replicas.

    Attributes
    ----------
    priors : one per skim.
    coefficient : one tuple per skim, of `N_OWN` + n_skims - 1 numbers.
    """

    priors: tuple[BetaPrior, ...]
    coefficient: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        n_skims = len(self.priors)
        if not n_skims or len(self.coefficient) != n_skims:
            raise ModelError(f"combined score: {len(self.coefficient)} rows of coefficients for {n_skims} skims")
        for row in self.coefficient:
            if len(row) != N_OWN + n_skims - 1 or not np.isfinite(row).all():
                raise ModelError(f"combined score: coefficients {row}, expected {N_OWN + n_skims - 1} finite numbers")
        for prior in self.priors:
            if not np.isfinite((*prior.mean, *prior.strength)).all():
                raise ModelError(f"combined score: prior {prior}, expected finite numbers")

    def surrogate_logit(
        self, network_logit: NDArray[np.float64], passed: NDArray[np.int32], n_replicas: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """(n_events, n_skims) u: what the surrogate would say if it were asked for ever, as far as is known.

        Parameters
        ----------
        network_logit : (n_events, n_skims) calibrated.
        passed : (n_events, n_skims) passes among ``n_replicas`` (n_events,).
        """
        means = [
            prior.posterior_mean(network_logit[:, skim], passed[:, skim], n_replicas)
            for skim, prior in enumerate(self.priors)
        ]
        return logit(np.stack(means, axis=1))

    def correct(self, u: NDArray[np.float64], network_logit: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_events, n_skims) logit of P(pass | event) from `surrogate_logit`."""
        columns = [
            u[:, skim] + design_matrix(u, network_logit, skim) @ np.array(row)
            for skim, row in enumerate(self.coefficient)
        ]
        return np.asarray(np.clip(np.stack(columns, axis=1), -_LARGEST_LOGIT, _LARGEST_LOGIT))

    def logits(
        self, network_logit: NDArray[np.float64], passed: NDArray[np.int32], n_replicas: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """(n_events, n_skims) logit of P(pass | event); parameters as in `surrogate_logit`."""
        return self.correct(self.surrogate_logit(network_logit, passed, n_replicas), network_logit)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, read back by `combination_from_dict`."""
        return {
            "priors": [{"mean": list(prior.mean), "strength": list(prior.strength)} for prior in self.priors],
            "coefficient": [list(row) for row in self.coefficient],
        }


def combination_from_dict(content: Mapping[str, Any]) -> Combination:
    """The combined score that `Combination.to_dict` wrote.

    Raises
    ------
    ModelError
        Missing or impossible numbers.
    """
    try:
        priors = []
        for part in content["priors"]:
            (a0, a1, a2), (c0, c1) = map(float, part["mean"]), map(float, part["strength"])
            priors.append(BetaPrior((a0, a1, a2), (c0, c1)))
        rows = tuple(tuple(float(value) for value in row) for row in content["coefficient"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"combined score is damaged: {error!r}") from error
    return Combination(tuple(priors), rows)
