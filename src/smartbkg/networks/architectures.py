"""From a configuration to a network: the built-in architectures and those of plug-ins.

A plug-in offers an `Architecture` under the entry point group ``smartbkg.networks``, named as its architecture.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from smartbkg.errors import ModelError, nearest
from smartbkg.networks.config import ModelConfig
from smartbkg.optional import needed_for

if TYPE_CHECKING:
    from torch import nn

ENTRY_POINT_GROUP: Final = "smartbkg.networks"


@dataclass(frozen=True)
class Architecture:
    """A network by the names of its parts (``module:attribute``), which are imported when they are needed."""

    config: str
    """Child of `ModelConfig`."""
    network: str
    """Class or function (config) → `torch.nn.Module` with ``forward(GraphBatch) -> logits (n_events, n_skims)``."""
    compiled: str | None = None
    """Callable (config, state, threads) → `smartbkg.networks.backends.Backend` without torch, where there is one."""
    is_supported: str | None = None
    """Callable (config) → whether ``compiled`` runs that configuration; all of them where not given."""

    def load(self, part: str) -> Any:
        """The object that one of the names stands for."""
        module, _, attribute = str(getattr(self, part)).partition(":")
        return getattr(importlib.import_module(module), attribute)


_BUILT_IN: Final[Mapping[str, Architecture]] = {
    "gatgap": Architecture(
        config="smartbkg.networks.config:GATGAPConfig",
        network="smartbkg.networks.gatgap.network:GATGAP",
        compiled="smartbkg.networks.gatgap.runtime:CompiledGATGAP",
    ),
    "gat2": Architecture(
        config="smartbkg.networks.config:GAT2Config",
        network="smartbkg.networks.gat2:GAT2",
    ),
    "transformer": Architecture(
        config="smartbkg.networks.config:TransformerConfig",
        network="smartbkg.networks.transformer.network:Transformer",
        compiled="smartbkg.networks.transformer.runtime:CompiledTransformer",
        is_supported="smartbkg.networks.transformer.runtime:is_supported",
    ),
    "deepset": Architecture(
        config="smartbkg.networks.config:DeepSetConfig",
        network="smartbkg.networks.baselines:DeepSet",
    ),
    "gcn": Architecture(
        config="smartbkg.networks.config:GCNConfig",
        network="smartbkg.networks.baselines:GraphConvolutionNetwork",
    ),
    "none": Architecture(
        config="smartbkg.networks.config:NoNetworkConfig",
        network="smartbkg.networks.baselines:NoNetwork",
        compiled="smartbkg.networks.no_network:NoNetworkBackend",
    ),
}


@functools.cache
def architectures() -> Mapping[str, Architecture]:
    """Name → architecture: the built-in ones, then those of installed plug-ins.

    Raises
    ------
    ModelError
        A plug-in takes a name that exists, or offers something else than an `Architecture`.
    """
    found = dict(_BUILT_IN)
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
        plug_in = entry.load()
        if not isinstance(plug_in, Architecture):
            raise ModelError(f"plug-in {entry.value}: is a {type(plug_in).__name__}, expected an Architecture")
        if entry.name in found:
            raise ModelError(f"plug-in {entry.value}: the architecture '{entry.name}' exists already")
        found[entry.name] = plug_in
    return found


def architecture_named(name: str) -> Architecture:
    """The architecture of that name.

    Raises
    ------
    ModelError
        There is none: names the nearest.
    """
    known = architectures()
    if name not in known:
        raise ModelError(f"unknown architecture '{name}': {nearest(name, known)}")
    return known[name]


def parse_config(config: Mapping[str, Any] | ModelConfig) -> ModelConfig:
    """A checked configuration of the architecture that it names.

    Raises
    ------
    ModelError
        No or an unknown architecture, an unknown key, or an impossible value.
    """
    if isinstance(config, ModelConfig):
        return config
    if "architecture" not in config:
        raise ModelError(f"model configuration without 'architecture': got the keys {sorted(config)}")
    parsed: ModelConfig = architecture_named(str(config["architecture"])).load("config").parse(config)
    return parsed


def build_model(config: Mapping[str, Any] | ModelConfig) -> nn.Module:
    """A new network with random weights (torch's global generator).

    Parameters
    ----------
    config : ``{"architecture": "gatgap", "units": 32, ...}``.

    Returns
    -------
    A module whose ``forward`` takes a `smartbkg.graphs.collate.GraphBatch` and returns logits (n_events, n_skims).

    Raises
    ------
    MissingDependencyError
        torch is not installed.
    """
    parsed = parse_config(config)
    with needed_for(f"the network '{parsed.architecture}' outside its compiled kernels"):
        network = architecture_named(parsed.architecture).load("network")
    model: nn.Module = network(parsed)
    return model


__all__ = ["Architecture", "architecture_named", "architectures", "build_model", "parse_config"]
