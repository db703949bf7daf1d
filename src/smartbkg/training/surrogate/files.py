"""From a model file and data sets to the model with a surrogate: what `smartbkg calibrate` and `train` call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from smartbkg.datasets.header import read_header
from smartbkg.errors import DatasetError, ModelError, UsageError, nearest
from smartbkg.networks.bundle import ModelBundle, load_bundle, save_bundle
from smartbkg.networks.config import NoNetworkConfig
from smartbkg.networks.model_file import model_suffix
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import SCHEMA_VERSIONS, SURROGATE
from smartbkg.storage.provenance import record
from smartbkg.surrogate.fit import LEAST_PASSING
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.replicas import stages_of
from smartbkg.surrogate.stored import SurrogateRecord
from smartbkg.training.surrogate.asked_events import ask_datasets
from smartbkg.training.surrogate.combined_score import (
    SurrogateMetrics,
    SurrogateSettings,
    evaluate_combination,
    fit_stages,
    score_histograms,
    solve_record,
)


class SurrogateOutcome(NamedTuple):
    """What came of giving a model a surrogate."""

    bundle: ModelBundle
    """The model that was written."""
    surrogate: SurrogateRecord
    """Its surrogate."""
    n_events: int
    """Labelled events that were asked."""
    n_passing: tuple[int, ...]
    """Those that pass, of each skim."""
    metrics: SurrogateMetrics
    """What it gains."""


def add_surrogate(
    model: Path | None,
    datasets: Sequence[Path],
    output: Path,
    surrogate: Surrogate,
    settings: SurrogateSettings | None = None,
    *,
    skims: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> SurrogateOutcome:
    """Fit the combined score of a model and a surrogate, and write the model with both.

    Few events suffice (docs/surrogate.md). Those that the network has learned from are left out: on them its logits are
    too good.

    Parameters
    ----------
    model : a ``.safetensors`` model, which may have a surrogate already; None = the surrogate alone is the model.
    datasets : of `smartbkg dataset`, with labels of the model's skims.
    output : model file to write; may be ``model`` itself.
    skims : of a model without network; all that the data sets have if not named.
    progress : called with the number of events of each batch that is done.

    Raises
    ------
    DatasetError, ModelError, UsageError
        Labels are missing or too few, or the surrogate does not know a skim.
    """
    settings = settings or SurrogateSettings()
    refuse_same_file(output, *datasets)
    bundle = _without_network(datasets, skims) if model is None else _of_model(model, skims)
    surrogate.check(bundle.skims)
    stages = stages_of(settings.n_replicas)
    asked, seconds = ask_datasets(
        bundle, str(model or ""), datasets, surrogate, stages,
        seed=settings.seed, max_events=settings.max_events, threads=settings.threads, progress=progress,
    )  # fmt: skip
    for skim, n_passing in zip(bundle.skims, asked.n_passing, strict=True):
        if n_passing < LEAST_PASSING:
            raise DatasetError(
                f"{datasets[0]}: {n_passing} of {len(asked)} events that were asked pass '{skim}', {LEAST_PASSING} are "
                "needed: simulate more events, or ask more of them (--max-events)"
            )
    fitted = SurrogateRecord.of(surrogate, fit_stages(asked, stages), seed=settings.seed, seconds_per_replica=seconds)
    solved = solve_record(fitted, asked, settings, keep_replicas=True)
    metrics = evaluate_combination(solved, asked, settings, has_network=model is not None)
    training = record(
        SURROGATE, SCHEMA_VERSIONS[SURROGATE], {"n_replicas": settings.n_replicas, "costs": settings.costs.to_dict()},
        list(datasets), n_events=len(asked), n_passing=list(asked.n_passing), mean_replicas=metrics.mean_replicas,
        speed_up=list(metrics.with_surrogate),
        speed_up_without=None if metrics.without is None else list(metrics.without),
        auc=list(metrics.area), **score_histograms(solved, asked, bundle.skims),
    )  # fmt: skip
    finished = replace(bundle, surrogate=replace(solved, training=training))
    save_bundle(output, finished)
    return SurrogateOutcome(finished, solved, len(asked), asked.n_passing, metrics)


def choose_replicas(bundle: ModelBundle, source: str, dataset: Path, settings: SurrogateSettings) -> ModelBundle:
    """A model with K, stopping rule and policy of its surrogate solved for other costs, on the events of a data set.

    Parameters
    ----------
    bundle, source : a model with a surrogate, and its file for messages.
    settings : costs, largest weight, importances; K is that of the largest expected speed-up among the fitted ones.

    Raises
    ------
    ModelError
        The model has no surrogate, or it is not installed.
    """
    if bundle.surrogate is None:
        raise ModelError(f"{source}: the model has no surrogate: `smartbkg calibrate` adds one")
    old = bundle.surrogate
    asked, seconds = ask_datasets(
        replace(bundle, surrogate=None), source, [dataset], old.open(source), old.stages,
        seed=old.seed, max_events=settings.max_events, threads=settings.threads, progress=lambda _: None,
    )  # fmt: skip
    solved = solve_record(replace(old, seconds_per_replica=seconds), asked, settings, keep_replicas=False)
    training = {**solved.training, **score_histograms(solved, asked, bundle.skims)}
    return replace(bundle, surrogate=replace(solved, training=training))


def _of_model(model: Path, skims: Sequence[str]) -> ModelBundle:
    if model_suffix(model) != ".safetensors":
        raise UsageError(f"{model}: a surrogate can be stored in .safetensors only: `smartbkg model convert` makes one")
    if skims:
        raise UsageError(f"--skim: {model} has its skims; for others calibrate without MODEL, or train a network")
    return replace(load_bundle(model), surrogate=None)


def _without_network(datasets: Sequence[Path], skims: Sequence[str]) -> ModelBundle:
    available = tuple(dict.fromkeys(skim for path in datasets for skim in read_header(path).summary.skims))
    for skim in skims:
        if skim not in available:
            raise DatasetError(f"{datasets[0]}: no labels of the skim '{skim}': {nearest(skim, available)}")
    chosen = tuple(skims) or available
    return ModelBundle(config=NoNetworkConfig(n_skims=len(chosen)), state={}, skims=chosen)


__all__ = ["SurrogateOutcome", "add_surrogate", "choose_replicas"]
