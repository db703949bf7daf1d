"""Node inputs made for the physics, compiled: the same numbers as `smartbkg.networks.physics.inputs`, in 32 bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from smartbkg.compilation import part
from smartbkg.errors import ModelError

#: Raw features that are needed, in the order in which the kernel takes their columns.
NEEDED: Final = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz")
#: Invariant inputs; with the plain transverse momentum two more.
N_INVARIANT: Final = 13

SMALL_ENERGY: Final = 1e-3  # GeV, below any detector threshold
VERTEX_SCALE: Final = 0.01  # cm, flight distances of charm and beauty
TIME_SCALE: Final = 0.001  # ns, their flight times
LENGTH_SCALE: Final = 1.0  # cm, flight distances of strange particles
#: Added under roots, so that their derivative is finite at zero.
TINY: Final = 1e-12
#: A mass squared below this share of E² is what rounding leaves of E² - p² in 32 bits, and below `LIGHTEST` a photon's
#: or an electron's: both are taken off, so that no input depends on the order in which a processor adds.
MASS_ROUNDING: Final = 1e-6
LIGHTEST: Final = 1e-5  # GeV²

_SMALL, _VERTEX, _TIME, _LENGTH = (np.float32(x) for x in (SMALL_ENERGY, VERTEX_SCALE, TIME_SCALE, LENGTH_SCALE))
_TINY, _ROUNDING, _LIGHTEST = (np.float32(x) for x in (TINY, MASS_ROUNDING, LIGHTEST))
_ZERO, _TWO, _THREE = (np.float32(x) for x in (0.0, 2.0, 3.0))


def feature_columns(features: Sequence[str]) -> list[int]:
    """Positions of the needed features among the raw columns.

    Parameters
    ----------
    features : names of the raw columns, in the order of the graph rule.

    Raises
    ------
    ModelError
        Some are not there: names them.
    """
    missing = [name for name in NEEDED if name not in features]
    if missing:
        raise ModelError(f"the network needs the features {', '.join(missing)}; the graph rule has {tuple(features)}")
    return [list(features).index(name) for name in NEEDED]


@part
def physics_inputs(feature, columns, boost, gamma, n_daughters, is_invariant, out):  # type: ignore[no-untyped-def]
    """Inputs of the particles of one event.

    Parameters
    ----------
    feature : (n, n_features) float32, raw.
    columns : (8,) positions of `NEEDED` among them.
    boost, gamma : float32, of the centre-of-mass system along z.
    n_daughters : (n,) float32, number of kept daughters.
    is_invariant : leave out the transverse components of the momentum.
    out : (n, more) float32; the first `N_INVARIANT` columns, or two more, are written.
    """
    for i in range(len(feature)):
        energy, px, py, pz = (
            feature[i, columns[1]], feature[i, columns[5]], feature[i, columns[6]], feature[i, columns[7]]
        )  # fmt: skip
        dx, dy = feature[i, columns[2]] - feature[0, columns[2]], feature[i, columns[3]] - feature[0, columns[3]]
        flight_z = abs(feature[i, columns[4]] - feature[0, columns[4]])
        time = max(feature[i, columns[0]] - feature[0, columns[0]], _ZERO)
        transverse2 = px * px + py * py + _TINY
        momentum2 = transverse2 + pz * pz
        transverse, momentum = math.sqrt(transverse2), math.sqrt(momentum2)
        energy_cms = gamma * (energy - boost * pz)
        flight_xy = math.sqrt(dx * dx + dy * dy + _TINY)
        energy2 = energy * energy
        mass = math.sqrt(max(energy2 - momentum2 - _ROUNDING * energy2 - _LIGHTEST, _ZERO) + _TINY)
        out[i, 0] = energy_cms
        out[i, 1] = math.log(max(energy_cms, _ZERO) + _SMALL) / _THREE
        out[i, 2] = math.log(transverse + _SMALL) / _THREE
        out[i, 3] = transverse
        out[i, 4] = gamma * (pz - boost * energy)
        out[i, 5] = pz / momentum
        out[i, 6] = mass / _TWO
        out[i, 7] = math.log(mass + _SMALL) / _THREE
        out[i, 8] = math.log1p(flight_xy / _VERTEX) / _THREE
        out[i, 9] = math.log1p(flight_z / _VERTEX) / _THREE
        out[i, 10] = math.log1p(flight_xy / _LENGTH)
        out[i, 11] = math.log1p(time / _TIME) / _THREE
        out[i, 12] = n_daughters[i] / _THREE
        if not is_invariant:
            out[i, 13] = px
            out[i, 14] = py


__all__ = [
    "LENGTH_SCALE",
    "LIGHTEST",
    "MASS_ROUNDING",
    "NEEDED",
    "N_INVARIANT",
    "SMALL_ENERGY",
    "TIME_SCALE",
    "TINY",
    "VERTEX_SCALE",
    "feature_columns",
    "physics_inputs",
]
