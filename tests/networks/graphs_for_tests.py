"""Decay graphs for the tests of networks: random ones, and those of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartbkg.graphs import DecayGraphs
from smartbkg.networks import ModelBundle


def random_graphs(seed: int, counts: Sequence[int], n_tokens: int = 21) -> DecayGraphs:
    """Trees with a few roots: each node's mother is one of those before it, or none."""
    generator = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n = int(offsets[-1])
    mothers = [generator.integers(-1, i) if i else -1 for count in counts for i in range(count)]
    return DecayGraphs(
        offsets,
        generator.integers(0, n_tokens, n).astype(np.int32),
        generator.normal(size=(n, 8)).astype(np.float32),
        np.array(mothers, dtype=np.int32),
        np.arange(n),
        0,
    )


def reference_graphs(folder: Path) -> tuple[DecayGraphs, NDArray[np.float32]]:
    """The graphs of the reference and the logits that DGL's layers gave for them."""
    with np.load(folder / "gatgap" / "reference.npz") as content:
        offsets = np.concatenate([[0], np.cumsum(content["counts"])]).astype(np.int64)
        graphs = DecayGraphs(
            offsets,
            content["token"].astype(np.int32),
            np.ascontiguousarray(content["feature"], dtype=np.float32),
            content["mother"].astype(np.int32),
            np.arange(offsets[-1]),
            0,
        )
        return graphs, content["logits"]


def one_skim_gatgap(seed: int = 0) -> ModelBundle:
    """A small GATGAP of one skim with random weights, as upstream's formats hold it."""
    import torch

    from smartbkg.networks import build_model, parse_config
    from smartbkg.networks.bundle import state_of

    torch.manual_seed(seed)
    config = parse_config({"architecture": "gatgap", "units": 16, "attention_heads": 2, "n_layers": 2, "emb_size": 4})
    return ModelBundle(config, state_of(build_model(config)), skims=("skim",))
