"""Writing a model as ONNX in the signature of Belle II's module, and comparing it with torch before it is trusted."""

from __future__ import annotations

import inspect
import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smartbkg.errors import ModelError
from smartbkg.graphs import SMART_BACKGROUND_RULE, DecayGraphs, GraphRule
from smartbkg.graphs.collate import collate
from smartbkg.networks.bundle import ModelBundle
from smartbkg.networks.digests import SEALED_KEY, sealed
from smartbkg.networks.gatgap.network import GATGAP
from smartbkg.networks.gatgap.padded import gatgap_padded
from smartbkg.networks.onnx.backend import OnnxBackend
from smartbkg.networks.onnx.config import belle2_onnx_config
from smartbkg.networks.transformer.network import Transformer
from smartbkg.optional import needed_for
from smartbkg.scores.calibration import Affine
from smartbkg.storage.atomic import write_bytes_atomically, write_text_atomically
from smartbkg.storage.provenance import METADATA_KEY

#: ONNX Runtime 1.15 reads up to 19.
OPSET: Final = 18
#: Largest difference between the logits of torch and of the exported model.
TOLERANCE: Final = 1e-4


class Export(NamedTuple):
    """What was written."""

    largest_difference: float
    """Between torch's logits and those of the exported file, over the test events."""
    runs_in_basf2: bool
    """Whether basf2's module ``SmartBackground`` feeds the model what it was trained on."""
    remark: str
    """Why not, otherwise empty."""


class _Padded(nn.Module):
    """A network behind the inputs of the ONNX signature, events padded to one length.

    Parameters
    ----------
    network : one that has a form without branches on lengths.
    process_of_type : (n_types + 1,) position of each event type in the model's processes, -1 for the last (unknown).
    """

    def __init__(self, network: GATGAP | Transformer, process_of_type: NDArray[np.int64]) -> None:
        super().__init__()
        self.network = network
        self.process_of_type: torch.Tensor
        self.register_buffer("process_of_type", torch.from_numpy(process_of_type))

    def forward(
        self, x: torch.Tensor, pdg: torch.Tensor, mother: torch.Tensor, c: torch.Tensor, n: torch.Tensor
    ) -> torch.Tensor:
        """(B, N, 8), (B, N), (B, N), (B,), (B,) → (B, n_skims) logits."""
        slots = torch.cumsum(torch.ones_like(pdg, dtype=torch.int64), dim=1) - 1
        is_particle = slots < n.to(torch.int64).unsqueeze(1)
        other = torch.where(mother == slots, torch.full_like(mother, -1), mother)
        inputs = (x, pdg.to(torch.int64), other.to(torch.int64), is_particle)
        if isinstance(self.network, GATGAP):
            # The signature has the event type, this network has no use for it; an unused input would be left out.
            return gatgap_padded(self.network, *inputs) + 0.0 * c.to(x.dtype).unsqueeze(1)
        return self.network.forward_padded(*inputs, self.process_of_type[c.to(torch.int64)])


