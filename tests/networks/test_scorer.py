"""The runtime: the scores of torch, from raw particles, for every kind of event."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs, reference_graphs

from smartbkg.errors import EventError, ModelError, UsageError
from smartbkg.events import EventBatch
from smartbkg.graphs.collate import select_graphs
from smartbkg.networks import GATGAPConfig, ModelBundle, build_model, save_bundle
from smartbkg.networks.backends import TorchBackend
from smartbkg.networks.bundle import state_of
from smartbkg.networks.gatgap.runtime import CompiledGATGAP
from smartbkg.networks.model_file import load_scorer
from smartbkg.networks.scorer import scorer_of
from smartbkg.networks.upstream import load_state_dict_file
from smartbkg.scores.calibration import Affine

NO_PROCESS = np.full(0, -1)


def bundle_of(config: GATGAPConfig) -> ModelBundle:
    torch.manual_seed(7)
    return ModelBundle(config, state_of(build_model(config)), skims=tuple(f"skim{i}" for i in range(config.n_skims)))


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return bundle_of(GATGAPConfig(n_layers=3, n_skims=2))


def events(counts: list[int], seed: int = 0) -> EventBatch:
    generator = np.random.default_rng(seed)
    n = sum(counts)
    index = np.concatenate([np.arange(count) for count in counts]) if counts else np.empty(0)
    codes = generator.choice([511, 521, 411, 211, -211, 22, 321, 11, 310], n)
    columns = {name: generator.normal(size=n) for name in ("energy", "prodTime", "x", "y", "z", "px", "py", "pz")}
    particle = {
        "arrayIndex": index, "PDG": codes, "motherIndex": np.where(index > 0, (index - 1) // 2, -1), "mass": np.ones(n),
        "charge": np.zeros(n), "nDaughters": np.zeros(n), "status": np.ones(n), "motherPDG": np.zeros(n), **columns,
    }  # fmt: skip
    event = {
        "experiment": np.zeros(len(counts)),
        "run": np.ones(len(counts)),
        "evtNum": np.arange(len(counts)) + 100,
        "process": np.resize(["mixed", "ccbar"], len(counts)),
    }
    return EventBatch.from_columns(counts, event, particle, source="toy")


def test_the_runtime_gives_upstream_s_logits(reference_data: Path) -> None:
    bundle = load_state_dict_file(reference_data / "gatgap" / "reference.pth")
    graphs, expected = reference_graphs(reference_data)
    logits = CompiledGATGAP(GATGAPConfig(), bundle.state)(graphs, NO_PROCESS)
    np.testing.assert_allclose(logits[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        GATGAPConfig(),
        GATGAPConfig(units=16, attention_heads=1, n_layers=1, use_gap=False),
        GATGAPConfig(units=10, attention_heads=3, n_layers=2, emb_size=5, n_skims=3),
        GATGAPConfig(units=7, attention_heads=9, n_layers=2),
    ],
    ids=["published", "one layer", "odd widths", "nine heads"],
)
def test_scores_equal_torch_for_every_configuration(config: GATGAPConfig) -> None:
    bundle = bundle_of(config)
    graphs = random_graphs(seed=3, counts=[41, 0, 1, 130, 8, 2, 60], n_tokens=541)
    process = np.full(graphs.n_events, -1)
    compiled = CompiledGATGAP(config, bundle.state)(graphs, process)
    torch_logits = TorchBackend(bundle.config, bundle.build())(graphs, process)
    np.testing.assert_allclose(1 / (1 + np.exp(-compiled)), 1 / (1 + np.exp(-torch_logits)), atol=1e-5)
    np.testing.assert_allclose(compiled, torch_logits, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_scores_depend_neither_on_batch_nor_on_threads(bundle: ModelBundle, threads: int) -> None:
    backend = CompiledGATGAP(GATGAPConfig(n_layers=3, n_skims=2), bundle.state, threads)
    graphs = random_graphs(seed=4, counts=[30, 0, 41, 80, 3, 55, 41, 12], n_tokens=541)
    process = np.full(graphs.n_events, -1)
    together = backend(graphs, process)
    alone = np.concatenate([backend(select_graphs(graphs, [i]), process[:1]) for i in range(graphs.n_events)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    assert backend(select_graphs(graphs, []), process[:0]).shape == (0, 2)


def test_events_of_0_and_2000_particles_are_scored(bundle: ModelBundle) -> None:
    batch = events([0, 2000, 1])
    scorer = scorer_of(bundle)
    scores = scorer.scores(batch)
    expected = scorer.calibrate(
        TorchBackend(bundle.config, bundle.build())(random_free_graphs(scorer, batch), np.full(3, -1))
    )
    assert scores.shape == (3, 2)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def random_free_graphs(scorer, batch):  # type: ignore[no-untyped-def]
    from smartbkg.graphs import build_graphs

    return build_graphs(batch, scorer.graph_rule)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(bundle: ModelBundle, value: float) -> None:
    batch = events([3, 5])
    batch.particle["energy"][6] = value
    with pytest.raises(EventError, match=r"toy: event \(0, 1, 101\): energy of particle 3 is (nan|inf)"):
        scorer_of(bundle).scores(batch)


@pytest.mark.parametrize("token", [541, -1])
def test_a_token_without_a_row_is_refused(bundle: ModelBundle, token: int) -> None:
    graphs = random_graphs(seed=1, counts=[4, 6])
    graphs.token[7] = token
    for backend in (
        CompiledGATGAP(GATGAPConfig(n_layers=3, n_skims=2), bundle.state, 2),
        TorchBackend(bundle.config, bundle.build()),
    ):
        with pytest.raises(ModelError, match=f"token {token}, expected 0 to 540"):
            backend(graphs, np.full(2, -1))


def test_unknown_codes_are_counted_and_scored(bundle: ModelBundle) -> None:
    batch = events([10])
    batch.particle["PDG"][[2, 5]] = 9_900_441
    scorer = scorer_of(bundle)
    assert np.all(np.isfinite(scorer.scores(batch)))
    scorer.scores(batch)
    assert scorer.n_unknown_codes == 4


def test_scores_are_calibrated(bundle: ModelBundle) -> None:
    calibrated = scorer_of(replace(bundle, calibration=Affine((2.0, 1.0), (0.5, -1.0))))
    batch = events([20, 20])
    logits = calibrated.logits(batch)
    expected = 1 / (1 + np.exp(-(logits * np.array([2.0, 1.0]) + np.array([0.5, -1.0]))))
    np.testing.assert_allclose(calibrated.scores(batch), expected, rtol=1e-6)


def test_a_model_file_is_served_without_torch(bundle: ModelBundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.safetensors", bundle)
    program = (
        "import sys; from smartbkg.networks.model_file import load_scorer\n"
        f"scorer = load_scorer({str(tmp_path / 'm.safetensors')!r}, threads=2)\n"
        "assert scorer.skims == ('skim0', 'skim1')\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_wrong_requests_are_refused(bundle: ModelBundle, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_bundle(path, bundle)
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        load_scorer(path, device="gpu")
    with pytest.raises(UsageError, match="threads = 0"):
        load_scorer(path, threads=0)
    with pytest.raises(UsageError, match="carries its own configuration"):
        load_scorer(path, model_config={"units": 3})
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="sees no GPU"):
            load_scorer(path, device="cuda")


def test_weights_that_do_not_fit_are_refused_with_the_file_s_name(bundle: ModelBundle, tmp_path: Path) -> None:
    state = dict(bundle.state)
    state.pop("gat_layers.1.fc.bias")
    save_bundle(tmp_path / "m.safetensors", replace(bundle, state=state))
    with pytest.raises(ModelError, match=r"m\.safetensors: the weight 'gat_layers\.1\.fc\.bias' \(32,\) is missing"):
        load_scorer(tmp_path / "m.safetensors")
