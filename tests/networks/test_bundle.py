"""The model file: what goes in comes out, and what should not be opened is not."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from smartbkg.errors import ModelError, SchemaError, UsageError
from smartbkg.graphs import GraphRule
from smartbkg.networks import GATGAPConfig, ModelBundle, build_model, load_bundle, save_bundle
from smartbkg.networks.bundle import state_of
from smartbkg.networks.upstream import convert_model, load_state_dict_file, save_state_dict_file
from smartbkg.scores.calibration import Affine, Isotonic, PerProcess


def small_bundle(**changes: Any) -> ModelBundle:
    torch.manual_seed(1)
    config = GATGAPConfig(units=16, attention_heads=2, n_layers=2, n_skims=2)
    return replace(
        ModelBundle(
            config=config,
            state=state_of(build_model(config)),
            graph_rule=GraphRule(cuts=("abs(z) < 5",)),
            skims=("feiHadronic", "feiSL"),
            processes=("mixed", "charged"),
            calibration=PerProcess(
                {"mixed": Affine((1.0, 2.0), (0.5, -0.5))}, Isotonic(((0.0,), (1.0,)), ((0.1,), (0.2,)))
            ),
            policy={"kind": "optimal", "max_weight": 20.0},
            metrics={"auc": 0.91},
            training={"kind": "training", "inputs": [{"name": "train.parquet", "sha256": "ab"}]},
        ),
        **changes,
    )  # fmt: skip


def rewrite_metadata(path: Path, **changes: Any) -> None:
    """Change entries of a model file's JSON, keeping its weights."""
    bundle = load_bundle(path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    content = json.loads(header["__metadata__"]["smartbkg"])
    text = json.dumps(content | changes)
    metadata = {"smartbkg": text, "smartbkg_sha256": hashlib.sha256(text.encode()).hexdigest()}
    save_file(dict(bundle.state), path, metadata=metadata)


def test_a_bundle_comes_back_as_it_was(tmp_path: Path) -> None:
    bundle = small_bundle()
    save_bundle(tmp_path / "m.safetensors", bundle)
    found = load_bundle(tmp_path / "m.safetensors")
    for name in ("config", "graph_rule", "skims", "processes", "calibration", "policy", "metrics", "training"):
        assert getattr(found, name) == getattr(bundle, name), name
    assert found.state.keys() == bundle.state.keys()
    for name, weights in bundle.state.items():
        np.testing.assert_array_equal(found.state[name], weights)
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_same_bundle_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_bundle(tmp_path / name, small_bundle())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("place", [0.5, 0.8, 0.999])
def test_one_wrong_bit_in_the_weights_is_refused(tmp_path: Path, place: float) -> None:
    path = tmp_path / "m.safetensors"
    save_bundle(path, small_bundle())
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.safetensors: the weights are not those that were written"):
        load_bundle(path)


@pytest.mark.parametrize("size", [0, 4, 100, 5000])
def test_half_a_file_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.safetensors"
    save_bundle(path, small_bundle())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"m\.safetensors: not a readable safetensors file"):
        load_bundle(path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_bundle(path, small_bundle())
    rewrite_metadata(path, schema_version=99)
    with pytest.raises(SchemaError, match="upgrade smartbkg"):
        load_bundle(path)


def test_another_token_table_of_the_same_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_bundle(path, small_bundle())
    rewrite_metadata(path, token_table={"name": "gatgap-2023", "digest": "0" * 64})
    with pytest.raises(ModelError, match="particles would be mistaken for others"):
        load_bundle(path)


def test_foreign_and_missing_files_are_refused(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="not a model of smartbkg"):
        load_bundle(tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="no such file"):
        load_bundle(tmp_path / "absent.safetensors")
    path = tmp_path / "m.safetensors"
    save_bundle(path, small_bundle())
    rewrite_metadata(path, skims=None)
    with pytest.raises(ModelError, match="its metadata is damaged"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skims": ("one",)}, "2 outputs"),
        ({"skims": ("same", "same")}, "distinct skims"),
        ({"graph_rule": GraphRule(features=("energy",), relative_to_first=())}, "takes 8 features"),
        ({"config": GATGAPConfig(n_skims=2, num_pdg=100)}, "embedding only 101 rows"),
    ],
)
def test_a_bundle_that_does_not_fit_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        small_bundle(**changes)


