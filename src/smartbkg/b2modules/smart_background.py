"""`add_smartbkg_filtering`: filtering for one or several skims with an ONNX model, as in basf2's ``skim.smartbkg``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from smartbkg.b2modules.event_reader import EventReader
from smartbkg.b2modules.extra_info import ExtraInfo
from smartbkg.b2modules.framework import Module, belle2, import_basf2, job_seed
from smartbkg.b2modules.model_source import PayloadSource
from smartbkg.errors import ConditionsError, ModelError, UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.networks.onnx.backend import load_onnx_scorer
from smartbkg.networks.onnx.config import OnnxConfig, belle2_onnx_config, parse_onnx_config
from smartbkg.sampling.draw_key import DrawKey
from smartbkg.sampling.policies import ExponentialPolicy

DEFAULT_WEIGHTS: Final = "SmartBackgroundWeights_default"
DEFAULT_CONFIG: Final = "SmartBackgroundConfig_default"


class WantedSkim(NamedTuple):
    """A skim that is filtered for."""

    name: str
    """Name in ``EventExtraInfo``."""
    code: int
    """Skim code, by which the model's configuration knows it."""


class SmartBackground(Module):
    """Keeps an event with the probability that its scores call for: return value 1 = keep, 0 = reject.

    Writes ``weight_<SkimName>``: 1/q where the event was sampled for that skim, else 0. With ``joint_draw`` one draw
    serves all skims: the event is kept with the largest q, and 1/q of that is the weight for every skim.

    Parameters
    ----------
    skims : what is filtered for.
    weights, config : payloads, or files, of the ONNX model and of its configuration.
    event_type : process of all events; None = what the generator wrote into ``EventExtraInfo``.
    activation_params : (a, b) of q = clip(exp(a·(logit − b)), 1/max_weight, 1) for all skims; None = the model's.
    debug_mode : reject nothing, and write ``SmartBKG_Prediction_<SkimName>`` = q instead of weights.
    """

    def __init__(
        self,
        skims: Sequence[WantedSkim],
        weights: PayloadSource,
        config: PayloadSource,
        *,
        event_type: str | None = None,
        activation_params: tuple[float, float] | None = None,
        debug_mode: bool = False,
        joint_draw: bool = False,
    ) -> None:
        super().__init__()
        self._skims = list(skims)
        self._model_source, self._config_source = weights, config
        self._event_type = event_type
        self._activation = activation_params
        self._debug_mode, self._joint_draw = debug_mode, joint_draw
        self._loaded_from: tuple[Path, Mapping[str, Any] | None] | None = None
        self._has_warned = False

    def initialize(self) -> None:
        """Register what is written and load the model."""
        belle2().PyStoreArray("MCParticles").isRequired()
        self._meta = belle2().PyStoreObj("EventMetaData")
        self._particles = belle2().PyStoreArray("MCParticles")
        self._extra_info = ExtraInfo()
        self._extra_info.register()
        self._key = DrawKey(job_seed())
        self._load()

    def beginRun(self) -> None:
        """Load the model again where another revision holds for this run."""
        self._load()

    def _load(self) -> None:
        run = (int(self._meta.getExperiment()), int(self._meta.getRun())) if self._meta.isValid() else (0, 0)
        path = self._model_source.find(*run)
        content = _config_content(self._config_source, *run)
        if (path, content) == self._loaded_from:
            return
        self._scorer = load_onnx_scorer(path, model_config=content)
        embedded = getattr(self._scorer.backend, "embedded_config", None)
        known = content if content is not None else embedded
        config = belle2_onnx_config() if known is None else parse_onnx_config(known, str(path))
        self._columns = [_column_of(skim, config) for skim in self._skims]
        self._policies = [self._policy_of(skim, config) for skim in self._skims]
        self._event_types = tuple(config.event_types)
        if self._event_type is not None:
            self._check_event_type(self._event_type)
        self._reader = EventReader(self._scorer.reading_rule)
        self._loaded_from = (path, content)

    def _policy_of(self, skim: WantedSkim, config: OnnxConfig) -> ExponentialPolicy:
        stored = config.policies.get(config.skims[_column_of(skim, config)])
        if self._activation is not None:
            max_weight = stored.max_weight if stored is not None else 100.0
            return ExponentialPolicy(float(self._activation[0]), float(self._activation[1]), max_weight)
        if stored is None:
            raise ModelError(f"the model has no activation for the skim {skim.name}: give activation_params=(a, b)")
        return stored

    def event(self) -> None:
        """Score the event, decide for each skim, and write it down."""
        batch = self._reader.read(self._particles, self._meta, self._present_event_type())
        scores = self._scorer.scores(batch)[0]
        keep = np.array(
            [
                float(policy.of_score(scores[column]))
                for policy, column in zip(self._policies, self._columns, strict=True)
            ]
        )
        names = [skim.name for skim in self._skims]
        if self._debug_mode:
            self._extra_info.write(**{f"SmartBKG_Prediction_{n}": q for n, q in zip(names, keep.tolist(), strict=True)})
            self.return_value(1)
            return
        weights = self._joint_weights(keep, batch) if self._joint_draw else self._weights_of(keep, names, batch)
        self._extra_info.write(**{f"weight_{name}": weight for name, weight in zip(names, weights, strict=True)})
        self.return_value(int(max(weights) > 0))

    def _weights_of(self, keep: Any, names: Sequence[str], batch: EventBatch) -> list[float]:
        """One draw a skim, as basf2 has it."""
        chances = [float(self._key.of_events(batch, name)[0]) for name in names]
        return [1 / q if chance < q else 0.0 for q, chance in zip(keep.tolist(), chances, strict=True)]

    def _joint_weights(self, keep: Any, batch: EventBatch) -> list[float]:
        """One draw for all skims."""
        joint = float(keep.max())
        weight = 1 / joint if self._key.of_events(batch)[0] < joint else 0.0
        return [weight] * len(keep)

    def _present_event_type(self) -> str:
        found = self._extra_info.event_type()
        if self._event_type is None:
            if not found:
                raise UsageError(
                    "the event type is not in EventExtraInfo: give eventType to the generator or event_type to "
                    f"add_smartbkg_filtering; valid: {', '.join(sorted(self._event_types))}"
                )
            self._check_event_type(found)
            return found
        if found and found != self._event_type and not self._has_warned:
            self._has_warned = True
            import_basf2().B2WARNING(
                f"smartbkg: event_type is '{self._event_type}', the generator says '{found}' (this is said once)"
            )
        return self._event_type

    def _check_event_type(self, name: str) -> None:
        if name not in self._event_types:
            raise UsageError(f"unknown event type '{name}': {nearest(name, self._event_types)}")


