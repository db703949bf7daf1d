"""GATGAP: the reference's numbers, the compiled layers, and what an event may look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs, reference_graphs

from smartbkg.errors import ModelError
from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import GraphBatch, collate, select_graphs
from smartbkg.networks import build_model
from smartbkg.networks.gatgap.network import GATGAP
from smartbkg.networks.upstream import load_state_dict_file

SMALL = {"architecture": "gatgap", "units": 16, "attention_heads": 3, "n_layers": 3, "num_pdg": 20}


def small_model(**changes: object) -> GATGAP:
    torch.manual_seed(3)
    model = build_model(SMALL | changes)
    assert isinstance(model, GATGAP)
    return model


def logits_and_gradients(
    model: GATGAP, batch: GraphBatch, is_compiled: bool
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.is_compiled = is_compiled
    model.zero_grad()
    logits = model(batch)
    (logits * torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).reshape(logits.shape)).sum().backward()
    gradients = {name: weights.grad for name, weights in model.named_parameters() if weights.grad is not None}
    return logits.detach(), {name: gradient.clone() for name, gradient in gradients.items()}


@pytest.mark.parametrize("is_compiled", [True, False])
def test_logits_are_those_of_upstream(reference_data: Path, is_compiled: bool) -> None:
    model = load_state_dict_file(reference_data / "gatgap" / "reference.pth").build()
    assert isinstance(model, GATGAP)
    model.is_compiled = is_compiled
    graphs, expected = reference_graphs(reference_data)
    with torch.no_grad():
        logits = model(collate(graphs)).numpy()[:, 0]
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("use_gap", [True, False])
def test_compiled_layers_equal_torch_in_logits_and_gradients(use_gap: bool) -> None:
    model = small_model(use_gap=use_gap, n_skims=2).double()
    batch = collate(random_graphs(seed=1, counts=[5, 0, 41, 1, 200, 17]))
    batch = batch._replace(feature=batch.feature.double())
    compiled_logits, compiled_gradients = logits_and_gradients(model, batch, is_compiled=True)
    logits, gradients = logits_and_gradients(model, batch, is_compiled=False)
    torch.testing.assert_close(compiled_logits, logits, rtol=1e-11, atol=1e-12)
    for name, gradient in compiled_gradients.items():
        torch.testing.assert_close(gradient, gradients[name], rtol=1e-9, atol=1e-12, msg=name)
    # The bias of a gate moves all gates of an event: the softmax over them takes no notice.
    without = {f"gat_layers.{layer}.gap_gate.bias" for layer in range(3)} if use_gap else set()
    assert set(gradients) - set(compiled_gradients) == without
    assert all(gradients[name].abs().max() < 1e-12 for name in without)


def test_compiled_gradients_are_those_of_finite_differences() -> None:
    model = small_model(n_layers=2).double()
    batch = collate(random_graphs(seed=2, counts=[6, 3, 0, 1]))
    feature = batch.feature.double().requires_grad_()
    names, weights = zip(*[(k, w) for k, w in model.named_parameters() if "gap_gate.bias" not in k], strict=True)

    def logits(feature: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        replaced = dict(zip(names, weights, strict=True))
        result: torch.Tensor = torch.func.functional_call(model, replaced, (batch._replace(feature=feature),))
        return result

    assert torch.autograd.gradcheck(logits, (feature, *weights), fast_mode=True, atol=1e-7)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_gradients_by_rounding_only(threads: int) -> None:
    model, batch = small_model(), collate(random_graphs(seed=4, counts=[41] * 9))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        _, expected = logits_and_gradients(model, batch, is_compiled=True)
        torch.set_num_threads(threads)
        _, gradients = logits_and_gradients(model, batch, is_compiled=True)
    finally:
        torch.set_num_threads(before)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_training_steps_are_the_same_compiled_or_not() -> None:
    batch = collate(random_graphs(seed=5, counts=[30] * 32))
    target = (torch.arange(32) % 2).float()
    losses = []
    for is_compiled in (True, False):
        model = small_model()
        model.is_compiled = is_compiled
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(10):
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(batch)[:, 0], target)
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_score_depends_neither_on_the_batch_nor_on_the_order_of_sisters(is_compiled: bool) -> None:
    model = small_model()
    model.is_compiled = is_compiled
    graphs = random_graphs(seed=6, counts=[12, 30, 7])
    with torch.no_grad():
        together = model(collate(graphs))
        alone = torch.cat([model(collate(select_graphs(graphs, [i]))) for i in (2, 0, 1)])
        shuffled = model(collate(permuted(graphs, event=1)))
    torch.testing.assert_close(together[[2, 0, 1]], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, shuffled, rtol=1e-4, atol=1e-5)


def permuted(graphs: DecayGraphs, event: int) -> DecayGraphs:
    """The same events, the nodes of one in another order."""
    start, stop = int(graphs.offsets[event]), int(graphs.offsets[event + 1])
    order = np.random.default_rng(0).permutation(stop - start)
    place = np.argsort(order)
    token, feature, mother = graphs.token.copy(), graphs.feature.copy(), graphs.mother.copy()
    token[start:stop] = graphs.token[start:stop][order]
    feature[start:stop] = graphs.feature[start:stop][order]
    moved = graphs.mother[start:stop][order]
    mother[start:stop] = np.where(moved >= 0, place[moved], -1)
    return graphs._replace(token=token, feature=feature, mother=mother)


def test_an_event_without_nodes_is_scored_by_the_biases_alone() -> None:
    model = small_model()
    batch = collate(random_graphs(seed=7, counts=[0, 0]))
    state = torch.zeros(1, 16)
    for index, layer in enumerate(model.gat_layers):
        joined = torch.zeros(1, 48) if index == 0 else torch.cat((state, torch.zeros(1, 48)), dim=1)
        state = torch.nn.functional.leaky_relu(layer.fc(joined))  # type: ignore[operator]
    for model.is_compiled in (True, False):
        torch.testing.assert_close(model(batch), model.fc_output(state).expand(2, 1))


def test_wrong_configurations_name_the_nearest_choice() -> None:
    with pytest.raises(ModelError, match="did you mean 'gatgap'"):
        build_model({"architecture": "gatgab"})
    with pytest.raises(ModelError, match=r"unknown key 'unit': did you mean 'units'"):
        build_model({"architecture": "gatgap", "unit": 3})
    with pytest.raises(ModelError, match="units = 0"):
        build_model({"architecture": "gatgap", "units": 0})
    with pytest.raises(ModelError, match="without 'architecture'"):
        build_model({"units": 32})
