"""`add_smartbkg_filtering`: filtering for one or several skims with an ONNX model, as in basf2's ``skim.smartbkg``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.b2modules.data_store.event_reader import EventReader
from smartbkg.b2modules.data_store.extra_info import FURTHER_DRAWS, SKIM_WEIGHT, ExtraInfo, draw_key
from smartbkg.b2modules.data_store.unknown_codes import warn_of_first_unknown
from smartbkg.b2modules.framework import Module, belle2, import_basf2, job_seed
from smartbkg.b2modules.model_source import PayloadSource
from smartbkg.b2modules.skim_config import DEFAULT_CONFIG, ConfigSource
from smartbkg.errors import EventError, ModelError, UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.networks.onnx.backend import load_onnx_scorer
from smartbkg.networks.onnx.config import BELLE2_MODELS, OnnxConfig, belle2_onnx_config, parse_onnx_config
from smartbkg.sampling.draw_key import DrawKey
from smartbkg.sampling.policies import UPSTREAM_MAX_WEIGHT, ExponentialPolicy
from smartbkg.sampling.weights import any_skim_probability
from smartbkg.scores.logistic import expit

DEFAULT_WEIGHTS: Final = "SmartBackgroundWeights_default"
#: The override of upstream's module before anybody sets it: who gives it has probably not meant to.
UNTOUCHED_ACTIVATION: Final = (0.5, 0.0)


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
    weights : payload, or file, of the ONNX model.
    config : where its configuration is.
    event_type : process of all events; None = what the generator wrote into ``EventExtraInfo``.
    activation_params : (a, b) of q = clip(exp(a·(logit − b)), 1/max_weight, 1) for all skims; None = the model's.
    debug_mode : reject nothing, and write ``SmartBKG_Prediction_<SkimName>`` = q instead of weights.
    multiply_weights : what to do with events that were filtered for a skim before: False = stop; True = draw anew, and
        multiply the weights, those of the earlier skims too.
    """

    def __init__(
        self,
        skims: Sequence[WantedSkim],
        weights: PayloadSource,
        config: ConfigSource,
        *,
        event_type: str | None = None,
        activation_params: tuple[float, float] | None = None,
        debug_mode: bool = False,
        joint_draw: bool = False,
        multiply_weights: bool = False,
    ) -> None:
        super().__init__()
        self.set_property_flags(import_basf2().ModulePropFlags.PARALLELPROCESSINGCERTIFIED)
        self._skims = list(skims)
        self._model_source, self._config_source = weights, config
        self._event_type = event_type
        self._activation = activation_params
        self._debug_mode, self._joint_draw = debug_mode, joint_draw
        self._multiply_weights = multiply_weights

    def initialize(self) -> None:
        """Register what is written and load the model."""
        self._loaded_from: tuple[Path, Any] | None = None
        self._has_warned = False
        belle2().PyStoreArray("MCParticles").isRequired()
        self._meta = belle2().PyStoreObj("EventMetaData")
        self._particles = belle2().PyStoreArray("MCParticles")
        self._extra_info = ExtraInfo()
        self._extra_info.register()
        self._seed = job_seed()
        if self._activation == UNTOUCHED_ACTIVATION:
            import_basf2().B2WARNING(
                f"smartbkg: the activation is overridden with (a, b) = {UNTOUCHED_ACTIVATION}, the values that basf2's "
                "module has before anybody sets them: is this what you want?"
            )
        self._model_source.prepare()
        self._config_source.prepare()
        if self._meta.isValid() or self._model_source.file is not None:
            self._load()

    def beginRun(self) -> None:
        """Load the model again where another revision holds for this run."""
        self._load()

    def _load(self) -> None:
        run = (int(self._meta.getExperiment()), int(self._meta.getRun())) if self._meta.isValid() else (0, 0)
        path = self._model_source.find(*run)
        content = self._config_source.find(*run)
        if (path, content) == self._loaded_from:
            return
        self._scorer = load_onnx_scorer(path, model_config=content)
        embedded = getattr(self._scorer.backend, "embedded_config", None)
        known = content if content is not None else embedded
        if isinstance(known, str):
            config = belle2_onnx_config(known)
        else:
            config = belle2_onnx_config() if known is None else parse_onnx_config(known, str(path))
        self._columns = [_column_of(skim, config) for skim in self._skims]
        self._policies = [self._policy_of(skim, config) for skim in self._skims]
        self._event_types = tuple(config.event_types)
        if self._event_type is not None:
            self._check_event_type(self._event_type)
        self._reader = EventReader(self._scorer.reading_rule)
        self._loaded_from = (path, content)

    def _policy_of(self, skim: WantedSkim, config: OnnxConfig) -> ExponentialPolicy:
        stored = config.activations.get(config.skims[_column_of(skim, config)])
        if self._activation is not None:
            max_weight = stored.max_weight if stored is not None else UPSTREAM_MAX_WEIGHT
            return ExponentialPolicy(float(self._activation[0]), float(self._activation[1]), max_weight)
        if stored is None:
            raise ModelError(
                f"the model brings no activation for the skim {skim.name}, and one that was fitted to another model "
                "keeps several times too much or too little: give payload_config (a payload, a JSON file, or "
                f"{' or '.join(BELLE2_MODELS)} where it is that model), or activation_params=(a, b)"
            )
        return stored

    def event(self) -> None:
        """Score the event, decide for each skim, and write it down."""
        batch = self._reader.read(self._particles, self._meta, self._present_event_type())
        # the activation is that of the network's logit, whatever calibration the model has beside
        n_unknown_codes = self._scorer.n_unknown_codes
        bare = expit(self._scorer.logits(batch)[0].astype(np.float64))
        warn_of_first_unknown(self._scorer, n_unknown_codes, batch)
        keep = np.array(
            [float(policy.of_score(bare[column])) for policy, column in zip(self._policies, self._columns, strict=True)]
        )
        names = [skim.name for skim in self._skims]
        if self._debug_mode:
            self._extra_info.write(**{f"SmartBKG_Prediction_{n}": q for n, q in zip(names, keep.tolist(), strict=True)})
            self.return_value(1)
            return
        earlier = self._extra_info.skim_weights()
        if not self._multiply_weights:
            for name in earlier:
                self._extra_info.refuse_if_there(
                    name, "filter once, for all skims together, or give multiply_weights=True to multiply the weights"
                )
        drawn = self._joint_weights(keep, batch) if self._joint_draw else self._weights_of(keep, names, batch)
        is_kept = max(drawn) > 0 and (not earlier or max(earlier.values()) > 0)
        weights = {SKIM_WEIGHT + name: weight for name, weight in zip(names, drawn, strict=True)}
        if earlier:
            weights = multiplied_weights(earlier, weights, self._chance_to_go_on(keep), is_kept)
            weights[FURTHER_DRAWS] = (self._extra_info.value(FURTHER_DRAWS) or 0.0) + 1.0
        self._extra_info.write(**weights)
        self.return_value(int(is_kept))

    def _chance_to_go_on(self, keep: NDArray[np.float64]) -> float:
        """With which probability some skim wants the event."""
        return float(keep.max() if self._joint_draw else any_skim_probability(keep[None, :])[0])

    def _key(self) -> DrawKey:
        return draw_key(self._seed, self._extra_info.n_draws())

    def _weights_of(self, keep: NDArray[np.float64], names: Sequence[str], batch: EventBatch) -> list[float]:
        """One draw per skim, as basf2 has it."""
        key = self._key()
        chances = [float(key.of_events(batch, name)[0]) for name in names]
        return [1 / q if chance < q else 0.0 for q, chance in zip(keep.tolist(), chances, strict=True)]

    def _joint_weights(self, keep: NDArray[np.float64], batch: EventBatch) -> list[float]:
        """One draw for all skims."""
        joint = float(keep.max())
        weight = 1 / joint if self._key().of_events(batch)[0] < joint else 0.0
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


