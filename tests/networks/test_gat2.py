"""The better graph attention: an event state that joins the families, and edges told apart."""

from __future__ import annotations

import numpy as np
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.events.columns import PROCESSES
from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model
from smartbkg.networks.gat2 import N_EDGE_TYPES

SMALL = {"architecture": "gat2", "width": 16, "heads": 2, "n_layers": 2}


def network() -> torch.nn.Module:
    torch.manual_seed(2)
    return build_model(SMALL).eval()


def logits(model: torch.nn.Module, graphs: DecayGraphs, process: int = 0) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(model(collate(graphs, np.full(graphs.n_events, process))))[:, 0]


def test_particles_of_different_trees_know_of_one_another_through_the_state() -> None:
    """Two families without a common ancestor: what is in the one changes how the other is read."""
    model = network()
    two = random_graphs(1, [6])._replace(mother=np.array([-1, 0, 0, -1, 3, 3], dtype=np.int32))
    grad = torch.from_numpy(two.feature.copy()).requires_grad_()
    batch = collate(two)._replace(feature=grad)
    hidden: list[torch.Tensor] = []
    model.layers[-1].register_forward_hook(lambda *arguments: hidden.append(arguments[2][0]))
    model(batch)
    (jacobian,) = torch.autograd.grad(hidden[0][1].sum(), grad)  # the second particle, of the first family
    assert (jacobian[3:].abs().sum(dim=1) > 0).all()


def test_the_process_and_an_unknown_one_are_told_apart() -> None:
    model, graphs = network(), random_graphs(1, [5])
    values = {float(logits(model, graphs, process)[0]) for process in (-1, *range(len(PROCESSES)))}
    assert len(values) == len(PROCESSES) + 1


def test_edge_types_change_a_logit_only_where_there_is_such_an_edge() -> None:
    model, graphs = network(), random_graphs(1, [5])
    lonely = graphs._replace(mother=np.full(5, -1, dtype=np.int32))
    before, before_lonely = logits(model, graphs), logits(model, lonely)
    with torch.no_grad():
        for layer in model.layers:
            assert layer.edge_bias.shape[0] == N_EDGE_TYPES
            layer.edge_bias[1:] += 3.0  # of mothers and daughters
    assert abs(logits(model, graphs) - before)[0] > 1e-5
    np.testing.assert_allclose(logits(model, lonely), before_lonely, rtol=1e-6)
