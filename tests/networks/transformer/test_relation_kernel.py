"""Relations of particles as they are walked in the kernel, read as plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.networks.transformer.relation_kernel import (
    MANY_STEPS,
    N_RELATIONS,
    REACH,
    SHARED_KINDS,
    find_lineages,
    find_relations,
)


def relations(mother: list[int]) -> np.ndarray:
    n = len(mother)
    lineage, depth, stamp = np.zeros((n, REACH + 1), np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    relation = np.zeros((n, n), np.int64)
    find_lineages.py_func(np.array(mother), n, lineage, depth, stamp)
    find_relations.py_func(n, lineage, depth, stamp, relation)
    return relation


def parts(number: int) -> tuple[int, int, int]:
    """(steps up, steps down, shared) of a relation's number."""
    steps, shared = divmod(int(number), SHARED_KINDS)
    return (*divmod(steps, MANY_STEPS + 1), shared)


def test_mother_daughter_sister_and_stranger() -> None:
    found = relations([-1, 0, 0, 1, -1])
    assert parts(found[3, 1])[:2] == (1, 0), "the mother is one step up"
    assert parts(found[1, 3])[:2] == (0, 1), "the daughter is one step down"
    assert parts(found[1, 2])[:2] == (1, 1), "the sister is up and down"
    assert parts(found[0, 0]) == (0, 0, 1)
    assert parts(found[0, 4])[2] == 0, "nothing is shared with another tree"
    assert parts(found[3, 3])[2] == SHARED_KINDS - 1


def test_far_relatives_count_as_many_steps() -> None:
    found = relations([-1, 0, 1, 2, 3, 4])
    assert parts(found[5, 0])[:2] == (MANY_STEPS, 0)
    assert parts(found[0, 5])[:2] == (0, MANY_STEPS)


@given(st.lists(st.integers(-1, 11), min_size=1, max_size=12))
def test_any_mothers_end_and_are_seen_alike_from_both_sides(mothers: list[int]) -> None:
    """Also circles, and particles that are their own mother."""
    mother = [above if above < len(mothers) else -1 for above in mothers]
    found = relations(mother)
    assert ((found >= 0) & (found < N_RELATIONS)).all()
    for i in range(len(mother)):
        for j in range(len(mother)):
            up, down, shared = parts(found[i, j])
            assert parts(found[j, i]) == (down, up, shared)
