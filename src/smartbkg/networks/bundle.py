"""One safe file per model: safetensors for the weights, JSON in its metadata for everything else. No pickle, no torch.

The JSON is a record of `smartbkg.storage.provenance` of kind ``model`` with the configuration of the network, the graph
rule, the token table and its digest, skims, processes, calibration, policy, metrics and training provenance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save as safetensors_bytes

from smartbkg.errors import ModelError, SchemaError
from smartbkg.graphs import GraphRule
from smartbkg.networks.architectures import build_model, parse_config
from smartbkg.networks.config import ModelConfig
from smartbkg.scores.calibration import Calibration, Identity, calibration_from_dict
from smartbkg.storage.atomic import write_bytes_atomically
from smartbkg.storage.json_content import from_json
from smartbkg.storage.kinds import MODEL, SCHEMA_VERSIONS
from smartbkg.storage.machine import MachineError, is_of_machine, reason_of
from smartbkg.storage.provenance import METADATA_KEY, check_schema, record
from smartbkg.storage.sidecar import check_sidecar
from smartbkg.surrogate.stored import SurrogateRecord, record_from_dict

if TYPE_CHECKING:
    from torch import nn

#: Metadata entry with the SHA-256 of the record; since schema 2.
_RECORD_DIGEST: Final = "smartbkg_sha256"


@dataclass(frozen=True)
class ModelBundle:
    """A trained network and all that is needed to serve it as it was trained.

    Attributes
    ----------
    config : of the network.
    state : its weights by name, as numpy arrays.
    graph_rule : how events become its input; names the token table.
    skims : names of its outputs, in order.
    processes : names of the generated processes that it takes as an input, in order; empty where it takes none.
    calibration : how its logits become probabilities.
    policy : how scores become keep probabilities (`smartbkg.sampling`), None where none was chosen.
    metrics : figures measured on events not used in training.
    training : provenance record of the training.
    surrogate : the fast simulation that its score asks besides the network, None where it asks none. ``calibration``
        and ``policy`` are then those of the network alone.
    """

    config: ModelConfig
    state: Mapping[str, NDArray[Any]]
    graph_rule: GraphRule = field(default_factory=GraphRule)
    skims: tuple[str, ...] = ("skim",)
    processes: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Identity)
    policy: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    surrogate: SurrogateRecord | None = None

    def __post_init__(self) -> None:
        if len(self.skims) != self.config.n_skims or len(set(self.skims)) != len(self.skims):
            raise ModelError(
                f"the network has {self.config.n_skims} outputs, expected as many distinct skims: {self.skims}"
            )
        if self.surrogate is not None and self.surrogate.n_skims != len(self.skims):
            raise ModelError(
                f"a combined score of {self.surrogate.n_skims} skims, expected one of {', '.join(self.skims)}"
            )
        if len(self.graph_rule.features) != self.config.num_features:
            raise ModelError(
                f"the network takes {self.config.num_features} features, the graph rule gives "
                f"{len(self.graph_rule.features)}: {', '.join(self.graph_rule.features)}"
            )
        if len(self.graph_rule.tokens) > self.config.num_pdg + 1:
            raise ModelError(
                f"the token table {self.graph_rule.token_table} has {len(self.graph_rule.tokens)} tokens, "
                f"the network's embedding only {self.config.num_pdg + 1} rows"
            )

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(int(weights.size) for weights in self.state.values())

    def build(self) -> nn.Module:
        """The network with these weights, in evaluation mode (imports torch).

        Raises
        ------
        ModelError
            Weights are missing, left over, or of another shape.
        """
        import torch

        model = build_model(self.config)
        check_state({name: tuple(weights.shape) for name, weights in model.state_dict().items()}, self.state)
        model.load_state_dict({name: torch.tensor(weights) for name, weights in self.state.items()})
        return model.eval()


def state_of(model: nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a network as numpy arrays, for `ModelBundle.state`."""
    return {name: weights.detach().cpu().numpy().copy() for name, weights in model.state_dict().items()}


def check_state(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, NDArray[Any]]) -> None:
    """Refuse weights that do not fit a network.

    Raises
    ------
    ModelError
        Names the first weight that is missing, left over, of another shape, or not finite.
    """
    for name, shape in expected.items():
        if name not in state:
            raise ModelError(f"the weight '{name}' {shape} is missing ({len(expected.keys() - state.keys())} in all)")
        if tuple(state[name].shape) != shape:
            raise ModelError(
                f"the weight '{name}' has shape {tuple(state[name].shape)}, expected {shape}: "
                "does the model configuration fit the file?"
            )
        if not np.isfinite(state[name]).all():
            raise ModelError(f"the weight '{name}' holds a number that is not finite")
    for name in state:
        if name not in expected:
            raise ModelError(f"the weight '{name}' {tuple(state[name].shape)} has no place in this architecture")