def test_weights_that_do_not_fit_are_named() -> None:
    bundle = small_bundle()
    state = dict(bundle.state)
    bias = state.pop("fc_output.bias")
    with pytest.raises(ModelError, match=r"'fc_output.bias' \(2,\) is missing"):
        replace(bundle, state=state).build()
    with pytest.raises(ModelError, match=r"'fc_output.bias' has shape \(3,\), expected \(2,\)"):
        replace(bundle, state=state | {"fc_output.bias": np.zeros(3, np.float32)}).build()
    with pytest.raises(ModelError, match="not finite"):
        replace(bundle, state=state | {"fc_output.bias": bias * np.nan}).build()
    with pytest.raises(ModelError, match="has no place"):
        replace(bundle, state=dict(bundle.state) | {"more": bias}).build()


# --- upstream's .pth -------------------------------------------------------------------------------------------------


def upstream_state() -> OrderedDict[str, torch.Tensor]:
    torch.manual_seed(2)
    state = build_model({"architecture": "gatgap"}).state_dict()
    aliases = {name.replace("gap_gate", "gap.gate_nn"): w for name, w in state.items() if "gap_gate" in name}
    return OrderedDict({**state, **aliases})


@pytest.mark.parametrize("is_bare", [True, False])
def test_a_pth_survives_the_way_there_and_back(tmp_path: Path, is_bare: bool) -> None:
    state = upstream_state()
    torch.save(state if is_bare else {"model_state_dict": state}, tmp_path / "a.pth")
    convert_model(tmp_path / "a.pth", tmp_path / "m.safetensors", skim="feiHadronic")
    assert load_bundle(tmp_path / "m.safetensors").skims == ("feiHadronic",)
    convert_model(tmp_path / "m.safetensors", tmp_path / "b.pth")
    found = torch.load(tmp_path / "b.pth", weights_only=True)["model_state_dict"]
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], weights) for name, weights in state.items())


class _Malicious:
    """Runs a command when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("is_torch_file", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, is_torch_file: bool) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "was_run"
    content = {"model_state_dict": _Malicious(trace)}
    if is_torch_file:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(ModelError, match=r"evil\.pth: refused: .* could run code"):
        load_state_dict_file(path)
    assert not trace.exists()
    if is_torch_file:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert trace.exists(), "the file of this test is harmless, so the test shows nothing"


def test_damaged_and_foreign_pth_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save(upstream_state(), path)
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[: len(whole) // 2], b"hello, this is no pickle"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"m\.pth: "):
            load_state_dict_file(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="expected a state dict"):
        load_state_dict_file(path)
    with pytest.raises(ModelError, match="no such file"):
        load_state_dict_file(tmp_path / "absent.pth")


def test_a_pth_of_another_shape_asks_for_its_configuration(tmp_path: Path) -> None:
    config = {"units": 16, "attention_heads": 2, "n_layers": 2, "use_gap": False}
    model = build_model({"architecture": "gatgap", **config})
    path = tmp_path / "small.pth"
    torch.save({"model_state_dict": model.state_dict()}, path)
    with pytest.raises(ModelError, match=r"small\.pth: .*does the model configuration fit"):
        load_state_dict_file(path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_state_dict_file(path, model_config=tmp_path / "config.json").config.units == 16
    with pytest.raises(ModelError, match="did you mean 'units'"):
        load_state_dict_file(path, model_config=config | {"unit": 3})


def test_gates_that_differ_are_refused(tmp_path: Path) -> None:
    state = upstream_state()
    state["gat_layers.1.gap.gate_nn.weight"] = state["gat_layers.1.gap_gate.weight"] + 1
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(ModelError, match="must be the same weights"):
        load_state_dict_file(tmp_path / "m.pth")


def test_only_a_gatgap_of_one_skim_becomes_a_pth(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="export it to ONNX"):
        save_state_dict_file(tmp_path / "m.pth", small_bundle())
    with pytest.raises(UsageError, match="cannot convert"):
        convert_model(tmp_path / "a.onnx", tmp_path / "b.pth")


def test_the_same_bundle_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """The library keeps metadata in a hash map whose order differs from call to call."""
    written = set()
    for number in range(12):
        save_bundle(tmp_path / f"{number}.safetensors", small_bundle())
        written.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(written) == 1