def multiplied_weights(
    earlier: Mapping[str, float], drawn: Mapping[str, float], chance_to_go_on: float, is_kept: bool
) -> dict[str, float]:
    """The weights of all skims after a further filter: 1 / (the chance of both draws), or 0.

    Parameters
    ----------
    earlier : weights that the event came with, by their names.
    drawn : 1/q of this draw, or 0.
    chance_to_go_on : probability that this filter keeps the event, for whatever skim.
    is_kept : whether it did.

    Raises
    ------
    EventError
        A skim is new, and several were drawn for before: with which chance the event came through is then not known.
    """
    weights = {name: weight / chance_to_go_on if is_kept else 0.0 for name, weight in earlier.items()}
    for name, weight in drawn.items():
        if name not in earlier and len(earlier) > 1:
            raise EventError(
                f"EventExtraInfo has {', '.join(sorted(earlier))}: with which chance an event came through their draws "
                f"is not written there (several skims), so '{name}' has no weight; filter once, for all skims together"
            )
        weights[name] = weight * earlier.get(name, next(iter(earlier.values())))
    return weights


def _column_of(skim: WantedSkim, config: OnnxConfig) -> int:
    """Which output of the model belongs to a skim."""
    if skim.code in config.codes:
        return config.codes.index(skim.code)
    known = [f"{code} ({name})" for code, name in zip(config.codes, config.skims, strict=True)]
    raise ModelError(
        f"the model does not know the skim code {skim.code} ({skim.name}): {nearest(str(skim.code), known)}"
    )


def payload_source(payload: str, global_tag: str | None) -> PayloadSource:
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
    multiply_weights: bool = False,
) -> None:
    """Add the filter to a path, behind the generator and before the simulation.

    Parameters
    ----------
    skim : the skim that is run, or a combined one.
    path : basf2 path with the generator.
    empty_path : path that rejected events are given to; None = a new, empty one.
    debug_mode : reject nothing, and write ``SmartBKG_Prediction_<SkimName>``.
    payload_weights, payload_config : payloads of the ONNX model and of its configuration, or names of files; for the
        configuration also the name of one of Belle II's models (``belle2-2026``).
    event_type : process of the events; None = what the generator wrote into ``EventExtraInfo``.
    activation_params : (a, b) in place of the model's own.
    joint_draw : one draw for all skims in place of one per skim.
    global_tag : tag of the payloads; None = the tags that the steering file has set.
    multiply_weights : False = stop at events that were filtered for a skim before; True = draw anew, and multiply the
        weights of all skims.

    Raises
    ------
    UsageError
        Not a skim, or activation parameters that are not two numbers.
    """
    if activation_params is not None and len(activation_params) != 2:
        raise UsageError(f"add_smartbkg_filtering: activation_params are two numbers (a, b), got {activation_params}")
    module = SmartBackground(
        wanted_skims(skim),
        payload_source(payload_weights, global_tag),
        ConfigSource(payload_config, global_tag),
        event_type=event_type,
        activation_params=None if activation_params is None else (activation_params[0], activation_params[1]),
        debug_mode=debug_mode,
        joint_draw=joint_draw,
        multiply_weights=multiply_weights,
    )
    path.add_module(module)
    module.if_value("==0", import_basf2().create_path() if empty_path is None else empty_path)


__all__ = [
    "DEFAULT_CONFIG",
    "DEFAULT_WEIGHTS",
    "UNTOUCHED_ACTIVATION",
    "SmartBackground",
    "WantedSkim",
    "add_smartbkg_filtering",
    "multiplied_weights",
    "payload_source",
    "wanted_skims",
]
