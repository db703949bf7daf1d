"""Starting from the weights of another model: other skims, another experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from smartbkg.errors import ModelError
from smartbkg.networks import ModelBundle, load_bundle
from smartbkg.training.config import TrainingConfig

#: The layer that has a row per skim, in every architecture of this package.
OUTPUT_LAYER: Final = "fc_output"


def load_start(path: Path, config: TrainingConfig) -> ModelBundle:
    """The model to start from.

    Raises
    ------
    ModelError
        It was made with another graph rule or is of another architecture than the configuration asks for.
    """
    start = load_bundle(path)
    if start.graph_rule != config.graph_rule:
        differing = [
            key for key, value in start.graph_rule.to_dict().items() if config.graph_rule.to_dict()[key] != value
        ]
        raise ModelError(
            f"{path}: was trained with another graph rule ({', '.join(differing)}); put its rule under 'graph:' in the "
            "configuration"
        )
    wanted = config.network.get("architecture")
    if "network" in config.model_fields_set and wanted not in (None, start.config.architecture):
        raise ModelError(f"{path}: is a '{start.config.architecture}', the configuration asks for a '{wanted}'")
    return start


def ancestors_of(init_from: Path | None) -> list[dict[str, Any]]:
    """Which events taught the model that a training starts from, and those that it started from itself."""
    if init_from is None:
        return []
    training = load_bundle(init_from).training
    own = {name: training[name] for name in ("membership", "split", "inputs") if name in training}
    return [*([own] if own else []), *training.get("ancestors", [])]


def start_from(model: torch.nn.Module, start: ModelBundle, skims: tuple[str, ...]) -> None:
    """Give a network the weights of a model; outputs of skims that the model does not know stay as they are.

    Raises
    ------
    ModelError
        The networks differ in more than their outputs.
    """
    state = model.state_dict()
    rows = [(skims.index(skim), start.skims.index(skim)) for skim in skims if skim in start.skims]
    for name, own in state.items():
        if name not in start.state:
            raise ModelError(f"the model to start from has no weight '{name}'")
        given = torch.tensor(np.asarray(start.state[name]), device=own.device)
        if name.startswith(OUTPUT_LAYER) and own.shape[1:] == given.shape[1:]:
            for here, there in rows:
                own[here] = given[there]
        elif own.shape == given.shape:
            own.copy_(given)
        else:
            raise ModelError(
                f"the weight '{name}' has shape {tuple(own.shape)}, in the model to start from {tuple(given.shape)}"
            )
    model.load_state_dict(state)
