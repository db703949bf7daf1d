"""Starting from another model: weights are taken over, outputs by the name of their skim, misfits are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smartbkg.errors import ModelError
from smartbkg.graphs import GraphRule
from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
from smartbkg.networks.bundle import state_of
from smartbkg.training.config import parse_training_config
from smartbkg.training.fine_tuning import load_start, start_from

CONFIG = {"architecture": "deepset", "units": 8, "emb_size": 2}


def bundle(seed: int, skims: tuple[str, ...], **changes: object) -> ModelBundle:
    torch.manual_seed(seed)
    config = parse_config(CONFIG | {"n_skims": len(skims)} | changes)
    return ModelBundle(config, state_of(build_model(config)), skims=skims)


def test_outputs_follow_the_name_of_the_skim_not_its_place() -> None:
    start, own = bundle(1, ("a", "b")), bundle(2, ("c", "b"))
    model = own.build()
    before = model.state_dict()["fc_output.weight"][0].clone()
    start_from(model, start, own.skims)
    after = model.state_dict()
    np.testing.assert_array_equal(after["fc_output.weight"][1].numpy(), start.state["fc_output.weight"][1])
    np.testing.assert_array_equal(after["fc_output.bias"][1].numpy(), start.state["fc_output.bias"][1])
    assert torch.equal(after["fc_output.weight"][0], before), "an output that nobody taught was changed"
    for name in start.state:
        if not name.startswith("fc_output"):
            np.testing.assert_array_equal(after[name].numpy(), start.state[name])


def test_networks_of_other_widths_are_refused_by_the_first_weight_that_differs() -> None:
    with pytest.raises(ModelError, match=r"the weight '.*' has shape \(.*\), in the model to start from \("):
        start_from(bundle(2, ("a",), units=16).build(), bundle(1, ("a",)), ("a",))


def test_a_weight_that_is_not_there_is_named() -> None:
    start = bundle(1, ("a",))
    fewer = replace(start, state={name: v for name, v in start.state.items() if name != "event.0.bias"})
    with pytest.raises(ModelError, match=r"has no weight 'event\.0\.bias'"):
        start_from(bundle(2, ("a",)).build(), fewer, ("a",))


def test_another_graph_rule_or_architecture_is_refused_with_what_differs(tmp_path: Path) -> None:
    rule = GraphRule(cuts=("abs(x) < 5",))
    path = tmp_path / "m.safetensors"
    save_bundle(path, replace(bundle(1, ("a",)), graph_rule=rule))
    with pytest.raises(ModelError, match=r"another graph rule \(cuts\)"):
        load_start(path, parse_training_config({}))
    with pytest.raises(ModelError, match="is a 'deepset', the configuration asks for a 'gatgap'"):
        load_start(
            path, parse_training_config({"graph": {"cuts": ["abs(x) < 5"]}, "network": {"architecture": "gatgap"}})
        )
    assert load_start(path, parse_training_config({"graph": {"cuts": ["abs(x) < 5"]}})).skims == ("a",)
