"""Configurations of networks: what `build_model` reads and every model file stores. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartbkg.errors import ModelError, nearest


class ModelConfig(BaseModel):
    """What every architecture has; each adds its own keys in a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    """Name in `smartbkg.models.build.architectures`."""
    n_skims: int = Field(default=1, ge=1)
    """Number of logits an event: one a skim."""
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


__all__ = ["GATGAPConfig", "ModelConfig"]
