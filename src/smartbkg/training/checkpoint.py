"""The whole state of a training in one safetensors file, replaced atomically: what is there is always whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save as safetensors_bytes

from smartbkg.errors import ModelError
from smartbkg.storage.atomic import write_bytes_atomically
from smartbkg.storage.json_content import from_json
from smartbkg.storage.kinds import CHECKPOINT, SCHEMA_VERSIONS
from smartbkg.storage.machine import MachineError, is_of_machine, reason_of
from smartbkg.storage.provenance import METADATA_KEY, check_schema, record
from smartbkg.storage.tensors import NO_SEAL, SEAL_KEY, check_seal, sealed


@dataclass(frozen=True)
class Checkpoint:
    """A state to resume from.

    Attributes
    ----------
    tensors : weights, moments of the optimiser, best weights, state of the random generator; by name.
    progress : epoch, step, history: plain values.
    identity : digests of configuration and data; resuming with others would mix two trainings.
    """

    tensors: dict[str, torch.Tensor]
    progress: dict[str, Any]
    identity: dict[str, str]


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoint of a training lies: beside its output."""
    return output.with_name(output.name + ".checkpoint")


def save_checkpoint(path: Path, state: Checkpoint) -> None:
    """Replace the checkpoint; where that fails (a full disk) the old one stays."""
    content = record(CHECKPOINT, SCHEMA_VERSIONS[CHECKPOINT], {}, progress=state.progress, identity=state.identity)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    metadata = {METADATA_KEY: json.dumps(content), SEAL_KEY: NO_SEAL}
    write_bytes_atomically(path, sealed(safetensors_bytes(tensors, metadata=metadata)))


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file.

    Raises
    ------
    ModelError
        Damaged, or no checkpoint.
    SchemaError
        Written by a newer version.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            content = dict(from_json(metadata[METADATA_KEY]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        check_seal(path, metadata, must_be_sealed=content.get("schema_version", 1) != 1)
    except ModelError as error:
        raise ModelError(f"{error}; remove it to begin again") from error
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        if is_of_machine(error):
            raise MachineError(f"{path}: cannot read: {reason_of(error)}") from error
        raise ModelError(f"{path}: not a readable checkpoint: {error}; remove it to begin again") from error
    check_schema(content, CHECKPOINT, SCHEMA_VERSIONS[CHECKPOINT], str(path))
    return Checkpoint(tensors, content["progress"], content["identity"])
