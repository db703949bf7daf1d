"""Attention to the family and pooling, against sums written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs.collate import collate
from smartbkg.networks.layers import attend_to_family, pool_with_gate, pool_with_mean, sum_over_events

GRAPHS = random_graphs(4, [5, 0, 3])
BATCH = collate(GRAPHS)
N, HEADS, UNITS = 8, 2, 3
torch.manual_seed(0)
NODE = torch.randn(N, HEADS * UNITS, dtype=torch.float64)
SOURCE, TARGET = torch.randn(2, HEADS, UNITS, dtype=torch.float64)


def family(node: int) -> list[tuple[int, int]]:
    """(member, edge type) of itself, its mother, its daughters."""
    mother = BATCH.mother.tolist()
    members = [(node, 0)] + ([(mother[node], 1)] if mother[node] >= 0 else [])
    return members + [(other, 2) for other in range(N) if mother[other] == node]


@pytest.mark.parametrize("bias", [None, torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 0.3]], dtype=torch.float64)])
def test_attention_is_the_softmax_over_the_family_pair_by_pair(bias: torch.Tensor | None) -> None:
    found = attend_to_family(NODE, SOURCE, TARGET, BATCH, bias).view(N, HEADS, UNITS)
    split = NODE.view(N, HEADS, UNITS)
    for node in range(N):
        for head in range(HEADS):
            logits = []
            for member, kind in family(node):
                raw = float(split[member, head] @ SOURCE[head] + split[node, head] @ TARGET[head])
                logits.append((raw if raw > 0 else 0.2 * raw) + (0.0 if bias is None else float(bias[kind, head])))
            weight = np.exp(logits) / np.exp(logits).sum()
            expected = sum(w * split[member, head] for w, (member, _) in zip(weight, family(node), strict=True))
            torch.testing.assert_close(found[node, head], expected)


def test_logits_too_large_for_the_exponential_stay_finite() -> None:
    found = attend_to_family(NODE * 1e4, SOURCE, TARGET, BATCH)
    assert torch.isfinite(found).all()


def test_pooling_is_per_event_and_empty_events_are_zero() -> None:
    gate = torch.randn(N, dtype=torch.float64)
    pooled, mean, total = pool_with_gate(NODE, gate, BATCH), pool_with_mean(NODE, BATCH), sum_over_events(NODE, BATCH)
    for event, nodes in ((0, slice(0, 5)), (2, slice(5, 8))):
        weight = torch.softmax(gate[nodes], dim=0)
        torch.testing.assert_close(pooled[event], weight @ NODE[nodes])
        torch.testing.assert_close(mean[event], NODE[nodes].mean(dim=0))
        torch.testing.assert_close(total[event], NODE[nodes].sum(dim=0))
    for values in (pooled, mean, total):
        assert (values[1] == 0).all()


def test_a_common_shift_of_all_gates_changes_nothing() -> None:
    gate = torch.randn(N, dtype=torch.float64)
    torch.testing.assert_close(pool_with_gate(NODE, gate, BATCH), pool_with_gate(NODE, gate + 500.0, BATCH))
