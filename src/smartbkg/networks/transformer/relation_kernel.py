"""The relation of each pair of particles, compiled; `smartbkg.networks.transformer.relations` explains the numbers.

Here the ancestors of a particle are walked and counted; there, in torch, they are powers of a matrix.
"""

from __future__ import annotations

from typing import Final

from smartbkg.compilation import part

#: Steps up or down are told apart up to this number; more count as many.
MANY_STEPS: Final = 3
#: No common ancestor, the root alone, or more (the same B).
SHARED_KINDS: Final = 3
N_RELATIONS: Final = (MANY_STEPS + 1) ** 2 * SHARED_KINDS
#: Squarings of the ancestor matrix in torch, and the generations that they reach; decay chains have fewer than 20.
SQUARINGS: Final = 5
REACH: Final = 2**SQUARINGS


@part
def find_lineages(mother, n, lineage, depth, stamp):  # type: ignore[no-untyped-def]
    """Each particle and its ancestors, up to `REACH` generations; a circle of mothers is left when it closes.

    Parameters
    ----------
    mother : (n,) position within the event, -1 or the particle itself where there is none.
    lineage : (n, `REACH` + 1) out, positions.
    depth : (n,) out, how many of them.
    stamp : (n,) workspace.
    """
    for i in range(n):
        stamp[i] = -1
    for i in range(n):
        count, current = 0, i
        while count <= REACH:
            lineage[i, count] = current
            stamp[current] = i
            count += 1
            above = mother[current]
            if above < 0 or above == current or stamp[above] == i:
                break
            current = above
        depth[i] = count


@part
def find_relations(n, lineage, depth, stamp, relation):  # type: ignore[no-untyped-def]
    """``relation[i, j]``: what particle j is to particle i, in [0, `N_RELATIONS`).

    Parameters
    ----------
    lineage, depth : as `find_lineages` leaves them.
    stamp : (n,) workspace.
    relation : (n, n) out, integers.
    """
    for i in range(n):
        stamp[i] = -1
    for i in range(n):
        for k in range(depth[i]):
            stamp[lineage[i, k]] = i
        for j in range(i, n):
            common = 0
            for k in range(depth[j]):
                common += stamp[lineage[j, k]] == i
            up, down = min(depth[i] - common, MANY_STEPS), min(depth[j] - common, MANY_STEPS)
            shared = min(common, SHARED_KINDS - 1)
            relation[i, j] = (up * (MANY_STEPS + 1) + down) * SHARED_KINDS + shared
            relation[j, i] = (down * (MANY_STEPS + 1) + up) * SHARED_KINDS + shared


__all__ = ["MANY_STEPS", "N_RELATIONS", "REACH", "SHARED_KINDS", "SQUARINGS", "find_lineages", "find_relations"]