class _Single(nn.Module):
    """One event, without padding: the signature of Belle II's module."""

    def __init__(self, padded: _Padded) -> None:
        super().__init__()
        self.padded = padded

    def forward(self, x: torch.Tensor, pdg: torch.Tensor, mother: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """(N, 8), (N,), (N,), () → (n_skims,) logits."""
        n = torch.ones_like(pdg).sum().reshape(1)
        padded: torch.Tensor = self.padded(x.unsqueeze(0), pdg.unsqueeze(0), mother.unsqueeze(0), c.reshape(1), n)
        return padded[0]


def onnx_config_of(bundle: ModelBundle, event_types: Mapping[str, int]) -> dict[str, Any]:
    """The configuration beside the exported model, for basf2 and for this package.

    The activation of a skim, exp(a·(logit − b)), is the model's optimal policy for rare events: with
    p ≈ exp(scale·logit + offset) and q = λ√p, a = scale/2 and b = −(offset/2 + ln λ)/a.
    """
    table = bundle.graph_rule.tokens
    belle2 = belle2_onnx_config()
    code_by_name = dict(zip(belle2.skims, belle2.codes, strict=True))
    skims = []
    for index, name in enumerate(bundle.skims):
        skim: dict[str, Any] = {"name": name, "code": code_by_name.get(name, 0), "output_index": index}
        skims.append(skim | _activation(bundle, index))
    return {
        "token_by_pdg": {
            str(code): token
            for code, token in zip(table.sorted_codes.tolist(), table.sorted_tokens.tolist(), strict=True)
        },
        "unknown_token": table.unknown_token,
        "max_weight": _max_weight(bundle),
        "event_type": dict(event_types),
        "skims": skims,
        "graph_rule": bundle.graph_rule.to_dict(),
        "calibration": bundle.calibration.to_dict(),
        "takes_unknown_process": True,
    }


def _policy_of(bundle: ModelBundle, index: int) -> Mapping[str, Any] | None:
    stored = bundle.policy
    if stored is not None and stored.get("kind") == "by_skim":
        stored = stored["policies"].get(bundle.skims[index])
    return stored if stored is not None and stored.get("kind") == "optimal" and not stored.get("importance") else None


def _activation(bundle: ModelBundle, index: int) -> dict[str, float]:
    policy = _policy_of(bundle, index)
    if policy is None or not isinstance(bundle.calibration, Affine):
        return {}
    a = bundle.calibration.scale[index] / 2
    return {"a": a, "b": -(bundle.calibration.offset[index] / 2 + float(np.log(policy["lambda"]))) / a}


def _max_weight(bundle: ModelBundle) -> float:
    policies = [policy for index in range(len(bundle.skims)) if (policy := _policy_of(bundle, index)) is not None]
    return max((float(policy["max_weight"]) for policy in policies), default=100.0)


def _remark_on_basf2(rule: GraphRule) -> str:
    """What keeps basf2's module from feeding the model as it was trained; empty where nothing does."""
    if rule.features != SMART_BACKGROUND_RULE.features or set(rule.relative_to_first) != set(
        SMART_BACKGROUND_RULE.relative_to_first
    ):
        return (
            f"the model was trained on {', '.join(rule.features)} (relative: {', '.join(rule.relative_to_first)}), "
            "basf2's SmartBackground feeds times and vertices relative to the first particle, in another order: train "
            "with the graph rule 'smart-background' for use in stock basf2"
        )
    return ""


def _tracing() -> dict[str, Any]:
    """What chooses the exporter that traces; torch before 2.5 has that one alone, and no argument for it."""
    return {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def _trace(module: nn.Module, example: tuple[torch.Tensor, ...], names: list[str], axes: dict[str, Any]) -> bytes:
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer warns about shapes, which the comparison below tests
        torch.onnx.export(
            module, example, buffer, input_names=names, output_names=["output"], dynamic_axes=axes,
            opset_version=OPSET, **_tracing(),
        )  # fmt: skip
    return bytes(buffer.getvalue())


def _export_bytes(bundle: ModelBundle, event_types: Mapping[str, int], *, is_batched: bool) -> bytes:
    with needed_for("exporting to ONNX"):
        import onnx
    order = [name for name, _ in sorted(event_types.items(), key=lambda item: item[1])]
    known = list(bundle.processes)
    process_of_type = np.array([known.index(name) if name in known else -1 for name in order] + [-1], dtype=np.int64)
    network = bundle.build()
    if not isinstance(network, GATGAP | Transformer):
        raise ModelError(f"the architecture '{bundle.config.architecture}' has no ONNX form: use gatgap or transformer")
    padded = _Padded(network, process_of_type).eval()
    width = len(bundle.graph_rule.features)
    x, pdg = torch.rand(3, 7, width), torch.ones(3, 7, dtype=torch.int32)
    mother = torch.arange(-1, 6, dtype=torch.int32).repeat(3, 1)
    c, n = torch.zeros(3, dtype=torch.int32), torch.tensor([7, 4, 1], dtype=torch.int32)
    if is_batched:
        axes = {name: {0: "B", 1: "N"} for name in ("x", "pdg", "mother")} | {name: {0: "B"} for name in ("c", "n")}
        content = _trace(padded, (x, pdg, mother, c, n), ["x", "pdg", "mother", "c", "n"], axes)
    else:
        axes = {name: {0: "N"} for name in ("x", "pdg", "mother")}
        content = _trace(_Single(padded), (x[0], pdg[0], mother[0], c[0]), ["x", "pdg", "mother", "c"], axes)
    model = onnx.load_from_string(content)
    config = json.dumps(onnx_config_of(bundle, event_types), sort_keys=True)
    onnx.helper.set_model_props(model, {METADATA_KEY: config, SEALED_KEY: "1"})
    shape = model.graph.output[0].type.tensor_type.shape
    shape.dim[len(shape.dim) - 1].ClearField("dim_param")
    shape.dim[len(shape.dim) - 1].dim_value = len(bundle.skims)
    onnx.checker.check_model(model)
    return sealed(bytes(model.SerializeToString()))


def random_graphs(rule: GraphRule, seed: int = 0) -> DecayGraphs:
    """Graphs to compare implementations on: of 1, 2, 41 and 150 nodes, trees of random codes and momenta."""
    random = np.random.default_rng(seed)
    counts = np.array([1, 2, 41, 150, 41, 1])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    feature = random.normal(0, 1, (offsets[-1], len(rule.features))).astype(np.float32)
    if "energy" in rule.features:
        momenta = [rule.features.index(name) for name in ("px", "py", "pz") if name in rule.features]
        feature[:, rule.features.index("energy")] = np.sqrt((feature[:, momenta] ** 2).sum(axis=1) + 0.14**2)
    first = np.repeat(np.array([-1, 0, -1, 0, -1, 0]), counts)  # with and without a root that is its own mother
    mother = np.where(position == 0, first, (random.random(offsets[-1]) * position).astype(int)).astype(np.int32)
    token = random.integers(0, len(rule.tokens), offsets[-1]).astype(np.int32)
    return DecayGraphs(offsets, token, feature, mother, np.arange(offsets[-1]), 0)


def _largest_difference(bundle: ModelBundle, content: bytes, event_types: Mapping[str, int]) -> float:
    graphs = random_graphs(bundle.graph_rule)
    backend = OnnxBackend(content, "exported model")
    largest = 0.0
    for name, number in event_types.items():
        process = np.full(graphs.n_events, bundle.processes.index(name) if name in bundle.processes else -1)
        with torch.inference_mode():
            expected = bundle.build()(collate(graphs, process)).numpy()
        got = backend(graphs, np.full(graphs.n_events, number))
        largest = max(largest, float(np.abs(got - expected).max()))
    return largest


def export_onnx(
    bundle: ModelBundle, path: str | Path, config: str | Path | None = None, *, is_batched: bool = False
) -> Export:
    """Write a model as ONNX, after comparing its logits with torch's.

    Parameters
    ----------
    path : the ``.onnx`` file; its metadata holds the configuration as well.
    config : also write the configuration to this JSON file.
    is_batched : the variant for many events at once (further input ``n``).

    Raises
    ------
    ModelError
        Exported and original logits differ by more than `TOLERANCE`: nothing is written.
    """
    event_types = belle2_onnx_config().event_types
    content = _export_bytes(bundle, event_types, is_batched=is_batched)
    difference = _largest_difference(bundle, content, event_types)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path}: not written: exported logits differ from torch's by {difference:.2g} > {TOLERANCE:g}"
        )
    write_bytes_atomically(Path(path), content)
    if config is not None:
        write_text_atomically(Path(config), json.dumps(onnx_config_of(bundle, event_types), indent=1))
    remark = _remark_on_basf2(bundle.graph_rule)
    return Export(difference, not remark and not is_batched, remark)


__all__ = ["OPSET", "TOLERANCE", "Export", "export_onnx", "onnx_config_of", "random_graphs"]
