"""The configuration beside an ONNX model: token numbers, event types and skims, in the layout of Belle II's module.

Keys: ``token_by_pdg``, ``unknown_token``, ``max_weight``, ``event_type`` (name → number), ``skims`` (list of ``name``,
``code``, ``output_index``, and the activation ``a``, ``b``). Models that this package exports add ``graph_rule``,
``calibration`` and ``takes_unknown_process``; without them the rule is what basf2's module ``SmartBackground`` feeds,
logits are taken as they are, and every event must be of a process that the model knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from smartbkg.errors import ModelError, nearest
from smartbkg.events import register_token_table
from smartbkg.graphs import SMART_BACKGROUND_RULE, GraphRule
from smartbkg.sampling.policies import ExponentialPolicy
from smartbkg.scores.calibration import Affine, Calibration, Identity, calibration_from_dict
from smartbkg.storage.json_content import from_json

#: The configuration of Belle II's first model of this kind, in the package.
BELLE2_CONFIG: Final = "belle2-2025"
#: Belle II's models whose activation the package knows, by name.
BELLE2_MODELS: Final = (BELLE2_CONFIG, "belle2-2026")

_NEEDED: Final = ("token_by_pdg", "unknown_token", "event_type", "skims")


@dataclass(frozen=True)
class OnnxConfig:
    """What is needed to feed an ONNX model and to read its output.

    Attributes
    ----------
    skims : names of the outputs, in their order.
    codes : skim code of each, 0 where it has none.
    event_types : name of the process → number that the model takes.
    graph_rule : how events become its input.
    calibration : how its logits become probabilities.
    activations : the clipped exponential of each skim that has one, of the network's logit, as basf2's module has it.
    takes_unknown_process : whether -1 may stand for a process that is not among ``event_types``.
    """

    skims: tuple[str, ...]
    codes: tuple[int, ...]
    event_types: Mapping[str, int]
    graph_rule: GraphRule
    calibration: Calibration
    activations: Mapping[str, ExponentialPolicy]
    takes_unknown_process: bool = False

    @property
    def policies(self) -> dict[str, ExponentialPolicy]:
        """The activations as policies, which are given the calibrated score.

        With the calibration c = s·logit + o the same exponential is a/s·(c − (o + s·b)).
        """
        if not isinstance(self.calibration, Affine):
            return dict(self.activations)
        found = {}
        for position, skim in enumerate(self.skims):
            if skim in self.activations:
                scale, offset = self.calibration.scale[position], self.calibration.offset[position]
                of_logit = self.activations[skim]
                found[skim] = ExponentialPolicy(of_logit.a / scale, offset + scale * of_logit.b, of_logit.max_weight)
        return found

    def policy(self) -> dict[str, Any] | None:
        """The policies as a model stores them, None where there is none."""
        if not self.activations:
            return None
        return {"kind": "by_skim", "policies": {skim: policy.to_dict() for skim, policy in self.policies.items()}}


def parse_onnx_config(content: Mapping[str, Any], source: str) -> OnnxConfig:
    """A configuration from its JSON content.

    Raises
    ------
    ModelError
        A key is missing or makes no sense.
    """
    for key in _NEEDED:
        if key not in content:
            raise ModelError(f"{source}: no '{key}' in the model configuration: {nearest(key, map(str, content))}")
    try:
        tokens = {int(code): int(token) for code, token in content["token_by_pdg"].items()}
        table = register_token_table(tokens, int(content["unknown_token"]))
        rule = GraphRule.from_dict(content["graph_rule"]) if "graph_rule" in content else SMART_BACKGROUND_RULE
        skims = sorted(content["skims"], key=lambda skim: int(skim["output_index"]))
        if [int(skim["output_index"]) for skim in skims] != list(range(len(skims))):
            raise ModelError(f"{source}: output_index of the skims must count from 0 without gaps")
        max_weight = float(content.get("max_weight", 100.0))
        return OnnxConfig(
            skims=tuple(str(skim["name"]) for skim in skims),
            codes=tuple(int(skim.get("code", 0)) for skim in skims),
            event_types={str(name): int(number) for name, number in content["event_type"].items()},
            graph_rule=replace(rule, token_table=table),
            calibration=calibration_from_dict(content["calibration"]) if "calibration" in content else Identity(),
            activations={
                str(skim["name"]): ExponentialPolicy(float(skim["a"]), float(skim["b"]), max_weight)
                for skim in skims
                if "a" in skim
            },
            takes_unknown_process=bool(content.get("takes_unknown_process", False)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{source}: damaged model configuration: {error!r}") from error


def read_onnx_config(path: str | Path | Mapping[str, Any]) -> OnnxConfig:
    """A configuration from a JSON file, from its content, or one of Belle II's by the name of its model."""
    if isinstance(path, Mapping):
        return parse_onnx_config(path, "model configuration")
    if str(path) in BELLE2_MODELS:
        return belle2_onnx_config(str(path))
    try:
        content = from_json(Path(path).read_text())
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such model configuration: {nearest(str(path), BELLE2_MODELS)}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{path}: the model configuration is a {type(content).__name__}, expected an object")
    return parse_onnx_config(content, str(path))


def belle2_onnx_config(model: str | None = None) -> OnnxConfig:
    """What Belle II's models of 51 skims and 7 event types have in common, and the activation of one of them.

    Parameters
    ----------
    model : one of `BELLE2_MODELS`; None = unknown: without activation, for a table of constants fits the model alone
        whose logits it was fitted to.

    Raises
    ------
    ModelError
        An unknown name.
    """
    if model is not None and model not in BELLE2_MODELS:
        raise ModelError(f"unknown activation table '{model}': {nearest(model, BELLE2_MODELS)}")
    text = (resources.files("smartbkg.events") / "data" / f"{BELLE2_CONFIG}.json").read_text()
    content = from_json(text)
    skims = [dict(skim) for skim in content["skims"]]
    if model is None:
        skims = [{key: value for key, value in skim.items() if key not in ("a", "b")} for skim in skims]
    elif model != BELLE2_CONFIG:
        table = json.loads((resources.files("smartbkg.networks.onnx") / "data" / f"{model}.json").read_text())
        content["max_weight"] = table["max_weight"]
        for skim in skims:
            skim["a"], skim["b"] = table["activation"][str(skim["code"])]
    content |= {"token_by_pdg": content["token_by_code"], "skims": skims}
    return parse_onnx_config(content, model or "Belle II's models")


__all__ = [
    "BELLE2_CONFIG",
    "BELLE2_MODELS",
    "OnnxConfig",
    "belle2_onnx_config",
    "parse_onnx_config",
    "read_onnx_config",
]
