"""From a name to a network: built-in ones, plug-ins, and the messages where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from types import SimpleNamespace

import pytest
import torch

from smartbkg.errors import MissingDependencyError, ModelError
from smartbkg.networks import architectures as module
from smartbkg.networks.architectures import Architecture, architecture_named, architectures, build_model, parse_config
from smartbkg.networks.architectures import _installed as architectures_installed
from smartbkg.networks.config import DeepSetConfig


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Name → what a package offers under it."""
    offered: dict[str, object] = {}

    def entry_points(*, group: str) -> list[SimpleNamespace]:
        assert group == "smartbkg.networks"
        return [
            SimpleNamespace(name=name, value=f"package:{name}", load=lambda thing=thing: thing)
            for name, thing in offered.items()
        ]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    architectures_installed.cache_clear()
    yield offered
    architectures_installed.cache_clear()


MINE = Architecture("smartbkg.networks.config:DeepSetConfig", "smartbkg.networks.baselines:DeepSet")


def test_a_plug_in_is_known_by_its_entry_point(plug_ins: dict[str, object]) -> None:
    plug_ins["mine"] = MINE
    assert architecture_named("mine").load("config") is DeepSetConfig
    assert parse_config({"architecture": "mine", "units": 4}).architecture == "mine"
    with pytest.raises(ModelError, match="unknown architecture 'mime': did you mean 'mine'"):
        architecture_named("mime")


@pytest.mark.parametrize(
    ("name", "thing", "message"),
    [("gatgap", MINE, "plug-in package:gatgap: the architecture 'gatgap' exists already"),
     ("mine", dict, "plug-in package:mine: is a type, expected an Architecture")],
)  # fmt: skip
def test_plug_ins_that_cannot_be_are_named(plug_ins: dict[str, object], name: str, thing: object, message: str) -> None:
    plug_ins[name] = thing
    with pytest.raises(ModelError, match=message):
        architectures()


@pytest.mark.parametrize("name", ["gatgap", "gat2", "transformer", "deepset", "gcn", "none"])
def test_every_built_in_network_has_a_logit_per_skim(name: str) -> None:
    from networks.graphs_for_tests import random_graphs

    from smartbkg.graphs.collate import collate

    torch.manual_seed(0)
    model = build_model({"architecture": name, "n_skims": 3}).eval()
    with torch.inference_mode():
        logits = model(collate(random_graphs(0, [4, 0, 1])))
    assert logits.shape == (3, 3)
    assert torch.isfinite(logits).all()


def test_a_network_without_torch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTorch(Architecture):
        def load(self, part: str) -> object:
            if part == "network":
                raise ModuleNotFoundError(name="torch")
            return super().load(part)

    fake = NoTorch(MINE.config, MINE.network)
    monkeypatch.setattr(module, "architecture_named", lambda name: fake)
    with pytest.raises(MissingDependencyError, match=r"outside its compiled kernels needs torch.*\[train\]"):
        build_model({"architecture": "deepset"})
