"""`NNFilterModule`: basf2's filter after event generation, with upstream's signature and meanings."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartbkg.b2modules.data_store.event_reader import EventReader
from smartbkg.b2modules.data_store.extra_info import ExtraInfo, draw_key
from smartbkg.b2modules.data_store.unknown_codes import warn_of_first_unknown
from smartbkg.b2modules.defaults import MODEL_CONFIG, PREPROC_CONFIG
from smartbkg.b2modules.framework import Module, belle2, import_basf2, job_seed
from smartbkg.b2modules.model_source import PayloadSource
from smartbkg.errors import ModelError
from smartbkg.events import EventBatch
from smartbkg.filtering.policy_choice import stored_policy
from smartbkg.graphs import GraphRule
from smartbkg.networks.model_file import load_scorer, model_suffix
from smartbkg.networks.scorer import Scorer, scorer_of
from smartbkg.sampling.policies import Policy, ScorePolicy, ThresholdPolicy, parse_policy


class NNFilterModule(Module):
    """Scores each generated event and decides whether it is simulated: return value 1 = keep, 0 = reject.

    Written into ``EventExtraInfo``, for rejected events too: ``<extra_info_var>``, the calibrated P(pass | event), and
    ``<extra_info_var>_<skim>`` for each skim of a model of several (then ``<extra_info_var>`` is the largest);
    ``<extra_info_var>_keep_probability``, q; ``<extra_info_var>_weight``, generator weight / q of a kept event, 0 of a
    rejected one. Sums weighted with the latter are unbiased, unless ``threshold`` is used.

    Parameters
    ----------
    model_file : ``.pth``, ``.safetensors`` or ``.onnx`` file; None = from the conditions database.
    model_config : hyper-parameters of a ``.pth`` file.
    preproc_config : cuts and features of a ``.pth`` file.
    threshold : None = keep by chance; a number = keep from this score on (0.0 keeps all), which biases the sample.
    extra_info_var : name in ``EventExtraInfo``.
    global_tag, payload : where the model is in the conditions database; see `PayloadSource` for the order of places.
    fallback : whether the package's own model may stand in, with a warning, for a payload that basf2 does not have.
    multiply_weights : what to do with events that were filtered before under this ``extra_info_var``: False = stop;
        True = draw anew, and multiply the weights.

    Attributes
    ----------
    policy : how the score becomes q, as text (``optimal``, ``score``, ``exp=0.46,-0.25``); None = the policy that the
        model carries, and q = p, as upstream has it, for a model without one. May be set before processing.

    Notes
    -----
    The draw is a function of basf2's random seed and of the event alone, its id and its content: events of one id in
    other jobs are drawn independently.
    """

    policy: str | None = None

    def __init__(
        self,
        model_file: str | Path | None = None,
        model_config: Mapping[str, Any] = MODEL_CONFIG,
        preproc_config: Mapping[str, Any] = PREPROC_CONFIG,
        threshold: float | None = None,
        extra_info_var: str = "NN_prediction",
        global_tag: str = "SmartBKG_GATGAP",
        payload: str = "GATGAPgen.pth",
        *,
        fallback: bool = True,
        multiply_weights: bool = False,
    ) -> None:
        super().__init__()
        self.set_property_flags(import_basf2().ModulePropFlags.PARALLELPROCESSINGCERTIFIED)
        self.model_config = copy.deepcopy(dict(model_config))
        self.preproc_config = copy.deepcopy(dict(preproc_config))
        self.threshold = threshold
        self.extra_info_var = extra_info_var
        self.multiply_weights = multiply_weights
        self._source = PayloadSource(model_file, global_tag, payload, fallback=fallback)
        self._rule = rule_of(self.preproc_config)
        self._reset()

    def _reset(self) -> None:
        """Forget an earlier processing: basf2 may run a module again."""
        self._loaded_from: Path | None = None
        self._n_events = self._n_kept = self._n_empty = 0

    def initialize(self) -> None:
        """Register what is written, find the model and load it."""
        self._reset()
        belle2().PyStoreArray("MCParticles").isRequired()
        self._meta = belle2().PyStoreObj("EventMetaData")
        self._particles = belle2().PyStoreArray("MCParticles")
        self._extra_info = ExtraInfo()
        self._extra_info.register()
        self._seed = job_seed()
        self._source.prepare()
        # a source's first event is there already; where it is not, the first run decides
        if self._meta.isValid() or self._source.file is not None:
            self._load(self._source.find(*self._run()))

    def beginRun(self) -> None:
        """Load the model again where another revision holds for this run."""
        self._load(self._source.find(*self._run()))

    def _run(self) -> tuple[int, int]:
        return (int(self._meta.getExperiment()), int(self._meta.getRun())) if self._meta.isValid() else (0, 0)

    def _load(self, path: Path) -> None:
        if path == self._loaded_from:
            return
        self._scorer = load_model(path, self.model_config, self._rule)
        self._policy = self._choose_policy()
        self._reader = EventReader(self._scorer.reading_rule)
        self._loaded_from = path

    def _choose_policy(self) -> Policy:
        if self.threshold is not None:
            if self.threshold > 0:
                import_basf2().B2WARNING(
                    f"smartbkg: threshold {self.threshold:g} keeps no event below it, and the sample is biased: "
                    "weights cannot mend that, `smartbkg reweight` can to some extent"
                )
            return ThresholdPolicy(float(self.threshold))
        named = None if self.policy is None else parse_policy(self.policy)
        if isinstance(named, Policy):
            return named
        if named is None and self._scorer.policy is None:
            return ScorePolicy()
        return stored_policy(self._scorer.policy, self._scorer.skims, self._scorer.source)

    def event(self) -> None:
        """Score the event, decide, and write both down."""
        name = self.extra_info_var
        earlier_weight = 1.0
        if self.multiply_weights:
            earlier_weight = self._weight_before()
        else:
            self._extra_info.refuse_if_there(
                name, "give NNFilterModule another extra_info_var, or multiply_weights=True to multiply the weights"
            )
        batch = self._reader.read(self._particles, self._meta, self._extra_info.event_type())
        n_unknown_codes = self._scorer.n_unknown_codes
        logits = self._scorer.logits(batch)
        warn_of_first_unknown(self._scorer, n_unknown_codes, batch)
        scores = self._scorer.calibrate(logits, batch.event["process"])
        weights = batch.event["weight"]
        one_skim = scores[:, 0] if scores.shape[1] == 1 else scores
        keep_probability = float(self._policy.keep_probability(one_skim, weight=weights)[0])
        n_draws = self._extra_info.n_draws()
        is_kept = earlier_weight != 0 and self._chance(batch, n_draws) < keep_probability
        weight = float(weights[0]) * earlier_weight / keep_probability if is_kept else 0.0
        keep_probability *= self._keep_probability_before()
        values = {name: float(scores[0].max()), f"{name}_keep_probability": keep_probability, f"{name}_weight": weight}
        if scores.shape[1] > 1:
            values |= {f"{name}_{skim}": float(p) for skim, p in zip(self._scorer.skims, scores[0], strict=True)}
        if n_draws and self.multiply_weights:
            values[f"{name}_draws"] = n_draws + 1.0
        self._extra_info.write(**values)
        self._count(batch.n_particles, is_kept)
        self.return_value(int(is_kept))

    def _keep_probability_before(self) -> float:
        """q of an earlier filter under this name, so that the number beside the weight is that of both draws."""
        before = self._extra_info.value(f"{self.extra_info_var}_keep_probability") if self.multiply_weights else None
        return 1.0 if before is None else before

    def _weight_before(self) -> float:
        """1/q of an earlier filter under this name, 1 where there was none.

        The generator's weight is in an earlier weight already, and comes in again with this one.
        """
        before = self._extra_info.value(f"{self.extra_info_var}_weight")
        if before is None:
            return 1.0
        generated = float(self._meta.getGeneratedWeight())
        return before / generated if generated else 0.0

    def _chance(self, batch: EventBatch, n_draws: int) -> float:
        """The uniform number of the event; another one after each draw that it has come through."""
        return float(draw_key(self._seed, n_draws).of_events(batch)[0])

    def _count(self, n_particles: int, is_kept: bool) -> None:
        self._n_events += 1
        self._n_kept += is_kept
        if n_particles == 0:
            self._n_empty += 1
            if self._n_empty == 1:
                import_basf2().B2WARNING(
                    "smartbkg: an event has no generated particle that the model could look at; it is scored as an "
                    "empty graph (this is said once). Is the module after the generator?"
                )

    def terminate(self) -> None:
        """Say how many events were kept, and what was odd."""
        if self._n_events == 0:
            return
        message = f"smartbkg: kept {self._n_kept} of {self._n_events} events ({self._n_kept / self._n_events:.1%})"
        if self._scorer.n_unknown_codes:
            message += f"; {self._scorer.n_unknown_codes} particles had PDG codes that the model does not know"
        if self._n_empty:
            message += f"; {self._n_empty} events had no particle to look at"
        import_basf2().B2INFO(message)


def rule_of(preproc_config: Mapping[str, Any]) -> GraphRule:
    """The graph rule of upstream's preprocessing configuration.

    Raises
    ------
    ModelError
        A key, feature or cut that is not known, or ``PDG`` is no feature.
    """
    for key in preproc_config:
        if key not in PREPROC_CONFIG:
            raise ModelError(f"preproc_config has the key '{key}', expected 'cuts' and 'features'")
    features = tuple(preproc_config.get("features", PREPROC_CONFIG["features"]))
    if "PDG" not in features:
        raise ModelError(f"preproc_config: the features {', '.join(features)} lack 'PDG', which every model needs")
    return GraphRule(
        features=tuple(name for name in features if name != "PDG"),
        relative_to_first=("prodTime",) if "prodTime" in features else (),
        cuts=tuple(preproc_config.get("cuts", PREPROC_CONFIG["cuts"])),
    )


def load_model(path: Path, model_config: Mapping[str, Any], rule: GraphRule) -> Scorer:
    """A scorer of a model file: the configurations belong to ``.pth`` files, others carry their own.

    Raises
    ------
    ModelError
        Damaged, unsafe, or not fitting its configuration.
    """
    if model_suffix(path) != ".pth":
        if model_config != MODEL_CONFIG or rule != GraphRule():
            import_basf2().B2WARNING(f"smartbkg: {path} carries its own configuration; the one given is not used")
        return load_scorer(path)
    from smartbkg.networks.upstream import load_state_dict_file

    bundle = load_state_dict_file(path, model_config=model_config, graph_rule=rule)
    return scorer_of(bundle, source=str(path))


__all__ = ["MODEL_CONFIG", "PREPROC_CONFIG", "NNFilterModule", "load_model", "rule_of"]
