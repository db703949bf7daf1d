"""A model without a network: the same silence with torch and without."""

from __future__ import annotations

import numpy as np
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model, parse_config
from smartbkg.networks.no_network import NoNetworkBackend


def test_backend_and_torch_say_the_same_nothing() -> None:
    config, graphs = parse_config({"architecture": "none", "n_skims": 2}), random_graphs(0, [3, 0, 2])
    logits = NoNetworkBackend(config, {}, 1)(graphs, np.zeros(3, dtype=np.int64))  # type: ignore[arg-type]
    assert logits.dtype == np.float32
    with torch.inference_mode():
        np.testing.assert_array_equal(build_model(config)(collate(graphs)).numpy(), logits)
