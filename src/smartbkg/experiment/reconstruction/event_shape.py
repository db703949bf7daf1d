"""Shape of events: Fox-Wolfram moments, thrust, sphericity, aplanarity, for generated and reconstructed particles.

All of them are defined in the rest frame of the collision: boost momenta first, with
`smartbkg.experiment.beams.boost_to_rest_frame`.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.compilation import borrowing_part, kernel

#: Fox-Wolfram moments are computed for l = 0 ... this.
HIGHEST_MOMENT: Final = 4


class EventShapes(NamedTuple):
    """Shape variables of some events; an event without momentum has 0 everywhere."""

    R2: NDArray[np.float64]
    """(n_events,) H2 / H0, in [0, 1]: near 0 for round events, near 1 for two narrow jets."""
    thrust: NDArray[np.float64]
    """(n_events,) in [0.5, 1] for balanced momenta: the largest Σ|p·n| / Σ|p| over all axes n, exact."""
    thrust_axis: NDArray[np.float64]
    """(n_events, 3) unit vector n of the thrust, with n_z >= 0."""
    sphericity: NDArray[np.float64]
    """(n_events,) 3/2 (λ2 + λ3) in [0, 1], λ1 >= λ2 >= λ3 the eigenvalues of Σ p_a p_b / Σ p²."""
    aplanarity: NDArray[np.float64]
    """(n_events,) 3/2 λ3 in [0, 0.5]."""
    fox_wolfram: NDArray[np.float64]
    """(n_events, 5) H_l / H_0 for l = 0 ... 4."""


@borrowing_part
def _fox_wolfram(x, y, z, size, ratio):  # type: ignore[no-untyped-def]  # compiled: takes arrays one by one
    """Add Σ_ij |p_i||p_j| P_l(cos θ_ij), the pairs of a particle with itself included, then divide by H_0."""
    n = len(x)
    total = 0.0
    squares = 0.0
    for i in range(n):
        total += size[i]
        squares += size[i] * size[i]
        if size[i] == 0.0:
            continue
        for j in range(i):
            product = size[i] * size[j]
            if product == 0.0:
                continue
            c = (x[i] * x[j] + y[i] * y[j] + z[i] * z[j]) / product
            c2 = c * c
            ratio[1] += 2.0 * product * c
            ratio[2] += product * (3.0 * c2 - 1.0)
            ratio[3] += product * (5.0 * c2 - 3.0) * c
            ratio[4] += product * (35.0 * c2 * c2 - 30.0 * c2 + 3.0) / 4.0
    if total == 0.0:
        return
    for order in range(1, len(ratio)):
        ratio[order] = (ratio[order] + squares) / (total * total)
    ratio[0] = 1.0


@borrowing_part
def _thrust(x, y, z, total, axis):  # type: ignore[no-untyped-def]  # compiled: takes arrays one by one
    """Exact thrust. At the maximum the momenta fall into two hemispheres, and thrust = 2 |Σ of one| / Σ|p| when
    momenta balance, in general |Σ s_i p_i| / Σ|p| with the signs s_i of the side of a plane. Every such division is
    reached by a plane through two of the momenta, with these two on either side: all of them are tried.
    """
    n = len(x)
    best = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            nx = y[i] * z[j] - z[i] * y[j]
            ny = z[i] * x[j] - x[i] * z[j]
            nz = x[i] * y[j] - y[i] * x[j]
            sx, sy, sz = 0.0, 0.0, 0.0
            for k in range(n):
                if k in (i, j):
                    continue
                sign = 1.0 if nx * x[k] + ny * y[k] + nz * z[k] > 0.0 else -1.0
                sx += sign * x[k]
                sy += sign * y[k]
                sz += sign * z[k]
            for sign_i in (-1.0, 1.0):
                for sign_j in (-1.0, 1.0):
                    tx = sx + sign_i * x[i] + sign_j * x[j]
                    ty = sy + sign_i * y[i] + sign_j * y[j]
                    tz = sz + sign_i * z[i] + sign_j * z[j]
                    square = tx * tx + ty * ty + tz * tz
                    if square > best:
                        best = square
                        axis[0], axis[1], axis[2] = tx, ty, tz
    if n == 1:
        best = x[0] * x[0] + y[0] * y[0] + z[0] * z[0]
        axis[0], axis[1], axis[2] = x[0], y[0], z[0]
    if best == 0.0:
        return 0.0
    length = math.sqrt(best)
    if axis[2] < 0.0:
        length = -length
    for a in range(3):
        axis[a] /= length
    return math.sqrt(best) / total


@kernel
def _shapes(offsets, px, py, pz, fox_wolfram, thrust, axis, tensor):  # type: ignore[no-untyped-def]  # compiled
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        x, y, z = px[start:stop], py[start:stop], pz[start:stop]
        size = np.sqrt(x * x + y * y + z * z)
        total = size.sum()
        if total == 0.0:
            continue
        _fox_wolfram(x, y, z, size, fox_wolfram[event])
        thrust[event] = _thrust(x, y, z, total, axis[event])
        p = (x, y, z)
        squares = (size * size).sum()
        for a in range(3):
            for b in range(a + 1):
                element = (p[a] * p[b]).sum() / squares
                tensor[event, a, b] = element
                tensor[event, b, a] = element


def event_shapes(offsets: ArrayLike, px: ArrayLike, py: ArrayLike, pz: ArrayLike) -> EventShapes:
    """Shape variables of some events from the momenta of their particles.

    Parameters
    ----------
    offsets : (n_events + 1,) int; event i owns the particles ``offsets[i]:offsets[i + 1]``.
    px, py, pz : (n_particles,) momenta in the rest frame of the collision, in GeV, finite.

    Notes
    -----
    R_l = H_l/H_0 with H_l = Σ_ij |p_i||p_j| P_l(cos θ_ij), i = j included (Fox and Wolfram,
    doi:10.1103/PhysRevLett.41.1581). Thrust: Farhi, doi:10.1103/PhysRevLett.39.1587; the exact maximum by planes
    through pairs of momenta as in Brandt and Dahmen, doi:10.1007/BF01450381, O(n³). Sphericity: Bjorken and Brodsky,
    doi:10.1103/PhysRevD.1.1416.

    Examples
    --------
    >>> shapes = event_shapes([0, 2], [0.0, 0.0], [0.0, 0.0], [1.0, -1.0])
    >>> float(shapes.R2[0]), float(shapes.thrust[0]), float(shapes.sphericity[0])
    (1.0, 1.0, 0.0)
    """
    bounds = np.asarray(offsets, dtype=np.int64)
    momenta = [np.ascontiguousarray(component, dtype=np.float64) for component in (px, py, pz)]
    n_events = len(bounds) - 1
    fox_wolfram = np.zeros((n_events, HIGHEST_MOMENT + 1))
    thrust = np.zeros(n_events)
    axis = np.zeros((n_events, 3))
    tensor = np.zeros((n_events, 3, 3))
    _shapes(bounds, momenta[0], momenta[1], momenta[2], fox_wolfram, thrust, axis, tensor)
    eigenvalues = np.linalg.eigvalsh(tensor).clip(min=0.0)
    return EventShapes(
        R2=fox_wolfram[:, 2],
        thrust=thrust,
        thrust_axis=axis,
        sphericity=1.5 * (eigenvalues[:, 0] + eigenvalues[:, 1]),
        aplanarity=1.5 * eigenvalues[:, 0],
        fox_wolfram=fox_wolfram,
    )
