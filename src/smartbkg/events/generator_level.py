"""Event-level variables that every event has from its generator: what can be looked at without any simulation."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.events.batch import EventBatch
from smartbkg.events.columns import ParticleStatus

_FINAL: Final = ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR
#: Absolute PDG codes that are counted (https://pdg.lbl.gov/2024/reviews/rpp2024-rev-monte-carlo-numbering.pdf).
_COUNTED: Final = {"nPhotons": (22,), "nKaons": (321, 130, 310), "nProtons": (2212,), "nLeptons": (11, 13)}

#: Begins the name of such a variable where reconstructed ones may stand beside it.
GENERATOR_PREFIX: Final = "gen_"

#: Names of the variables, with units for axes.
GENERATOR_VARIABLES: Final = {
    "nFinal": "",
    "nCharged": "",
    "nPhotons": "",
    "nKaons": "",
    "nProtons": "",
    "nLeptons": "",
    "sumCharge": "",
    "sumEnergy": "GeV",
    "sumMomentum": "GeV",
    "largestMomentum": "GeV",
    "sumTransverse": "GeV",
    "largestTransverse": "GeV",
    "R2": "",
}


def generator_variables(batch: EventBatch) -> dict[str, NDArray[np.float64]]:
    """Variables of the stable particles of each event, all in the laboratory.

    Returns
    -------
    (n_events,) each, named as in `GENERATOR_VARIABLES`: how many there are, of all and of some kinds; sums and largest
    values of energy, momentum |p| and momentum across the z axis, in GeV; and the ratio of Fox-Wolfram moments R2 =
    H2/H0 (doi:10.1103/PhysRevLett.41.1581). Where no particle of a batch is marked as stable, all are taken.

    Notes
    -----
    With T_ab = Σ p_a p_b / |p|, Σ_ij |p_i||p_j| cos²θ_ij = Tr T², so that R2 = (3 Tr T² / (Σ|p|)² − 1) / 2 costs one
    pass over the particles in place of one over their pairs.
    """
    status = batch.particle["status"]
    is_final = status & _FINAL == _FINAL
    if not is_final.any():
        is_final = np.ones(len(status), dtype=np.bool_)
    event, n_events = batch.event_index[is_final], len(batch)
    code = np.abs(batch.particle["PDG"][is_final])
    charge = batch.particle["charge"][is_final].astype(np.float64)
    energy = batch.particle["energy"][is_final].astype(np.float64)
    p = np.stack([batch.particle[name][is_final].astype(np.float64) for name in ("px", "py", "pz")])
    momentum, transverse = np.sqrt((p**2).sum(axis=0)), np.hypot(p[0], p[1])

    def summed(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(event, weights=values.astype(np.float64), minlength=n_events))

    def largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.zeros(n_events)
        np.maximum.at(found, event, values)
        return found

    safe = np.where(momentum > 0, momentum, 1.0)
    tensor = [summed(p[a] * p[b] / safe) ** 2 * (1 if a == b else 2) for a in range(3) for b in range(a, 3)]
    total = summed(momentum)
    return {
        "nFinal": summed(np.ones(len(event))),
        "nCharged": summed(charge != 0),
        **{name: summed(np.isin(code, codes)) for name, codes in _COUNTED.items()},
        "sumCharge": summed(charge),
        "sumEnergy": summed(energy),
        "sumMomentum": total,
        "largestMomentum": largest(momentum),
        "sumTransverse": summed(transverse),
        "largestTransverse": largest(transverse),
        "R2": (3 * np.sum(tensor, axis=0) / np.where(total > 0, total, 1.0) ** 2 - 1) / 2 * (total > 0),
    }


__all__ = ["GENERATOR_PREFIX", "GENERATOR_VARIABLES", "generator_variables"]
