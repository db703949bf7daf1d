"""The compiled transformer gives torch's logits, whatever the event, the configuration and the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.graphs_for_tests import random_graphs
from synthetic import random_events

from smartbkg.errors import ModelError
from smartbkg.events import EventBatch
from smartbkg.experiment.generator import generate_events
from smartbkg.graphs import DecayGraphs, GraphRule, build_graphs
from smartbkg.models import ModelBundle, build_model
from smartbkg.models.bundle import state_of
from smartbkg.models.runtime import Backend, TorchBackend, scorer_of
from smartbkg.models.transformer_runtime import CompiledTransformer, state_shapes


def bundle(**config: object) -> ModelBundle:
    """A transformer of three skims whose norms and biases are not those of the start."""
    torch.manual_seed(3)
    model = build_model({"architecture": "transformer", "n_skims": 3, **config})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return ModelBundle(model.config, state_of(model), skims=("a", "b", "c"))


def backend(model: ModelBundle, threads: int = 1) -> Backend:
    return scorer_of(model, threads=threads).backend


def processes(n_events: int) -> np.ndarray:
    """All seven and the unknown one."""
    return np.arange(n_events) % 8 - 1


def generated(n_events: int = 60) -> DecayGraphs:
    return build_graphs(EventBatch.concatenate(list(generate_events("mixed", n_events, 1))), GraphRule())


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"is_azimuth_invariant": False},
        {"width": 32, "heads": 2, "n_layers": 1, "expansion": 3},
        {"width": 32, "heads": 1, "emb_size": 5},
    ],
    ids=str,
)
def test_compiled_logits_are_those_of_torch(config):
    model, graphs = bundle(**config), generated()
    compiled = backend(model)
    assert isinstance(compiled, CompiledTransformer)
    expected = TorchBackend(model)(graphs, processes(graphs.n_events))
    assert np.ptp(expected) > 0.1
    assert np.abs(compiled(graphs, processes(graphs.n_events)) - expected).max() < 1e-5


def test_widths_without_kernels_run_in_torch():
    model = bundle(width=24, heads=3)
    assert isinstance(backend(model), TorchBackend)


def test_events_of_all_sizes():
    model = bundle()
    graphs = random_graphs(5, [0, 1, 2, 15, 16, 17, 0, 300, 40], n_tokens=500)
    process = processes(graphs.n_events)
    assert np.allclose(backend(model)(graphs, process), TorchBackend(model)(graphs, process), atol=2e-5)


def test_mothers_in_a_circle_and_chains_beyond_the_reach():
    model, counts = bundle(), [3, 60]
    source = random_graphs(6, counts, n_tokens=20)
    mother = np.concatenate([[1, 2, 0], np.arange(-1, 59)]).astype(np.int32)
    graphs = source._replace(mother=mother)
    process = processes(2)
    assert np.allclose(backend(model)(graphs, process), TorchBackend(model)(graphs, process), atol=2e-5)


def test_neither_threads_nor_neighbours_change_a_logit():
    model = bundle()
    events = random_events(40, seed=2)
    graphs, process = build_graphs(events, GraphRule()), processes(40)
    together = backend(model)(graphs, process)
    assert np.array_equal(backend(model, threads=3)(graphs, process), together)
    one = backend(model)
    alone = [one(build_graphs(events.slice(i, i + 1), GraphRule()), process[i : i + 1]) for i in range(40)]
    assert np.array_equal(np.concatenate(alone), together)


def test_a_token_without_embedding_is_an_error():
    graphs = random_graphs(1, [4])
    wrong = graphs._replace(token=np.array([1, 2, 541, 3], dtype=np.int32))
    with pytest.raises(ModelError, match="token 541, expected 0 to 540"):
        backend(bundle())(wrong, processes(1))


def test_weights_that_do_not_fit_are_refused():
    model = bundle()
    assert {name: values.shape for name, values in model.state.items()} == state_shapes(model.config)
    state = {name: values for name, values in model.state.items() if name != "out_norm.bias"}
    with pytest.raises(ModelError, match=r"out_norm\.bias.*missing"):
        CompiledTransformer(model.config, state)
