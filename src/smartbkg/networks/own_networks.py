"""Networks of a user's own: a class of a file, a module or a notebook becomes an architecture as others are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from pydantic import create_model

from smartbkg.errors import ModelError
from smartbkg.networks.architectures import Architecture, register_architecture
from smartbkg.networks.config import ModelConfig
from smartbkg.plug_ins import load_plug_in

#: Attribute of a network's class: its configuration, a child of `ModelConfig`. Made where the class has none.
CONFIG: Final = "Config"


def use_network(network: str | type | Architecture) -> str:
    """Register a network and return the name of its architecture, which configurations and model files hold.

    Parameters
    ----------
    network : ``file.py:Class``, ``module:Class``, or the class itself: a `torch.nn.Module` that is made of its
        configuration and whose ``forward`` takes a `smartbkg.graphs.collate.GraphBatch` and returns logits (n_events,
        n_skims). Its settings are those of its attribute ``Config``. An `Architecture` will do as well.

    Raises
    ------
    ModelError
        It is no network, or its name is taken.

    Examples
    --------
    >>> import torch
    >>> class Constant(torch.nn.Module):
    ...     def __init__(self, config):
    ...         super().__init__()
    ...         self.logits = torch.nn.Parameter(torch.zeros(config.n_skims))
    ...
    ...     def forward(self, batch):
    ...         return self.logits.expand(batch.n_graphs, -1)
    >>> use_network(Constant)
    'Constant'
    """
    found: Any = load_plug_in(network, "network") if isinstance(network, str) else network
    if isinstance(found, Architecture):
        config = found.load("config")
        name = str(config.model_fields["architecture"].default)
        register_architecture(name, found)
        return name
    if not isinstance(found, type) or not callable(getattr(found, "forward", None)):
        raise ModelError(f"network '{network}' is a {type(found).__name__}, expected a class with a method forward")
    config = _config_of(found)
    name = str(config.model_fields["architecture"].default)
    register_architecture(name, Architecture(_where(config, found, CONFIG), _where(found, found, "")))
    return name


def _config_of(network: Any) -> type[ModelConfig]:
    own = network.__dict__.get(CONFIG)
    if own is None:
        name = network.__name__
        own = create_model(
            f"{name}Config", __base__=ModelConfig, architecture=(str, name), __module__=network.__module__
        )
        setattr(network, CONFIG, own)
    if not isinstance(own, type) or not issubclass(own, ModelConfig):
        raise ModelError(f"network '{network.__name__}': its Config is no child of smartbkg.networks.ModelConfig")
    if not isinstance(own.model_fields["architecture"].default, str):
        raise ModelError(f"network '{network.__name__}': its Config gives no name, as architecture: str = 'mine'")
    return own


def _where(thing: type, network: type, attribute: str) -> str | Callable[..., Any]:
    """``module:attribute`` by which a class is found again; the class itself where it is not there."""
    path = network.__qualname__ + (f".{attribute}" if attribute else "")
    found: Any = sys.modules.get(network.__module__)
    for part in path.split("."):
        found = getattr(found, part, None)
    return f"{network.__module__}:{path}" if found is thing else thing


__all__ = ["use_network"]
