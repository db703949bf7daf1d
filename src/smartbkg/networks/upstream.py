"""State dicts of Belle II's trainer (``.pth``): read without running what is in them, and written back.

A ``.pth`` file is a pickle; only tensors and plain containers are ever unpickled (``weights_only=True``).
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from smartbkg.errors import ModelError, UsageError
from smartbkg.graphs import GraphRule
from smartbkg.networks.architectures import parse_config
from smartbkg.networks.bundle import ModelBundle, load_bundle, save_bundle
from smartbkg.networks.config import GATGAPConfig
from smartbkg.networks.digests import check_archive
from smartbkg.optional import needed_for
from smartbkg.storage.atomic import refuse_same_file, write_bytes_atomically
from smartbkg.storage.json_content import from_json
from smartbkg.storage.sidecar import check_sidecar

#: Hyper-parameters of upstream's published model, where none are given.
DEFAULT_MODEL_CONFIG: Final[Mapping[str, Any]] = {
    name: GATGAPConfig.model_fields[name].default for name in ("attention_heads", "n_layers", "units", "use_gap")
}

#: Upstream registers the gate of the pooling twice; the second name is the same weights.
_GATE, _GATE_ALIAS = ".gap_gate.", ".gap.gate_nn."


def load_state_dict_file(
    path: str | Path,
    *,
    model_config: Mapping[str, Any] | str | Path | None = None,
    graph_rule: GraphRule | None = None,
    skims: tuple[str, ...] = ("skim",),
) -> ModelBundle:
    """A bundle from ``{"model_state_dict": ...}`` or a bare state dict.

    Parameters
    ----------
    model_config : upstream's hyper-parameters (``units``, ``attention_heads``, ``n_layers``, ``use_gap``, ...), or the
        path of a JSON file with them; `DEFAULT_MODEL_CONFIG` unless given.
    graph_rule : cuts and features it was trained with; upstream's unless given.

    Raises
    ------
    ModelError
        The file is missing, damaged, holds more than tensors (it could run code), or does not fit the configuration.
    """
    with needed_for("reading a .pth file (`smartbkg model convert` makes one that needs it not)"):
        import torch

    path = Path(path)
    check_sidecar(path)
    if path.is_file():
        check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on pickle protocols, for those who write unpicklers
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: refused: the pickle is damaged or holds more than tensors, and could run code when loaded"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{path}: not a readable PyTorch file: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    state = content.get("model_state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"{path}: expected a state dict (name → tensor) or one under 'model_state_dict'")
    weights = {str(name): value.detach().to(torch.float32).numpy() for name, value in state.items()}
    settings = {"architecture": "gatgap", **_read_config(model_config)}
    if "num_pdg" not in settings and weights.get("pdg_embedding.weight", np.empty(0)).ndim == 2:
        settings["num_pdg"] = len(weights["pdg_embedding.weight"]) - 1
    try:
        bundle = ModelBundle(
            config=parse_config({"n_skims": len(skims), **settings}),
            state=_without_aliases(weights),
            graph_rule=GraphRule() if graph_rule is None else graph_rule,
            skims=skims,
        )
        bundle.build()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return bundle


def _read_config(model_config: Mapping[str, Any] | str | Path | None) -> Mapping[str, Any]:
    if model_config is None:
        return DEFAULT_MODEL_CONFIG
    if isinstance(model_config, Mapping):
        return model_config
    try:
        content = from_json(Path(model_config).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{model_config}: not a readable JSON file of hyper-parameters: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{model_config}: expected a JSON object of hyper-parameters, got a {type(content).__name__}")
    return content


def _without_aliases(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights without the second names of the gates."""
    for name, values in weights.items():
        original = name.replace(_GATE_ALIAS, _GATE)
        if original != name and not np.array_equal(weights.get(original, np.empty(0)), values):
            raise ModelError(f"'{name}' and '{original}' must be the same weights, and differ")
    return {name: values for name, values in weights.items() if _GATE_ALIAS not in name}


def save_state_dict_file(path: str | Path, bundle: ModelBundle) -> None:
    """Write a GATGAP as the ``.pth`` that upstream's filter module loads.

    Raises
    ------
    ModelError
        The model is of another architecture, or has several skims: upstream knows neither.
    """
    with needed_for("writing a .pth file"):
        import torch

    if bundle.config.architecture != "gatgap" or len(bundle.skims) != 1:
        raise ModelError(
            f"upstream's .pth holds a gatgap of one skim, this is a {bundle.config.architecture} "
            f"of {len(bundle.skims)}: export it to ONNX"
        )
    state = {name: torch.tensor(values) for name, values in bundle.state.items()}
    state |= {name.replace(_GATE, _GATE_ALIAS): values for name, values in state.items() if _GATE in name}
    buffer = io.BytesIO()
    torch.save({"model_state_dict": state}, buffer)
    write_bytes_atomically(Path(path), buffer.getvalue())


def convert_model(
    source: str | Path, output: str | Path, *, model_config: str | Path | None = None, skim: str = "skim"
) -> ModelBundle:
    """Convert between ``.pth`` and ``.safetensors``, by the suffixes.

    Raises
    ------
    UsageError
        Source and output are not one of each, or are the same file.
    ModelError
        The source is damaged or unsafe, or the output's format cannot hold it.
    """
    source, output = Path(source), Path(output)
    refuse_same_file(output, source)
    suffixes = (source.suffix, output.suffix)
    if suffixes == (".pth", ".safetensors"):
        bundle = load_state_dict_file(source, model_config=model_config, skims=(skim,))
        save_bundle(output, bundle)
    elif suffixes == (".safetensors", ".pth"):
        bundle = load_bundle(source)
        save_state_dict_file(output, bundle)
    else:
        raise UsageError(
            f"cannot convert {source.name} to {output.name}: expected a .pth and a .safetensors; "
            "for ONNX see `smartbkg export`"
        )
    return bundle


__all__ = ["DEFAULT_MODEL_CONFIG", "convert_model", "load_state_dict_file", "save_state_dict_file"]
