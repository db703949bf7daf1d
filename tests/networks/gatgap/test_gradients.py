"""Compiled gradients, at the places where a formula of its own applies: lone nodes, empty events, long families."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model
from smartbkg.networks.gatgap.kernels import CHUNK_NODES

SMALL = {"architecture": "gatgap", "units": 16, "attention_heads": 2, "n_layers": 2, "num_pdg": 20}


def star(n: int) -> DecayGraphs:
    """One mother with all others as daughters."""
    graphs = random_graphs(7, [n])
    return graphs._replace(mother=np.where(np.arange(n) == 0, -1, 0).astype(np.int32))


@pytest.mark.parametrize(
    "graphs",
    [random_graphs(1, [1, 0, 1]), star(40), random_graphs(2, [CHUNK_NODES + 7, 3, CHUNK_NODES])],
    ids=["lone and empty", "forty daughters", "over chunks"],
)
@pytest.mark.parametrize("use_gap", [True, False])
def test_compiled_gradients_are_those_of_torchs_operations(graphs: DecayGraphs, use_gap: bool) -> None:
    torch.manual_seed(3)
    model = build_model(SMALL | {"use_gap": use_gap}).double()
    batch = collate(graphs)
    batch = batch._replace(feature=batch.feature.double())
    found = []
    for is_compiled in (True, False):
        model.is_compiled = is_compiled
        feature = batch.feature.clone().requires_grad_()
        model.zero_grad()
        (model(batch._replace(feature=feature)) ** 2).sum().backward()
        assert feature.grad is not None
        parameters = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append({"feature": feature.grad} | parameters)
    for name, value in found[1].items():
        other = found[0].get(name, torch.zeros_like(value))  # the gate's bias: the softmax does not depend on it
        torch.testing.assert_close(other, value, rtol=1e-9, atol=1e-11, msg=name)
