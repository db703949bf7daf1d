"""The padded form of GATGAP, which ONNX exports, is the same network; what is in the padding does not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model
from smartbkg.networks.gatgap.network import GATGAP
from smartbkg.networks.gatgap.padded import gatgap_padded

COUNTS = [1, 6, 3, 0]


@pytest.mark.parametrize("use_gap", [True, False])
def test_padded_logits_are_those_of_the_graphs_whatever_the_padding_holds(use_gap: bool) -> None:
    torch.manual_seed(4)
    config = {
        "architecture": "gatgap",
        "units": 6,
        "attention_heads": 2,
        "n_layers": 3,
        "num_pdg": 20,
        "use_gap": use_gap,
    }
    model = build_model(config).eval()
    assert isinstance(model, GATGAP)
    model.is_compiled = False
    graphs = random_graphs(6, COUNTS)
    length = 8
    feature, token = torch.full((4, length, 8), 7.5), torch.full((4, length), 3)
    mother, is_particle = torch.full((4, length), -1), torch.zeros(4, length, dtype=torch.bool)
    for event, (first, last) in enumerate(zip(graphs.offsets[:-1], graphs.offsets[1:], strict=True)):
        n = int(last - first)
        feature[event, :n] = torch.from_numpy(graphs.feature[first:last])
        token[event, :n] = torch.from_numpy(graphs.token[first:last].astype(np.int64))
        mother[event, :n] = torch.from_numpy(graphs.mother[first:last].astype(np.int64))
        is_particle[event, :n] = True
    with torch.inference_mode():
        expected = model(collate(graphs))
        found = gatgap_padded(model, feature, token, mother, is_particle)
        moved = gatgap_padded(
            model, torch.where(is_particle[..., None], feature, feature * 100), token, mother, is_particle
        )
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(moved, found, atol=2e-6, rtol=1e-5)
