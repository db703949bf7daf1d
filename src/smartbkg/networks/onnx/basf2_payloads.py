"""A model for basf2's C++ module ``SmartBackground``: its two payloads, and the script that stores them in basf2.

On the grid no Python module of a user runs, so a production uses the module of the release with a pair of payloads: the
ONNX file, and an object ``SmartBackgroundConfig`` that only basf2 can write. What the module does with the object, and
hence what must hold of it, is in skim/modules/src/SmartBackgroundModule.cc and
skim/dbobjects/include/SmartBackgroundConfig.h of basf2; `check_readable` goes through it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from smartbkg.errors import ModelError, UsageError
from smartbkg.networks.bundle import ModelBundle
from smartbkg.networks.onnx.config import belle2_onnx_config
from smartbkg.networks.onnx.export import export_onnx, onnx_config_of
from smartbkg.storage.atomic import write_text_atomically

WEIGHTS_PAYLOAD: Final = "SmartBackgroundWeights_{}"
CONFIG_PAYLOAD: Final = "SmartBackgroundConfig_{}"
SCRIPT_NAME: Final = "store_payloads.py"
CONFIG_NAME: Final = "config.json"

_PAYLOAD_NAME: Final = re.compile(r"^[A-Za-z0-9_]+$")
_LARGEST_OUTPUT_INDEX: Final = 0xFFFF  # uint16_t
_LARGEST_INTEGER: Final = 0x7FFFFFFF  # int, int32_t


class Basf2Export(NamedTuple):
    """What was written."""

    files: tuple[Path, ...]
    """The ONNX file, the configuration, the script."""
    weights_payload: str
    """Name of the payload of the ONNX file."""
    config_payload: str
    """Name of the payload of the configuration."""
    largest_difference: float
    """Between torch's logits and those of the exported file."""


def export_for_basf2(
    bundle: ModelBundle, folder: Path, *, name: str = "custom", skim_codes: Mapping[str, int] | None = None
) -> Basf2Export:
    """Write the payloads of a model into a folder.

    Parameters
    ----------
    name : end of the names of the payloads.
    skim_codes : skim → code (eight digits, basf2's ``skim.registry``), where Belle II's model does not know the skim.

    Raises
    ------
    ModelError
        The module would not read it as it was meant: says what, and nothing is written.
    UsageError
        A name that basf2's database does not take.
    """
    if not _PAYLOAD_NAME.match(name):
        raise UsageError(f"payload name '{name}': expected letters, digits and underscores")
    unknown = [skim for skim in skim_codes or () if skim not in bundle.skims]
    if unknown:
        raise UsageError(f"--skim-code: the model has no skim '{unknown[0]}': {', '.join(bundle.skims)}")
    content = onnx_config_of(bundle, belle2_onnx_config().event_types)
    for skim in content["skims"]:
        skim["code"] = int((skim_codes or {}).get(skim["name"], skim["code"]))
    problems = check_readable(content)
    if problems:
        raise ModelError("basf2's module SmartBackground would not run the model:\n- " + "\n- ".join(problems))
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{WEIGHTS_PAYLOAD.format(name)}.onnx"
    export = export_onnx(bundle, weights)
    if not export.runs_in_basf2:
        weights.unlink()
        raise ModelError(f"basf2's module SmartBackground would not run the model: {export.remark}")
    config, script = folder / CONFIG_NAME, folder / SCRIPT_NAME
    write_text_atomically(config, json.dumps(content, indent=1))
    write_text_atomically(script, _script(name))
    return Basf2Export(
        (weights, config, script), WEIGHTS_PAYLOAD.format(name), CONFIG_PAYLOAD.format(name), export.largest_difference
    )


def check_readable(content: Mapping[str, Any]) -> list[str]:
    """What keeps the C++ module from reading a configuration as it was meant; empty where nothing does.

    Parameters
    ----------
    content : as `smartbkg.networks.onnx.config` describes it.
    """
    return [*_tokens(content), *_skims(content), *_scalars(content)]


def _tokens(content: Mapping[str, Any]) -> list[str]:
    """SmartBackgroundModule.cc: ``m_pdgMapping[pdg]`` is 0 for unknown codes, and a 0 is taken for unknown."""
    problems = []
    if int(content["unknown_token"]) != 0:
        problems.append(f"unknown PDG codes have the token {content['unknown_token']}; the module gives them 0")
    at_zero = [code for code, token in content["token_by_pdg"].items() if int(token) == 0 and int(code) != 0]
    if at_zero:
        problems.append(f"the PDG code {at_zero[0]} has the token 0, which the module takes for unknown")
    if any(not 0 <= int(token) <= _LARGEST_INTEGER for token in content["token_by_pdg"].values()):
        problems.append("tokens must be positive 32-bit integers")
    too_long = [code for code in content["token_by_pdg"] if abs(int(code)) > _LARGEST_INTEGER]
    if too_long:
        problems.append(f"the PDG code {too_long[0]} is no 32-bit integer")
    return problems


