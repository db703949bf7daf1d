"""How two particles of an event are related, as a small number that attention can learn a bias for.

From the ancestors of both: how many steps up from the first to their closest common ancestor, how many steps down from
there to the second, and how much they share. Mother is (1 up, 0 down), daughter (0, 1), sibling (1, 1); sharing nothing
but the root tells the two B mesons of an Υ(4S) event apart.
"""

from __future__ import annotations

import torch

from smartbkg.networks.transformer.relation_kernel import MANY_STEPS, N_RELATIONS, SHARED_KINDS, SQUARINGS


def ancestors_or_self(mother: torch.Tensor) -> torch.Tensor:
    """Whether particle j is particle i itself or one of its ancestors.

    Parameters
    ----------
    mother : (..., n) int64 position of each particle's mother among the n, -1 where there is none.

    Returns
    -------
    (..., n, n) float of 0 and 1. Mothers that run in a circle are ancestors of one another; nothing loops.
    """
    n = mother.shape[-1]
    positions = torch.arange(n, device=mother.device)
    is_mother = mother.unsqueeze(-1) == positions
    reach = (is_mother | (positions.unsqueeze(-1) == positions)).to(torch.float32)
    for _ in range(SQUARINGS):
        reach = (torch.matmul(reach, reach) > 0).to(torch.float32)
    return reach


def relations(mother: torch.Tensor) -> torch.Tensor:
    """The relation of each pair of particles.

    Parameters
    ----------
    mother : (..., n) int64 position of each particle's mother among the n, -1 where there is none.

    Returns
    -------
    (..., n, n) int64 in [0, `N_RELATIONS`): entry (i, j) says what particle j is to particle i.
    """
    lineage = ancestors_or_self(mother)
    common = torch.matmul(lineage, lineage.transpose(-1, -2))
    depth = lineage.sum(dim=-1)
    up = (depth.unsqueeze(-1) - common).clamp(0, MANY_STEPS).to(torch.int64)
    down = (depth.unsqueeze(-2) - common).clamp(0, MANY_STEPS).to(torch.int64)
    shared = common.clamp(0, SHARED_KINDS - 1).to(torch.int64)
    return (up * (MANY_STEPS + 1) + down) * SHARED_KINDS + shared


__all__ = ["MANY_STEPS", "N_RELATIONS", "SHARED_KINDS", "ancestors_or_self", "relations"]
