"""GATGAP without torch: names and shapes of weights are torch's, misfits are refused, threads change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import one_skim_gatgap, random_graphs

from smartbkg.errors import ModelError
from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model, parse_config
from smartbkg.networks.gatgap.runtime import CompiledGATGAP, pack_weights, state_shapes


@pytest.mark.parametrize("use_gap", [True, False])
def test_shapes_are_those_of_torchs_weights(use_gap: bool) -> None:
    config = parse_config({"architecture": "gatgap", "units": 5, "n_layers": 3, "n_skims": 2, "use_gap": use_gap})
    state = build_model(config).state_dict()
    assert state_shapes(config) == {name: tuple(values.shape) for name, values in state.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fc_output.bias", None, "fc_output.bias"),
        ("fc_output.bias", np.zeros(3, np.float32), "fc_output.bias"),
        ("fc_output.bias", np.full(1, np.nan, np.float32), "fc_output.bias"),
        ("extra", np.zeros(1, np.float32), "extra"),
    ],
)
def test_weights_that_do_not_fit_are_named(name: str, change: np.ndarray | None, message: str) -> None:
    model = one_skim_gatgap()
    state = {key: values for key, values in model.state.items() if key != name} | (
        {} if change is None else {name: change}
    )
    with pytest.raises(ModelError, match=message):
        pack_weights(model.config, state)  # type: ignore[arg-type]


def test_threads_and_torch_give_the_same_logits() -> None:
    model, graphs = one_skim_gatgap(), random_graphs(5, [3, 40, 0, 7, 130], n_tokens=540)
    process = np.zeros(5, dtype=np.int64)
    one = CompiledGATGAP(model.config, model.state)(graphs, process)  # type: ignore[arg-type]
    three = CompiledGATGAP(model.config, model.state, 3)(graphs, process)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one, three)
    with torch.inference_mode():
        torch_logits = model.build()(collate(graphs)).numpy()
    np.testing.assert_allclose(one, torch_logits, atol=2e-5)


def test_a_token_without_embedding_names_the_token_table() -> None:
    model = one_skim_gatgap()
    graphs = random_graphs(1, [4])
    graphs.token[2] = 541
    with pytest.raises(ModelError, match="token 541, expected 0 to 540"):
        CompiledGATGAP(model.config, model.state)(graphs, np.zeros(1, dtype=np.int64))  # type: ignore[arg-type]
