"""Who evaluates a network: one rule for filter, evaluation and training."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.errors import UsageError
from smartbkg.networks import build_model, parse_config
from smartbkg.networks.backends import TorchBackend, has_kernels, make_backend, trains_in_kernels
from smartbkg.networks.bundle import state_of
from smartbkg.networks.gatgap.runtime import CompiledGATGAP
from smartbkg.networks.kernels.matrix import PANEL


def backend_of(content, **options):
    config = parse_config(content)
    torch.manual_seed(0)
    model = build_model(config)
    return make_backend(config, state=lambda: state_of(model), network=lambda: model, **options)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"architecture": "gatgap", "units": 7}, True),
        ({"architecture": "transformer"}, True),
        ({"architecture": "transformer", "width": 24, "heads": 4}, False),
        ({"architecture": "gat2"}, False),
        ({"architecture": "deepset"}, False),
    ],
    ids=str,
)
def test_kernels_are_chosen_for_the_widths_that_they_run(content, expected):
    assert has_kernels(parse_config(content)) is expected


def test_the_choice_is_made_by_device_and_width():
    assert isinstance(backend_of({"architecture": "gatgap", "n_layers": 1}), CompiledGATGAP)
    assert isinstance(backend_of({"architecture": "transformer", "width": 24, "heads": 4}), TorchBackend)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cpuu"}, "unknown device 'cpuu': did you mean 'cpu'"),
        ({"threads": 0}, "threads = 0, expected 1 or more"),
    ],
)
def test_impossible_devices_and_threads_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        backend_of({"architecture": "gatgap", "n_layers": 1}, **options)


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_a_users_mistake():
    for device in ("cuda:1", "mps"):
        with pytest.raises(UsageError, match=f"device '{device}'.* sees no GPU; use 'cpu'"):
            backend_of({"architecture": "gatgap", "n_layers": 1}, device=device)


def test_torch_evaluates_a_network_in_training_and_leaves_it_in_training():
    config = parse_config({"architecture": "deepset", "units": 8, "num_features": 8})
    model = build_model(config).train()
    graphs = random_graphs(1, [3, 0, 5])
    logits = TorchBackend(config, model)(graphs, np.full(3, -1))
    assert logits.shape == (3, 1)
    assert logits.dtype == np.float32
    assert model.training
    assert not any(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("inputs", "head_units", "expected"),
    [
        (torch.zeros(3, 4), 16, True),
        (torch.zeros(3, 4, dtype=torch.float64), 32, True),
        (torch.zeros(3, 4), 8, False),
        (torch.zeros(3, 4, dtype=torch.bfloat16), 16, False),
        (torch.nn.Parameter(torch.zeros(3, 4)), 16, False),
    ],
)
def test_gradients_are_compiled_for_plain_floats_and_whole_panels(inputs, head_units, expected):
    assert trains_in_kernels(inputs, head_units) is expected


@pytest.mark.parametrize("is_compiling", [False, True])
def test_torch_of_a_release_is_asked_where_it_says_that_it_is_compiling(
    monkeypatch: pytest.MonkeyPatch, is_compiling: bool
) -> None:
    """torch before 2.3 has no `torch.compiler.is_compiling`, and every training ended in an AttributeError."""
    monkeypatch.delattr(torch.compiler, "is_compiling")
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    assert trains_in_kernels(torch.zeros(3, 8), 2 * PANEL)
    monkeypatch.setitem(sys.modules, "torch._dynamo", SimpleNamespace(is_compiling=lambda: is_compiling))
    assert trains_in_kernels(torch.zeros(3, 8), 2 * PANEL) is not is_compiling