def _skims(content: Mapping[str, Any]) -> list[str]:
    """One entry per skim in three maps by skim code; as many entries as the model has outputs."""
    problems = []
    codes = [int(skim.get("code", 0)) for skim in content["skims"]]
    without = [skim["name"] for skim, code in zip(content["skims"], codes, strict=True) if code <= 0]
    if without:
        problems.append(
            f"the skim '{without[0]}' has no skim code (basf2: skim.registry): give --skim-code {without[0]}=CODE"
        )
    if len(set(codes)) != len(codes) and not without:
        problems.append("two skims have one code: the output tensor would have fewer numbers than the model's")
    if codes and max(codes) > _LARGEST_INTEGER:
        problems.append(f"the skim code {max(codes)} is no 32-bit integer")
    outputs = sorted(int(skim["output_index"]) for skim in content["skims"])
    if outputs != list(range(len(codes))):
        problems.append(f"the skims' outputs are numbered {outputs}, expected each from 0 to {len(codes) - 1} once")
    if len(codes) > _LARGEST_OUTPUT_INDEX:
        problems.append(f"{len(codes)} skims: the module counts outputs with 16 bits")
    for skim in content["skims"]:
        parameters = (skim.get("a"), skim.get("b"))
        if None in parameters:
            problems.append(
                f"the skim '{skim['name']}' has no activation: solve the policy from the model's scores and costs with "
                "`smartbkg plan MODEL LABELLED --write`, and calibrate without classes of processes"
            )
        elif not all(math.isfinite(float(value)) for value in parameters) or float(skim["a"]) <= 0:
            problems.append(f"the activation of '{skim['name']}' is {parameters}, expected finite numbers with a > 0")
    return problems


def _scalars(content: Mapping[str, Any]) -> list[str]:
    problems = []
    max_weight = float(content["max_weight"])
    if not (math.isfinite(max_weight) and max_weight >= 1):
        problems.append(f"the maximum weight is {max_weight}, expected a number from 1 on")
    types = dict(content["event_type"])
    if not types or sorted(types.values()) != list(range(len(types))):
        problems.append(f"event types must count from 0 without gaps: {types}")
    return problems


def _script(name: str) -> str:
    """The steering file, which needs nothing but basf2 and what lies beside it."""
    return f'''"""Store the payloads of a SmartBackground model in a local database, with basf2's own classes.

    basf2 {SCRIPT_NAME}                                          # writes localdb/database.txt
    b2conditionsdb upload GLOBALTAG localdb/database.txt            # to the conditions database, for the grid

Then, in a steering file: basf2.conditions.prepend_testing_payloads("localdb/database.txt"), or the global tag, and

    add_smartbkg_filtering(skim, path, payload_weights="{WEIGHTS_PAYLOAD.format(name)}",
                           payload_config="{CONFIG_PAYLOAD.format(name)}")
"""

import json
from pathlib import Path

from ROOT import Belle2

HERE = Path(__file__).resolve().parent
CONFIG = json.loads((HERE / "{CONFIG_NAME}").read_text())
SKIMS = CONFIG["skims"]

config = Belle2.SmartBackgroundConfig(
    {{int(code): token for code, token in CONFIG["token_by_pdg"].items()}},
    {{skim["code"]: skim["output_index"] for skim in SKIMS}},
    {{skim["code"]: [skim["a"], skim["b"]] for skim in SKIMS}},
    {{skim["code"]: skim["name"] for skim in SKIMS}},
    CONFIG["event_type"],
    CONFIG["max_weight"],
)
always = Belle2.IntervalOfValidity(0, 0, -1, -1)
database = Belle2.Database.Instance()
stored = database.storeData("{CONFIG_PAYLOAD.format(name)}", config, always)
stored = database.addPayload(
    "{WEIGHTS_PAYLOAD.format(name)}", str(HERE / "{WEIGHTS_PAYLOAD.format(name)}.onnx"), always
) and stored
if not stored:
    raise SystemExit("the payloads were not stored, see the messages above")

pairs = {{pair.first: list(pair.second) for pair in config.getParameterMapping()}}
print(f"{{len(pairs)}} skims and {{len(CONFIG['token_by_pdg'])}} PDG codes are in localdb/database.txt")
'''


__all__ = ["Basf2Export", "check_readable", "export_for_basf2"]
