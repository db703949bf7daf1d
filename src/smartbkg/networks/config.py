"""Configurations of networks: what `build_model` reads and every model file stores. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from smartbkg.errors import ModelError, nearest
from smartbkg.events.columns import PROCESSES


class ModelConfig(BaseModel):
    """What every architecture has; each adds its own keys in a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    """Name in `smartbkg.networks.architectures.architectures`."""
    n_skims: int = Field(default=1, ge=1)
    """Number of logits per event: one per skim."""
    num_features: int = Field(default=8, ge=1)
    """Number of node features: that of the graph rule."""
    num_pdg: int = Field(default=540, ge=1)
    """Highest token; the embedding has one row more."""

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """The configuration in a mapping.

        Raises
        ------
        ModelError
            Unknown key or impossible value: says which, what was got, and the nearest valid key.
        """
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            where = f"model configuration '{content.get('architecture')}'"
            if first["type"] == "extra_forbidden":
                raise ModelError(f"{where}: unknown key '{key}': {nearest(key, cls.model_fields)}") from error
            raise ModelError(f"{where}: {key} = {first['input']!r}: {first['msg']}") from error


class GATGAPConfig(ModelConfig):
    """Graph attention with global attention pooling (arXiv:2307.06434); the defaults are upstream's trained model."""

    architecture: str = "gatgap"
    units: int = Field(default=32, ge=1)
    """Width of an attention head and of the event's state."""
    attention_heads: int = Field(default=4, ge=1)
    """Attention heads of each layer."""
    n_layers: int = Field(default=6, ge=1)
    """Graph attention layers."""
    use_gap: bool = True
    """Pool the nodes with a learned gate; else with their mean."""
    emb_size: int = Field(default=8, ge=1)
    """Width of the embedding of PDG tokens."""


class PhysicsConfig(ModelConfig):
    """What the networks with inputs made for the physics share."""

    width: int = Field(default=64, ge=1)
    """Width of a particle's representation, a multiple of ``heads``."""
    heads: int = Field(default=4, ge=1)
    """Attention heads of each layer."""
    n_layers: int = Field(default=4, ge=1)
    """Attention layers."""
    emb_size: int = Field(default=16, ge=1)
    """Width of the embedding of PDG tokens."""
    features: tuple[str, ...] = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz")
    """Columns of the graph rule, in its order."""
    processes: tuple[str, ...] = PROCESSES
    """Processes the network tells apart; any other counts as unknown."""
    boost: float = Field(default=0.2725, gt=-1, lt=1)
    """Velocity of the centre-of-mass system along z: 2.999 GeV / 11.005 GeV at SuperKEKB."""
    is_azimuth_invariant: bool = True
    """Scores do not change when the event is turned about the z axis."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class TransformerConfig(PhysicsConfig):
    """Transformer over particles for many skims at once."""

    architecture: str = "transformer"
    expansion: int = Field(default=2, ge=1)
    """Inner width of a layer's second half, in units of ``width``."""


class GAT2Config(PhysicsConfig):
    """Graph attention over the family, with edge types, residuals and a state that particles and event share."""

    architecture: str = "gat2"


class DeepSetConfig(ModelConfig):
    """Deep set (arXiv:1703.06114): each particle by itself, then their sum. The baseline that knows no relations."""

    architecture: str = "deepset"
    units: int = Field(default=128, ge=1)
    """Width of the layers."""
    emb_size: int = Field(default=8, ge=1)
    """Width of the embedding of PDG tokens."""


class GCNConfig(ModelConfig):
    """Graph convolutions as in the pd4ml benchmark (arXiv:2107.00656): 3 dense, 3 graph and 3 dense layers."""

    architecture: str = "gcn"
    units: int = Field(default=128, ge=1)
    """Width of the layers."""
    n_dense: int = Field(default=3, ge=1)
    """Dense layers before, and again after, the graph convolutions."""
    n_layers: int = Field(default=3, ge=1)
    """Graph convolutions."""
    emb_size: int = Field(default=8, ge=1)
    """Width of the embedding of PDG tokens."""


class NoNetworkConfig(ModelConfig):
    """No network: for a model that is its surrogate alone."""

    architecture: str = "none"


def processes_of(config: ModelConfig) -> tuple[str, ...]:
    """The processes that a network tells apart, in its order; none where it takes none."""
    return tuple(getattr(config, "processes", ()))


def positions_of(names: ArrayLike, processes: Sequence[str]) -> NDArray[np.int64]:
    """(n_names,) position of each name in a network's list of processes, -1 where it is not there."""
    wanted = np.asarray(names)
    index = np.full(len(wanted), -1, dtype=np.int64)
    for position, name in enumerate(processes):
        index[wanted == name] = position
    return index


__all__ = [
    "DeepSetConfig",
    "GAT2Config",
    "GATGAPConfig",
    "GCNConfig",
    "ModelConfig",
    "NoNetworkConfig",
    "PhysicsConfig",
    "TransformerConfig",
    "positions_of",
    "processes_of",
]
