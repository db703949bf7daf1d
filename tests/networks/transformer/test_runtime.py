"""The compiled transformer gives torch's logits, whatever the event, the configuration and the number of threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs
from synthetic import random_events

from smartbkg.compilation import kernel
from smartbkg.errors import ModelError
from smartbkg.events import EventBatch
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.graphs import DecayGraphs, GraphRule, build_graphs
from smartbkg.graphs.collate import select_graphs
from smartbkg.networks import ModelBundle, build_model, save_bundle
from smartbkg.networks.backends import Backend, TorchBackend
from smartbkg.networks.bundle import state_of
from smartbkg.networks.scorer import scorer_of
from smartbkg.networks.transformer.relation_kernel import REACH, find_lineages, find_relations
from smartbkg.networks.transformer.relations import relations
from smartbkg.networks.transformer.runtime import CompiledTransformer, state_shapes


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
        {"width": 96, "heads": 3, "n_layers": 2, "boost": 0.0},
        {"width": 16, "heads": 1, "n_layers": 2, "processes": ()},
    ],
    ids=str,
)
def test_compiled_logits_are_those_of_torch(config):
    model, graphs = bundle(**config), generated()
    compiled = backend(model)
    assert isinstance(compiled, CompiledTransformer)
    process = np.minimum(processes(graphs.n_events), len(model.config.processes) - 1)
    expected = TorchBackend(model.config, model.build())(graphs, process)
    assert np.ptp(expected) > 0.1
    assert np.abs(compiled(graphs, process) - expected).max() < 1e-5


@pytest.mark.parametrize("mass", [0.0, 0.0035, 0.0051, 0.1057])
def test_light_particles_have_the_same_mass_as_in_torch(mass):
    model, events = bundle(), random_events(60, seed=8)
    for name in ("px", "py", "pz"):
        events.particle[name][:] *= 4
    momentum2 = sum(events.particle[name].astype(float) ** 2 for name in ("px", "py", "pz"))
    events.particle["energy"][:] = np.sqrt(momentum2 + mass**2)
    graphs, process = build_graphs(events, GraphRule()), processes(60)
    assert (
        np.abs(backend(model)(graphs, process) - TorchBackend(model.config, model.build())(graphs, process)).max()
        < 2e-5
    )


def test_widths_without_kernels_run_in_torch():
    model = bundle(width=24, heads=3)
    assert isinstance(backend(model), TorchBackend)


def test_events_of_all_sizes():
    model = bundle()
    graphs = random_graphs(5, [0, 1, 2, 15, 16, 17, 0, 300, 40], n_tokens=500)
    process = processes(graphs.n_events)
    assert np.allclose(
        backend(model)(graphs, process), TorchBackend(model.config, model.build())(graphs, process), atol=2e-5
    )


def test_2000_particles():
    model, graphs = bundle(), random_graphs(5, [3, 2000, 1], n_tokens=500)
    process = processes(3)
    assert np.allclose(
        backend(model)(graphs, process), TorchBackend(model.config, model.build())(graphs, process), atol=2e-5
    )


def test_events_without_particles_are_told_apart_by_their_process():
    model, graphs = bundle(), random_graphs(5, [0] * 8)
    logits = backend(model)(graphs, processes(8))
    assert np.abs(logits - TorchBackend(model.config, model.build())(graphs, processes(8))).max() < 1e-5
    assert len(np.unique(logits[:, 0])) == 8


@kernel
def _relations_of(mother):  # type: ignore[no-untyped-def]
    n = len(mother)
    lineage, relation = np.empty((n, REACH + 1), np.int64), np.empty((n, n), np.uint8)
    depth, stamp = np.empty(n, np.int64), np.empty(n, np.int64)
    find_lineages(mother, n, lineage, depth, stamp)
    find_relations(n, lineage, depth, stamp, relation)
    return relation


@pytest.mark.parametrize(
    "mother",
    [
        np.random.default_rng(0).integers(-1, np.arange(90)),
        np.random.default_rng(1).integers(-1, 30, 30),
        np.arange(80) - 1,
        np.roll(np.arange(80), 1),
        np.array([-1]),
        np.array([1, 0, 1, 2, 3, -1, 5]),
    ],
    ids=["tree", "anything", "longer than the reach", "a long circle", "alone", "a circle with a tail"],
)
def test_relations_are_those_of_torch(mother):
    assert np.array_equal(_relations_of(mother.astype(np.int32)), relations(torch.from_numpy(mother)).numpy())


def test_mothers_in_a_circle_and_chains_beyond_the_reach():
    model, counts = bundle(), [3, 60]
    source = random_graphs(6, counts, n_tokens=20)
    mother = np.concatenate([[1, 2, 0], np.arange(-1, 59)]).astype(np.int32)
    graphs = source._replace(mother=mother)
    process = processes(2)
    assert np.allclose(
        backend(model)(graphs, process), TorchBackend(model.config, model.build())(graphs, process), atol=2e-5
    )


def test_neither_threads_nor_neighbours_change_a_logit():
    model = bundle()
    events = random_events(40, seed=2)
    graphs, process = build_graphs(events, GraphRule()), processes(40)
    together = backend(model)(graphs, process)
    assert np.array_equal(backend(model, threads=3)(graphs, process), together)
    one = backend(model)
    alone = [one(build_graphs(events.slice(i, i + 1), GraphRule()), process[i : i + 1]) for i in range(40)]
    assert np.array_equal(np.concatenate(alone), together)


def test_order_of_events_changes_no_logit_and_no_events_have_none():
    one, graphs, process = backend(bundle()), random_graphs(4, [30, 0, 41, 180, 3, 55, 1, 12], 500), processes(8)
    order = np.array([5, 2, 7, 0, 6, 3, 1, 4])
    assert np.array_equal(one(select_graphs(graphs, order), process[order]), one(graphs, process)[order])
    assert one(select_graphs(graphs, []), process[:0]).shape == (0, 3)


def test_a_model_file_is_scored_without_torch(tmp_path):
    save_bundle(tmp_path / "m.safetensors", bundle())
    program = (
        "import sys; import numpy as np\n"
        "from networks.graphs_for_tests import random_graphs\n"
        "from smartbkg.networks.model_file import load_scorer\n"
        f"scorer = load_scorer({str(tmp_path / 'm.safetensors')!r}, threads=2)\n"
        "scorer.backend(random_graphs(0, [3, 5]), np.zeros(2, dtype=np.int64))\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


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


def test_a_feature_that_is_missing_is_named():
    model = bundle()
    config = model.config.model_copy(update={"features": model.config.features[1:]})
    with pytest.raises(ModelError, match="needs the features prodTime"):
        CompiledTransformer(config, model.state)
