"""ONNX models give torch's logits, and models of Belle II's signature run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from synthetic import random_events

from smartbkg.errors import ModelError
from smartbkg.events.columns import PROCESSES
from smartbkg.graphs import SMART_BACKGROUND_RULE, GraphRule
from smartbkg.networks import ModelBundle, build_model, parse_config
from smartbkg.networks.bundle import state_of
from smartbkg.networks.model_file import load_scorer
from smartbkg.networks.onnx.backend import OnnxBackend
from smartbkg.networks.onnx.config import belle2_onnx_config, read_onnx_config
from smartbkg.networks.onnx.export import _tracing, export_onnx
from smartbkg.networks.scorer import scorer_of
from smartbkg.sampling.policies import ExponentialPolicy, OptimalPolicy
from smartbkg.scores.calibration import Affine


def bundle(architecture: str, rule: GraphRule = SMART_BACKGROUND_RULE) -> ModelBundle:
    torch.manual_seed(1)
    config = {"architecture": architecture, "n_skims": 2, "num_pdg": len(rule.tokens)}
    if architecture == "transformer":
        config["features"] = rule.features
    calibration = Affine((0.9, 1.1), (-1.0, -2.0))
    policy = {"kind": "by_skim", "policies": {name: OptimalPolicy(2.0).to_dict() for name in ("feiHadronic", "mine")}}
    network = build_model(config)
    return ModelBundle(
        parse_config(config), state_of(network), rule, ("feiHadronic", "mine"), PROCESSES, calibration, policy
    )


@pytest.mark.parametrize("is_batched", [False, True])
@pytest.mark.parametrize("architecture", ["gatgap", "transformer"])
def test_exported_model_scores_as_the_original(architecture, is_batched, tmp_path):
    original = bundle(architecture)
    export = export_onnx(original, tmp_path / "m.onnx", tmp_path / "c.json", is_batched=is_batched)
    assert export.largest_difference < 1e-4
    assert export.runs_in_basf2 is not is_batched
    events = random_events(30, seed=1, max_particles=60)
    expected = scorer_of(original)
    for model_config in (None, tmp_path / "c.json"):
        scorer = load_scorer(tmp_path / "m.onnx", model_config=model_config)
        assert scorer.skims == original.skims
        assert np.allclose(scorer.logits(events), expected.logits(events), atol=1e-4)
        assert np.allclose(scorer.scores(events), expected.scores(events), atol=1e-5)


def test_opset_runs_in_old_runtimes_and_sizes_are_free(tmp_path):
    export_onnx(bundle("transformer"), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    assert max(entry.version for entry in model.opset_import) <= 19
    assert model.ir_version <= 9
    dimensions = {entry.name: entry.type.tensor_type.shape.dim for entry in model.graph.input}
    shapes = {name: [size.dim_param or size.dim_value for size in sizes] for name, sizes in dimensions.items()}
    assert shapes == {"x": ["N", 8], "pdg": ["N"], "mother": ["N"], "c": []}


def test_activation_is_the_optimal_policy_for_rare_events(tmp_path):
    original = bundle("gatgap")
    export_onnx(original, tmp_path / "m.onnx", tmp_path / "c.json")
    config = read_onnx_config(tmp_path / "c.json")
    logits = np.array([[-3.0, -3.0]])
    score = original.calibration.apply(logits)
    optimal = 2 * np.sqrt(score[0])
    got = [np.exp(policy.a * (-3.0 - policy.b)) for policy in config.activations.values()]
    assert got == pytest.approx(optimal, rel=0.03)
    # the filter gives its policies the calibrated score: the same q
    wide = [ExponentialPolicy(policy.a, policy.b, 1e9) for policy in config.policies.values()]
    by_score = [float(policy.of_score(score[0, k : k + 1])[0]) for k, policy in enumerate(wide)]
    assert by_score == pytest.approx(got, rel=1e-9)
    assert config.codes == (11180500, 0)


def test_graph_rules_that_basf2_does_not_feed_are_told(tmp_path):
    export = export_onnx(bundle("gatgap", GraphRule()), tmp_path / "m.onnx")
    assert not export.runs_in_basf2
    assert "relative to the first particle" in export.remark


def upstream_like(path: Path, n_skims: int = 51) -> None:
    """A model of Belle II's signature that says how many particles there are, and which event type."""
    float_type, int_type = TensorProto.FLOAT, TensorProto.INT32
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Cast", ["c"], ["type"], to=float_type),
        helper.make_node("Cast", ["pdg"], ["p"], to=float_type),
        helper.make_node("Cast", ["mother"], ["m"], to=float_type),
        helper.make_node("ReduceSum", ["p"], ["tokens"], keepdims=0),
        helper.make_node("ReduceSum", ["m"], ["mothers"], keepdims=0),
        helper.make_node("Sum", ["type", "tokens", "mothers"], ["all"]),
        helper.make_node("Expand", ["all", "shape"], ["output"]),
    ]
    integers = [
        helper.make_tensor_value_info(name, int_type, list(shape))
        for name, shape in [("pdg", "N"), ("mother", "N"), ("c", "")]
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", float_type, ["N", 8]), *integers],
        [helper.make_tensor_value_info("output", float_type, [n_skims])],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [n_skims])],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_models_of_belle2_run_with_its_tokens_event_types_and_activations(tmp_path):
    upstream_like(tmp_path / "u.onnx")
    scorer = load_scorer(tmp_path / "u.onnx")
    assert scorer.skims[0] == "feiHadronic"
    assert scorer.graph_rule == SMART_BACKGROUND_RULE
    batch = random_events(5, seed=3)
    tokens = scorer.graph_rule.tokens.tokens(batch.particle["PDG"])[0]
    mother = np.where(batch.particle["motherIndex"] < 0, 0, batch.particle["motherIndex"])
    logits = scorer.logits(batch)
    for event in range(5):
        part = slice(batch.offsets[event], batch.offsets[event + 1])
        assert logits[event, 7] == tokens[part].sum() + mother[part].sum() + 3  # mixed is event type 3
    assert scorer.policy is None  # a table of constants fits the model alone whose logits it was fitted to
    for name, b in (("belle2-2025", -0.25), ("belle2-2026", 1.392)):
        named = load_scorer(tmp_path / "u.onnx", model_config=name)
        assert named.policy is not None
        assert named.policy["policies"]["feiHadronic"] == ExponentialPolicy(0.46, b, 100.0).to_dict()
    with pytest.raises(ModelError, match=r"no process that the model knows.*ccbar"):
        scorer.logits(batch.with_event_columns(process=np.full(5, "")))


