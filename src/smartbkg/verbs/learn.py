"""From events and flags to a model that can be trusted: dataset, train, evaluate, plan, validate, load_model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartbkg.errors import UsageError
from smartbkg.storage import suffixes
from smartbkg.verbs.inputs import Workplace, write_flags
from smartbkg.verbs.produce import Source, load, paths_of
from smartbkg.verbs.results import Dataset, Model, Planned, Report, Validated

if TYPE_CHECKING:
    from smartbkg.networks.scorer import Scorer
    from smartbkg.sampling.cost import Costs


def dataset(
    events: Any, flags: Any, *, skim: str | None = None, output: Source | None = None, missing: str = "error"
) -> Dataset:
    """Join events with flags into a training data set, as `smartbkg dataset` does.

    Parameters
    ----------
    events : path, result, `smartbkg.EventBatch` or awkward array of events.
    flags : table of flags (path or result); or (n_events,) bool in the order of the events, or a mapping from skims to
        such arrays.
    skim : its name; all that the flags hold where not given.
    output : data set (Parquet); temporary where not given.
    missing : what an event without flags is: ``error``, ``failing`` or ``drop``.

    Raises
    ------
    DatasetError, UsageError
        Events and flags do not fit.
    """
    from smartbkg.datasets.build import DatasetOptions, build_dataset

    if missing not in ("error", "failing", "drop"):
        raise UsageError(f"missing='{missing}': expected error, failing or drop")
    place = Workplace()
    path = place.output(output, "dataset.parquet")
    source = place.events(events)
    table = place.path("flags.parquet")
    if hasattr(flags, "__fspath__") or isinstance(flags, str):
        table = Path(flags)
    else:
        write_flags(source, flags, skim or "skim", table)
    options = DatasetOptions((skim,) if skim is not None else ("all",), missing=missing)  # type: ignore[arg-type]
    summary = build_dataset([source], [table], path, options)
    total = summary.total
    counted = {"events": total.n_written, "variables": len(summary.variables)}
    return Dataset(path, counted | {name: int(total.passing.get(name, 0)) for name in summary.skims}, place.folder)


def train(
    data: Any,
    passes: Any = None,
    *,
    skim: str | None = None,
    output: Source | None = None,
    settings: Mapping[str, Any] | None = None,
    network: str | type | None = None,
    start_from: Source | None = None,
) -> Model:
    """Train a network for a skim, as `smartbkg train` does.

    Parameters
    ----------
    data : data set (path, result of `dataset`, or several); with ``passes`` events of any kind instead.
    passes : flags of these events, as in `dataset`.
    skim : skim to learn; all of the data set where not given.
    output : model file (.safetensors); temporary where not given.
    settings : keys of the training configuration, as ``{"optimiser.epochs": 5, "run.seed": 1}``.
    network : name of an architecture, ``file.py:Class``, or a class of your own (`smartbkg.networks.use_network`).
    start_from : model to begin with.

    Raises
    ------
    DatasetError, UsageError, MissingDependencyError
        The data or a setting cannot be used, or torch is not installed.

    Examples
    --------
    >>> import smartbkg as sb
    >>> model = sb.train(events, passes, skim="mine", settings={"optimiser.epochs": 3})  # doctest: +SKIP
    >>> sb.filter(fresh, model, seed=1)  # doctest: +SKIP
    """
    from smartbkg.networks.own_networks import use_network
    from smartbkg.training.config import read_config
    from smartbkg.training.run import train as train_files

    place = Workplace()
    path = place.output(output, "model.safetensors", "a model", suffixes.MODEL)
    if passes is not None:
        joined = dataset(data, passes, skim=skim, output=place.path("dataset.parquet"))
        paths = [joined.path]
    else:
        paths = paths_of(data)
    wanted = dict(settings or {})
    if skim is not None:
        wanted["data.skims"] = [skim]
    if network is not None:
        wanted["network.architecture"] = network if isinstance(network, str) else use_network(network)
    outcome = train_files(
        paths, path, read_config(None, wanted), resume="never",
        init_from=None if start_from is None else Path(start_from),
    )  # fmt: skip
    counted: dict[str, Any] = {"weights": outcome.bundle.n_parameters, "epochs": len(outcome.history)}
    for one in outcome.metrics:
        counted |= {f"{one.skim} AUC": one.auc, f"{one.skim} speed-up": str(one.speed_up)}
    return Model(path, counted, place.folder, history=tuple(row.reproducible() for row in outcome.history))


def evaluate(
    model: Source | Model,
    data: Any,
    flags: Any = None,
    *,
    output: Source | None = None,
    skim: str | None = None,
    policy: str | None = None,
    costs: Costs | None = None,
    oracle: Source | None = None,
    seed: int = 0,
) -> Report:
    """Check a trained model and write a report, as `smartbkg evaluate` does.

    Parameters
    ----------
    model : model file.
    data : data set; events that the model learned from do not count in its evaluation. With ``flags`` events of any
        kind instead.
    flags : which of these events passed, as in `dataset`.
    output : HTML page; temporary where not given.
    skim : needed where the model has several.
    policy : evaluated in place of the model's own.
    costs : CPU seconds per event; Belle II's where not given.
    oracle : table of `smartbkg oracle`.
    seed : of the draw that is checked for bias.

    Raises
    ------
    ModelError, DatasetError, UsageError
        The model, the data set or the skim cannot be used.
    """
    from smartbkg.evaluation.files import evaluate_model
    from smartbkg.networks.bundle import load_bundle
    from smartbkg.sampling.cost import BELLE_II_COSTS

    place = Workplace()
    path = place.output(output, "report.html", "an HTML page", suffixes.PAGE)
    joined = Path(labelled(data, flags, skim or only_skim(load_bundle(Path(model)).skims), place))
    found = evaluate_model(
        Path(model), joined, path, skim=skim, policy=policy, costs=costs or BELLE_II_COSTS,
        oracle=None if oracle is None else Path(oracle), seed=seed,
    )  # fmt: skip
    counted = {
        "skim": found.skim,
        "AUC": f"{found.roc.area:.4f} ± {found.roc.area_error:.4f}",
        "speed-up": str(found.outlook.speed_up),
        "simulated": f"{found.outlook.kept_fraction:.2%}",
        "closure": found.closure.verdict,
    }
    return Report(path, counted, place.folder, evaluation=found)


def plan(
    model: Source | Scorer | Model,
    data: Any,
    flags: Any = None,
    *,
    skims: Sequence[str] = (),
    costs: Costs | None = None,
    max_weight: float | None = None,
) -> Planned:
    """Compare policies on labelled events, as `smartbkg plan` does.

    Parameters
    ----------
    model : path, result of `train`, or scorer.
    data : data set; events that the model learned from are left out where the model says which. With ``flags`` events
        of any kind instead.
    flags : which of these events passed, as in `dataset`.
    skims : all of the model where not given.
    costs : CPU seconds per event; Belle II's where not given.
    max_weight : largest weight of the optimal policy.

    Raises
    ------
    ModelError, DatasetError
        The model or the data set cannot be used.
    """
    from smartbkg.evaluation.scored_dataset import score_dataset
    from smartbkg.networks.bundle import load_bundle
    from smartbkg.sampling.cost import BELLE_II_COSTS
    from smartbkg.sampling.plan import make_plan
    from smartbkg.sampling.policies import DEFAULT_MAX_WEIGHT

    place = Workplace()
    scorer, files = load(model)
    training = load_bundle(files[0]).training if files and files[0].suffix == ".safetensors" else None
    joined = labelled(data, flags, only_skim(skims or scorer.skims), place)
    scored = score_dataset(Path(joined), scorer, skims, training=training)
    made = make_plan(
        scored.events, costs or BELLE_II_COSTS, max_weight=DEFAULT_MAX_WEIGHT if max_weight is None else max_weight
    )
    return Planned(made, scored.events)


def validate(
    kept: Source,
    flags: Source | None = None,
    *,
    skim: str | None = None,
    scores: Source | None = None,
    events: Source | None = None,
    variables: Sequence[str] = (),
) -> Validated:
    """Is a kept sample whole, rightly weighted and unbiased? As `smartbkg validate` asks; the result is true if so.

    Parameters
    ----------
    kept : events kept by the filter.
    flags : which events passed, with event-level variables.
    skim : needed where the flags hold several.
    scores : table of every event's keep probability; makes the p-values exact.
    events : the generated events, to compare at generator level.
    variables : to look at; all where not given.

    Raises
    ------
    DatasetError, FileFormatError
        The files do not belong together, or cannot be read.
    """
    from smartbkg.closure.files import validate_files

    return Validated(
        validate_files(
            Path(kept),
            None if flags is None else Path(flags),
            skim,
            scores=None if scores is None else Path(scores),
            events=None if events is None else Path(events),
            variables=variables,
        )
    )


def only_skim(skims: Sequence[str]) -> str | None:
    """The skim where there is one: flags without a name are of that."""
    return skims[0] if len(skims) == 1 else None


def labelled(data: Any, flags: Any, skim: str | None, place: Workplace) -> Source | Dataset:
    """A data set: as it was given, or of events and flags, made in the folder of a result."""
    if flags is not None:
        return dataset(data, flags, skim=skim, output=place.path("joined.parquet"))
    given: Source | Dataset = data
    return given


__all__ = ["dataset", "evaluate", "plan", "train", "validate"]
