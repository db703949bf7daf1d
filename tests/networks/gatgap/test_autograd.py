"""The compiled layers behind torch's autograd: buffers, order of gradients, and what is refused."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model
from smartbkg.networks.gatgap.autograd import _Buffers

SMALL = {"architecture": "gatgap", "units": 16, "attention_heads": 3, "n_layers": 2, "num_pdg": 20}


def test_a_buffer_returns_when_its_last_reference_is_dropped_and_is_given_out_again() -> None:
    buffers = _Buffers()
    first = buffers.borrow(1000, np.dtype(np.float32))
    address = first.ctypes.data
    other = buffers.borrow(1000, np.dtype(np.float32))
    assert other.ctypes.data != address, "memory that is still in use was given out"
    del first
    gc.collect()
    assert buffers.borrow(900, np.dtype(np.float32)).ctypes.data == address
    del other
    gc.collect()
    again = buffers.borrow(500, np.dtype(np.float64))
    assert again.shape == (500,)
    assert again.dtype == np.float64


def test_evaluation_stores_no_activations_and_gives_the_logits_of_training() -> None:
    torch.manual_seed(0)
    model, batch = build_model(SMALL), collate(random_graphs(3, [5, 2, 9]))
    with torch.inference_mode():
        evaluated = model(batch)
    trained = model(batch)
    torch.testing.assert_close(evaluated, trained.detach(), rtol=0, atol=0)
    trained.sum().backward()
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all()
        for n, p in model.named_parameters()
        if "gap_gate.bias" not in n
    )


def test_a_second_derivative_is_refused_rather_than_wrong() -> None:
    torch.manual_seed(0)
    model, batch = build_model(SMALL), collate(random_graphs(3, [5]))
    feature = batch.feature.clone().requires_grad_()
    logits = model(batch._replace(feature=feature)).sum()
    (slope,) = torch.autograd.grad(logits, feature, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()  # type: ignore[no-untyped-call]


def test_gradients_of_a_batch_are_the_sums_of_those_of_its_events() -> None:
    torch.manual_seed(0)
    model = build_model(SMALL).double()
    graphs = random_graphs(4, [6, 3])
    whole = collate(graphs)
    whole = whole._replace(feature=whole.feature.double())

    def gradients(batch) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
        model.zero_grad()
        model(batch).sum().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    from smartbkg.graphs.collate import select_graphs

    total = gradients(whole)
    parts = []
    for event in range(2):
        one = collate(select_graphs(graphs, [event]))
        parts.append(gradients(one._replace(feature=one.feature.double())))
    for name, value in total.items():
        torch.testing.assert_close(value, parts[0][name] + parts[1][name])
