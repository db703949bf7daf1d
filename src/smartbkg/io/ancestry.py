"""Mothers in records that name several parents per particle and hold entries that are no particles."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part

_UNKNOWN: Final = -2


@part
def _parents(at, event_start, n_here, first, parents, is_documentation):  # type: ignore[no-untyped-def]
    """The first parent of any kind and the first that is a particle, as positions in the event, -1 for none."""
    above, particle = np.int64(-1), np.int64(-1)
    for place in range(first[event_start + at], first[event_start + at + 1]):
        parent = parents[place]
        if parent < 0 or parent >= n_here:
            continue
        if above < 0:
            above = parent
        if particle < 0 and not is_documentation[event_start + parent]:
            particle = parent
    return above, particle


@kernel
def _walk(counts, n_parents, parents, is_documentation, mother):  # type: ignore[no-untyped-def]  # compiled
    start, k = 0, 0
    first = np.empty(len(n_parents) + 1, np.int64)
    for i in range(len(n_parents)):
        first[i] = k
        k += n_parents[i]
    first[len(n_parents)] = k
    # What was found for an entry serves all that descend from it, so that the time does not grow with the depth.
    known = np.full(len(n_parents), _UNKNOWN, np.int64)
    for event in range(len(counts)):
        n_here = counts[event]
        for i in range(n_here):
            above, found = _parents(i, start, n_here, first, parents, is_documentation)
            if is_documentation[start + i]:
                mother[start + i] = above
                continue
            n_steps = 0
            while found < 0 and above >= 0 and known[start + above] == _UNKNOWN and n_steps <= n_here:
                above, found = _parents(above, start, n_here, first, parents, is_documentation)
                n_steps += 1
            if found < 0 and above >= 0:
                found = max(known[start + above], np.int64(-1))
            mother[start + i] = found
            at = np.int64(i)
            for _ in range(n_steps + 1):
                known[start + at] = found
                at, _particle = _parents(at, start, n_here, first, parents, is_documentation)
        start += n_here


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
    n_parents : (n_particles,) parents per particle.
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
