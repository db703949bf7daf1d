"""Running ONNX models: events in any number and order, processes by the model's numbers, misfits refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks.graphs_for_tests import random_graphs
from networks.onnx.test_export import bundle

from smartbkg.errors import ModelError
from smartbkg.graphs.collate import select_graphs
from smartbkg.networks.onnx.backend import OnnxBackend, load_onnx_scorer
from smartbkg.networks.onnx.export import export_onnx

GRAPHS = random_graphs(3, [4, 1, 0, 12, 30], n_tokens=500)
PROCESS = np.array([0, 1, 2, 6, 3])


@pytest.fixture(scope="module", params=[False, True], ids=["one by one", "batched"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "m.onnx"
    export_onnx(bundle("transformer"), path, is_batched=request.param)
    return path


def test_an_event_has_its_logits_whatever_stands_beside_it(model: Path) -> None:
    backend = OnnxBackend(model.read_bytes(), "m")
    used = [0, 1, 3, 4]
    together = backend(select_graphs(GRAPHS, used), PROCESS[used])
    assert together.shape == (4, 2)
    for row, event in enumerate(used):
        alone = backend(select_graphs(GRAPHS, [event]), PROCESS[[event]])
        np.testing.assert_allclose(alone[0], together[row], atol=2e-5)


def test_no_events_have_no_logits(model: Path) -> None:
    backend = OnnxBackend(model.read_bytes(), "m")
    assert backend(select_graphs(GRAPHS, []), np.empty(0, dtype=np.int64)).shape == (0, 2)


def test_an_unknown_process_is_refused_where_the_model_needs_one(model: Path) -> None:
    backend = OnnxBackend(model.read_bytes(), "m")
    graphs = select_graphs(GRAPHS, [0, 1])
    backend(graphs, np.array([0, -1]))
    backend.event_types = {"mixed": 0, "charged": 1}
    with pytest.raises(ModelError, match=r"1 events are of no process that the model knows.*valid: charged, mixed"):
        backend(graphs, np.array([0, -1]))


def test_metadata_and_configuration_must_fit_the_outputs(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="2 outputs, the configuration names 51 skims"):
        load_onnx_scorer(model, model_config="belle2-2025")
    content = onnx.load(str(model))
    del content.metadata_props[:]
    (tmp_path / "bare.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(ModelError, match="2 outputs and no configuration inside: give --model-config"):
        load_onnx_scorer(tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="cannot read the model"):
        load_onnx_scorer(tmp_path / "absent.onnx")
