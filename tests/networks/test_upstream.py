"""Upstream's state dicts: read as tensors alone, written as its module loads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import one_skim_gatgap as small_bundle

from smartbkg.errors import ModelError, UsageError
from smartbkg.networks import ModelBundle, load_bundle, save_bundle
from smartbkg.networks.upstream import (
    DEFAULT_MODEL_CONFIG,
    convert_model,
    load_state_dict_file,
    save_state_dict_file,
)


def size_of(bundle: ModelBundle) -> dict[str, object]:
    names = ("units", "attention_heads", "n_layers", "use_gap", "emb_size")
    return {name: getattr(bundle.config, name) for name in names}


def test_the_default_is_the_published_model() -> None:
    assert dict(DEFAULT_MODEL_CONFIG) == {"attention_heads": 4, "n_layers": 6, "units": 32, "use_gap": True}


def test_weights_survive_both_ways_and_gates_have_both_names(tmp_path: Path) -> None:
    bundle = small_bundle()
    save_state_dict_file(tmp_path / "m.pth", bundle)
    content = torch.load(tmp_path / "m.pth", weights_only=True)["model_state_dict"]
    gates = [name for name in content if ".gap_gate." in name]
    assert gates
    assert all(torch.equal(content[name.replace(".gap_gate.", ".gap.gate_nn.")], content[name]) for name in gates)
    read = load_state_dict_file(tmp_path / "m.pth", model_config=size_of(bundle))
    assert read.state.keys() == bundle.state.keys()
    for name, values in bundle.state.items():
        np.testing.assert_array_equal(read.state[name], values)


def test_a_bare_state_dict_is_read_and_the_number_of_tokens_follows_from_it(tmp_path: Path) -> None:
    bundle = small_bundle()
    torch.save({name: torch.tensor(values) for name, values in bundle.state.items()}, tmp_path / "m.pth")
    (tmp_path / "size.json").write_text(json.dumps(size_of(bundle)))
    assert load_state_dict_file(tmp_path / "m.pth", model_config=tmp_path / "size.json").config.num_pdg == 540


def test_gates_whose_two_names_differ_are_refused(tmp_path: Path) -> None:
    bundle = small_bundle()
    state = {name: torch.tensor(values) for name, values in bundle.state.items()}
    gate = next(name for name in state if ".gap_gate.weight" in name)
    state[gate.replace(".gap_gate.", ".gap.gate_nn.")] = state[gate] + 1
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(ModelError, match="must be the same weights, and differ"):
        load_state_dict_file(tmp_path / "m.pth", model_config=size_of(bundle))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model_state_dict": {"a": 3}}, "expected a state dict"),
        ([1, 2], "expected a state dict"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(ModelError, match=message):
        load_state_dict_file(tmp_path / "m.pth")


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "got a list"), ("{", "not a readable JSON file"), (None, "not a")]
)
def test_hyper_parameters_must_be_an_object(tmp_path: Path, text: str | None, message: str) -> None:
    save_state_dict_file(tmp_path / "m.pth", small_bundle())
    if text is not None:
        (tmp_path / "size.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        load_state_dict_file(tmp_path / "m.pth", model_config=tmp_path / "size.json")


def test_what_upstream_does_not_know_is_not_written(tmp_path: Path) -> None:
    from networks.onnx.test_export import bundle as other

    for model in (other("transformer"), other("gatgap")):
        with pytest.raises(ModelError, match=r"upstream's \.pth holds a gatgap of one skim"):
            save_state_dict_file(tmp_path / "m.pth", model)
    assert not (tmp_path / "m.pth").exists()


def test_conversion_goes_by_the_suffixes(tmp_path: Path) -> None:
    bundle = small_bundle()
    save_bundle(tmp_path / "m.safetensors", bundle)
    convert_model(tmp_path / "m.safetensors", tmp_path / "m.pth")
    (tmp_path / "size.json").write_text(json.dumps(size_of(bundle)))
    convert_model(tmp_path / "m.pth", tmp_path / "n.safetensors", model_config=tmp_path / "size.json", skim="tag")
    assert load_bundle(tmp_path / "n.safetensors").skims == ("tag",)
    with pytest.raises(UsageError, match=r"cannot convert m\.pth to n\.onnx: .*smartbkg export"):
        convert_model(tmp_path / "m.pth", tmp_path / "n.onnx")
    with pytest.raises(UsageError):
        convert_model(tmp_path / "m.pth", tmp_path / "m.pth")