def _column_of(skim: WantedSkim, config: OnnxConfig) -> int:
    """Which output of the model belongs to a skim."""
    if skim.code in config.codes:
        return config.codes.index(skim.code)
    known = [f"{code} ({name})" for code, name in zip(config.codes, config.skims, strict=True)]
    raise ModelError(
        f"the model does not know the skim code {skim.code} ({skim.name}): {nearest(str(skim.code), known)}"
    )


def _config_content(source: PayloadSource, experiment: int, run: int) -> Mapping[str, Any] | None:
    """The configuration as JSON content; None = the model's own, or Belle II's, where the default is not found."""
    if source.file is None and not source.is_ours:
        stored = belle2().PyDBObj(source.payload)
        if stored.isValid():
            return _content_of_object(stored)
        if source.payload == DEFAULT_CONFIG:
            return None
    try:
        path = source.find(experiment, run)
    except ConditionsError:
        if source.payload == DEFAULT_CONFIG:
            return None
        raise
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: the model configuration is a {type(content).__name__}, expected an object")
    return content


def _content_of_object(stored: Any) -> dict[str, Any]:
    """The JSON content of basf2's object ``SmartBackgroundConfig``."""
    parameters = {int(pair.first): [float(value) for value in pair.second] for pair in stored.getParameterMapping()}
    return {
        "token_by_pdg": {str(int(pair.first)): int(pair.second) for pair in stored.getPdgMapping()},
        "unknown_token": 0,
        "max_weight": float(stored.getMaxWeight()),
        "event_type": {str(pair.first): int(pair.second) for pair in stored.getEventtypeMapping()},
        "skims": [
            {
                "name": str(int(pair.first)), "code": int(pair.first), "output_index": int(pair.second),
                "a": parameters[int(pair.first)][0], "b": parameters[int(pair.first)][1],
            }
            for pair in stored.getSkimcodesMapping()
        ],
    }  # fmt: skip


def _source_of(payload: str, global_tag: str | None) -> PayloadSource:
    """A file where the name is that of one, else a payload."""
    return PayloadSource(payload if Path(payload).is_file() else None, global_tag, payload)


def wanted_skims(skim: Any) -> list[WantedSkim]:
    """The skims of a skim object of basf2, combined or not.

    Raises
    ------
    UsageError
        Something else, or a combined skim without skims.
    """
    parts = list(getattr(skim, "Skims", [skim]))
    if not parts or not all(hasattr(part, "code") for part in parts):
        raise UsageError(
            f"add_smartbkg_filtering: skim must be a BaseSkim or CombinedSkim of basf2's package skim, got {skim!r}"
        )
    return [WantedSkim(str(getattr(part, "name", type(part).__name__)), int(part.code)) for part in parts]


def add_smartbkg_filtering(
    skim: Any,
    path: Any,
    empty_path: Any = None,
    debug_mode: bool = False,
    payload_weights: str = DEFAULT_WEIGHTS,
    payload_config: str = DEFAULT_CONFIG,
    event_type: str | None = None,
    activation_params: tuple[float, float] | None = None,
    *,
    joint_draw: bool = False,
    global_tag: str | None = None,
) -> None:
    """Add the filter to a path, behind the generator and before the simulation.

    Parameters
    ----------
    skim : the skim that is run, or a combined one.
    path : basf2 path with the generator.
    empty_path : path that rejected events are given to; None = a new, empty one.
    debug_mode : reject nothing, and write ``SmartBKG_Prediction_<SkimName>``.
    payload_weights, payload_config : payloads of the ONNX model and of its configuration, or names of files.
    event_type : process of the events; None = what the generator wrote into ``EventExtraInfo``.
    activation_params : (a, b) in place of the model's own.
    joint_draw : one draw for all skims in place of one a skim.
    global_tag : tag of the payloads; None = the tags that the steering file has set.

    Raises
    ------
    UsageError
        Not a skim, or activation parameters that are not two numbers.
    """
    if activation_params is not None and len(activation_params) != 2:
        raise UsageError(f"add_smartbkg_filtering: activation_params are two numbers (a, b), got {activation_params}")
    module = SmartBackground(
        wanted_skims(skim),
        _source_of(payload_weights, global_tag),
        _source_of(payload_config, global_tag),
        event_type=event_type,
        activation_params=activation_params,
        debug_mode=debug_mode,
        joint_draw=joint_draw,
    )
    path.add_module(module)
    module.if_value("==0", import_basf2().create_path() if empty_path is None else empty_path)


__all__ = [
    "DEFAULT_CONFIG",
    "DEFAULT_WEIGHTS",
    "SmartBackground",
    "WantedSkim",
    "add_smartbkg_filtering",
    "wanted_skims",
]
