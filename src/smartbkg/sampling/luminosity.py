"""From an integrated luminosity to numbers of generated events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError, nearest

#: Cross-sections at the Υ(4S) in nb (Belle II Physics Book, doi:10.1093/ptep/ptz106, table 4; B pairs shared equally).
CROSS_SECTIONS: Final[Mapping[str, float]] = {
    "mixed": 0.555,
    "charged": 0.555,
    "uubar": 1.61,
    "ddbar": 0.40,
    "ssbar": 0.38,
    "ccbar": 1.30,
    "taupair": 0.919,
}
_NANOBARNS_IN_INVERSE_FEMTOBARN: Final = 1e6


def events_of_luminosity(luminosity: float, processes: Iterable[str]) -> float:
    """Events that the processes give together.

    Parameters
    ----------
    luminosity : integrated, in 1/fb.
    processes : names; each counts once, however often it is named.

    Raises
    ------
    PolicyError
        No cross-section of a process is known: names the nearest that is.
    """
    names = sorted({str(name) for name in processes})
    for name in names:
        if name not in CROSS_SECTIONS:
            raise PolicyError(f"no cross-section is known for '{name}': {nearest(name, CROSS_SECTIONS)}")
    return luminosity * _NANOBARNS_IN_INVERSE_FEMTOBARN * sum(CROSS_SECTIONS[name] for name in names)


def multiplicity_of_cross_sections(process: ArrayLike, multiplicity: ArrayLike) -> NDArray[np.float64]:
    """(n_events,) multiplicities with which the processes have the proportions of their cross-sections.

    A data set holds as many events of each process as somebody happened to simulate; a luminosity does not.

    Parameters
    ----------
    process : (n_events,) names.
    multiplicity : (n_events,) how many generated events each stands for. The sum over all stays.

    Raises
    ------
    PolicyError
        No cross-section of a process is known: names the nearest that is.
    """
    stands_for = np.asarray(multiplicity, dtype=np.float64)
    names, index = np.unique(np.asarray(process).astype(np.str_), return_inverse=True)
    wanted = np.array([events_of_luminosity(1.0, [str(name)]) for name in names])
    found = np.bincount(index, weights=stands_for, minlength=len(names))
    return np.asarray(stands_for * (wanted / wanted.sum() * stands_for.sum() / found)[index])
