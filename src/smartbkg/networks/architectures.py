"""From a configuration to a network: the built-in architectures, those of plug-ins, and those that a user registered.

A plug-in offers an `Architecture` under the entry point group ``smartbkg.networks``, named as its architecture.
`smartbkg.networks.own_networks` registers a class of a file. A model file names its architecture and no code: who uses
a model with a network of their own names the code, in ``SMARTBKG_PLUG_INS`` or in Python.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from smartbkg.errors import ModelError, nearest
from smartbkg.networks.config import ModelConfig
from smartbkg.optional import needed_for
from smartbkg.plug_ins import VARIABLE, named_by_environment

if TYPE_CHECKING:
    from torch import nn

ENTRY_POINT_GROUP: Final = "smartbkg.networks"


@dataclass(frozen=True)
class Architecture:
    """A network by the names of its parts (``module:attribute``), which are imported when they are needed.

    In place of a name the part itself will do, where it lives in a notebook.
    """

    config: str | Callable[..., Any]
    """Child of `ModelConfig`."""
    network: str | Callable[..., Any]
    """Class or function (config) → `torch.nn.Module` with ``forward(GraphBatch) -> logits (n_events, n_skims)``."""
    compiled: str | None = None
    """Callable (config, state, threads) → `smartbkg.networks.backends.Backend` without torch, where there is one."""
    is_supported: str | None = None
    """Callable (config) → whether ``compiled`` runs that configuration; all of them where not given."""

    def load(self, part: str) -> Any:
        """The object that one of the names stands for."""
        name = getattr(self, part)
        if not isinstance(name, str):
            return name
        module, _, attribute = name.partition(":")
        return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))


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


_REGISTERED: Final[dict[str, Architecture]] = {}


def register_architecture(name: str, architecture: Architecture) -> None:
    """Add an architecture for this process; one that was registered before under the name is replaced.

    Raises
    ------
    ModelError
        The name is that of a built-in architecture or of an installed plug-in.
    """
    if name in _installed():
        raise ModelError(f"the architecture '{name}' exists already: give the network another name")
    _REGISTERED[name] = architecture


def architectures() -> Mapping[str, Architecture]:
    """Name → architecture: the built-in ones, those of installed plug-ins, those of the environment, registered ones.

    Raises
    ------
    ModelError
        A plug-in takes a name that exists, or offers something else than an `Architecture`.
    UsageError
        A plug-in of the environment cannot be loaded.
    """
    _of_environment()
    return _installed() | _REGISTERED


@functools.cache
def _of_environment() -> None:
    """Register the networks that ``SMARTBKG_PLUG_INS`` names."""
    from smartbkg.networks.own_networks import use_network

    for name in named_by_environment():
        use_network(name)


@functools.cache
def _installed() -> dict[str, Architecture]:
    """The built-in architectures and those of installed plug-ins.

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
        remedy = f"; of a network of your own name the file, {VARIABLE}=my_network.py:Class"
        raise ModelError(f"unknown architecture '{name}': {nearest(name, known)}{remedy}")
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


__all__ = [
    "Architecture",
    "architecture_named",
    "architectures",
    "build_model",
    "parse_config",
    "register_architecture",
]