def test_other_signatures_and_damaged_files_are_refused(tmp_path):
    upstream_like(tmp_path / "u.onnx", 3)
    with pytest.raises(ModelError, match="give --model-config"):
        load_scorer(tmp_path / "u.onnx")
    content = (tmp_path / "u.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"half\.onnx"):
        load_scorer(tmp_path / "half.onnx")
    model = onnx.load(tmp_path / "u.onnx")
    model.graph.input[0].name = "features"
    model.graph.node[0].input[0] = "features"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="expected"):
        load_scorer(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="no such model configuration"):
        load_scorer(tmp_path / "u.onnx", model_config=tmp_path / "none.json")
    (tmp_path / "c.json").write_text(json.dumps({"token_by_pdg": {}}))
    with pytest.raises(ModelError, match="no 'unknown_token'"):
        load_scorer(tmp_path / "u.onnx", model_config=tmp_path / "c.json")


def test_export_that_differs_is_not_written(tmp_path, monkeypatch):
    right = OnnxBackend.__call__
    monkeypatch.setattr(OnnxBackend, "__call__", lambda *arguments: right(*arguments) + 0.01)
    with pytest.raises(ModelError, match="not written"):
        export_onnx(bundle("gatgap"), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_architectures_without_an_onnx_form_say_so(tmp_path):
    with pytest.raises(ModelError, match="'gcn' has no ONNX form"):
        export_onnx(bundle("gcn"), tmp_path / "m.onnx")


def test_belle2_configuration_has_its_51_skims():
    config = belle2_onnx_config()
    assert len(config.skims) == 51
    assert config.event_types["taupair"] == 5


def test_torch_of_a_release_is_not_asked_to_choose_between_exporters(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch before 2.5 has one, and ended in a TypeError for the argument that chooses."""

    def export_of_torch_2_2(model: object, args: object, f: object, opset_version: int) -> None: ...

    def export_of_torch_2_5(model: object, args: object, f: object, opset_version: int, dynamo: bool) -> None: ...

    monkeypatch.setattr(torch.onnx, "export", export_of_torch_2_2)
    assert _tracing() == {}
    monkeypatch.setattr(torch.onnx, "export", export_of_torch_2_5)
    assert _tracing() == {"dynamo": False}
