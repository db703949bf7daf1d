"""Relations in torch: powers of a matrix, the same numbers as the walk."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks.transformer.test_relation_kernel import relations as walked

from smartbkg.networks.transformer.relation_kernel import REACH
from smartbkg.networks.transformer.relations import ancestors_or_self, relations


def test_ancestors_reach_as_far_as_promised_and_padding_has_none() -> None:
    chain = torch.arange(-1, REACH)
    reach = ancestors_or_self(chain)
    assert torch.equal(reach, torch.tril(torch.ones(REACH + 1, REACH + 1)))
    alone = ancestors_or_self(torch.tensor([[-1, -1], [-1, 0]]))
    assert torch.equal(alone[0], torch.eye(2))
    assert alone[1].tolist() == [[1, 0], [1, 1]]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=11))
def test_trees_have_the_relations_that_the_kernel_walks(choices: list[int]) -> None:
    mother = [choice % (i + 1) - 1 for i, choice in enumerate(choices)]
    np.testing.assert_array_equal(relations(torch.tensor(mother)).numpy(), walked(mother))
