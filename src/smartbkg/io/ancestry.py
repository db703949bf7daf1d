"""Mothers in records that name several parents a particle and hold entries that are no particles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel


@kernel
def _walk(counts, n_parents, parents, is_documentation, mother):  # type: ignore[no-untyped-def]  # compiled
    start, k = 0, 0
    first = np.empty(len(n_parents) + 1, np.int64)
    for i in range(len(n_parents)):
        first[i] = k
        k += n_parents[i]
    first[len(n_parents)] = k
    for event in range(len(counts)):
        for i in range(counts[event]):
            mother[start + i] = -1
            at, n_steps = np.int64(i), 0
            while mother[start + i] < 0 and at >= 0 and n_steps <= counts[event]:
                above = np.int64(-1)
                for place in range(first[start + at], first[start + at + 1]):
                    parent = parents[place]
                    if parent < 0 or parent >= counts[event]:
                        continue
                    if above < 0:
                        above = parent
                    if mother[start + i] < 0 and (is_documentation[start + i] or not is_documentation[start + parent]):
                        mother[start + i] = parent
                at = above
                n_steps += 1
        start += counts[event]


def nearest_mothers(
    counts: NDArray[np.int64],
    n_parents: NDArray[np.int64],
    parents: NDArray[np.int64],
    is_documentation: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """The nearest ancestor that is a particle; a documentation entry's mother is its first parent of any kind.

    The rule of `smartbkg.io.hepmc.tree`: the first parent that is no documentation, else on from the first parent.

    Parameters
    ----------
    counts : (n_events,) particles per event.
    n_parents : (n_particles,) parents a particle.
    parents : (sum of n_parents,) positions in the event; those outside of it count as none.
    is_documentation : (n_particles,) True for entries that are no particles.

    Returns
    -------
    (n_particles,) int32 position in the event, -1 for none.
    """
    mother = np.empty(len(n_parents), dtype=np.int32)
    walk: Any = _walk
    walk(counts, n_parents, parents.astype(np.int64), is_documentation, mother)
    return mother


__all__ = ["nearest_mothers"]