def _digest(state: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of all weights: names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name} {state[name].dtype} {state[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(state[name]).tobytes())
    return digest.hexdigest()


def save_bundle(path: str | Path, bundle: ModelBundle) -> None:
    """Write a model file, whole or not at all; the same bundle gives the same bytes."""
    content = record(
        MODEL,
        SCHEMA_VERSIONS[MODEL],
        bundle.config.model_dump(mode="json"),
        graph_rule=bundle.graph_rule.to_dict(),
        token_table={"name": bundle.graph_rule.token_table, "digest": bundle.graph_rule.tokens.digest},
        skims=list(bundle.skims),
        processes=list(bundle.processes),
        calibration=bundle.calibration.to_dict(),
        policy=None if bundle.policy is None else dict(bundle.policy),
        metrics=dict(bundle.metrics),
        training=dict(bundle.training),
        weights_sha256=_digest(bundle.state),
    )
    if bundle.surrogate is not None:
        content["surrogate"] = bundle.surrogate.to_dict()
    state = {name: np.ascontiguousarray(weights) for name, weights in bundle.state.items()}
    text = json.dumps(content, sort_keys=True)
    metadata = {METADATA_KEY: text, _RECORD_DIGEST: hashlib.sha256(text.encode()).hexdigest()}
    write_bytes_atomically(Path(path), _with_ordered_header(safetensors_bytes(state, metadata=metadata)))


def _with_ordered_header(content: bytes) -> bytes:
    """A safetensors file with the metadata in the order of its keys: the library leaves them in that of a hash map.

    A file is the length of its header (8 bytes, little-endian), the header (JSON, blanks at its end), the tensors;
    their positions count from the header's end (https://github.com/huggingface/safetensors, "Format").
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = from_json(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except (safetensors.SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        if is_of_machine(error):
            raise MachineError(f"{path}: cannot read: {reason_of(error)}") from error
        raise ModelError(f"{path}: not a readable safetensors file: {error}") from error
    if METADATA_KEY not in metadata:
        raise ModelError(f"{path}: a safetensors file, but not a model of smartbkg (no '{METADATA_KEY}' metadata)")
    text = metadata[METADATA_KEY]
    try:
        content = dict(from_json(text))
        needs_digest = int(content.get("schema_version", 0)) >= 2
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: its metadata is damaged: {error}") from error
    digest = metadata.get(_RECORD_DIGEST)
    if (digest is not None or needs_digest) and digest != hashlib.sha256(text.encode()).hexdigest():
        raise ModelError(f"{path}: its metadata is not what was written: the file is damaged, fetch it again")
    return content, state


def load_bundle(path: str | Path) -> ModelBundle:
    """Read a model file; needs no torch.

    Raises
    ------
    ModelError
        Missing, truncated, damaged, not a model, or its token table is not the one of this package.
    SchemaError
        Written by a newer version.
    """
    path = Path(path)
    check_sidecar(path)
    content, state = _read(path)
    try:
        check_schema(content, MODEL, SCHEMA_VERSIONS[MODEL], str(path))
        rule = GraphRule.from_dict(content["graph_rule"])
        if "weights_sha256" in content and content["weights_sha256"] != _digest(state):
            raise ModelError("the weights are not those that were written: the file is damaged, fetch it again")
        table = content["token_table"]
        if table["digest"] != rule.tokens.digest:
            raise ModelError(
                f"token table {table['name']} of the file (digest {table['digest'][:12]}) is not the one of this "
                f"package (digest {rule.tokens.digest[:12]}): particles would be mistaken for others"
            )
        return ModelBundle(
            config=parse_config(content["settings"]),
            state=state,
            graph_rule=rule,
            skims=tuple(content["skims"]),
            processes=tuple(content["processes"]),
            calibration=calibration_from_dict(content["calibration"]),
            policy=content["policy"],
            metrics=content["metrics"],
            training=content["training"],
            surrogate=None if content.get("surrogate") is None else record_from_dict(content["surrogate"]),
        )
    except SchemaError:
        raise
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{path}: its metadata is damaged: {error!r}") from error


def describe(bundle: ModelBundle) -> dict[str, Any]:
    """What a model is, as plain values: all but the weights."""
    inputs = bundle.training.get("inputs", [])
    return {
        "architecture": bundle.config.architecture,
        "parameters": bundle.n_parameters,
        "configuration": bundle.config.model_dump(mode="json", exclude={"architecture"}),
        "skims": list(bundle.skims),
        "processes": list(bundle.processes),
        "graph rule": bundle.graph_rule.to_dict(),
        "token table": bundle.graph_rule.token_table,
        "token table digest": bundle.graph_rule.tokens.digest,
        "calibration": bundle.calibration.to_dict(),
        "policy": None if bundle.policy is None else dict(bundle.policy),
        "metrics": dict(bundle.metrics),
        "training data": {str(part.get("name")): part.get("sha256") for part in inputs},
        "training": dict(bundle.training),
        **({} if bundle.surrogate is None else {"surrogate": bundle.surrogate.to_dict()}),
    }


__all__ = ["ModelBundle", "check_state", "describe", "load_bundle", "save_bundle", "state_of"]
