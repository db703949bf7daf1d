"""Making and filtering samples: generate, simulate, flag, filter, score, merge."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartbkg.verbs.inputs import Workplace
from smartbkg.verbs.results import Events, Flags, Kept, Model, Scores

if TYPE_CHECKING:
    from smartbkg.filtering.merge import Method
    from smartbkg.networks.scorer import Scorer
    from smartbkg.sampling.policies import Policy
    from smartbkg.sampling.policy_function import KeepFunction

Source = str | os.PathLike[str]


def generate(
    process: str,
    n_events: int,
    *,
    seed: int,
    output: Source | None = None,
    experiment: int = 0,
    run: int = 1,
    first_event: int = 1,
    jobs: int = 1,
) -> Events:
    """Generate events with PYTHIA 8 at SuperKEKB's energies, as `smartbkg generate` does.

    Parameters
    ----------
    process : ``mixed``, ``charged``, ``uubar``, ``ddbar``, ``ssbar``, ``ccbar`` or ``taupair``.
    n_events : number of events.
    seed : fixes every event by its number.
    output : Parquet file; a temporary one, which lives as long as the result, where not given.
    experiment, run, first_event : ids of the events.
    jobs : processes to work with; the events are the same.

    Raises
    ------
    UsageError, MissingDependencyError
        The process is unknown, or PYTHIA is not installed.
    """
    from smartbkg.experiment.generator.files import generate_to_file
    from smartbkg.experiment.generator.generate import GeneratorRequest

    place = Workplace()
    path = place.output(output, "events.parquet")
    request = GeneratorRequest(process, n_events, seed, experiment, run, first_event)
    written = generate_to_file(request, path, n_jobs=jobs)
    counted = {"process": process, "events": written.n_events, "particles": written.n_particles}
    return Events(path, counted, place.folder)


def simulate(
    events: Any, *, output: Source | None = None, seed: int = 1, skims: Sequence[str] = (), jobs: int = 1
) -> Flags:
    """Simulate, reconstruct and skim events with the embedded experiment, as `smartbkg simulate` does.

    Parameters
    ----------
    events : path, result, `smartbkg.EventBatch` or awkward array of events.
    output : table of flags and variables (Parquet); temporary where not given.
    seed : fixes the simulation of every event.
    skims : names, or ``file.py:function``; all ten where not given.
    jobs : threads; the flags are the same.

    Raises
    ------
    UsageError, FileFormatError
        A skim is unknown, or the events cannot be read.
    """
    from smartbkg.experiment.simulation import DEFAULT_SKIMS, simulate_file

    place = Workplace()
    path = place.output(output, "flags.parquet")
    source = place.events(events)
    summary = simulate_file(source, path, seed=seed, skims=tuple(skims) or DEFAULT_SKIMS, n_jobs=jobs)
    return Flags(path, {"events": summary.n_events} | dict(summary.n_passing), place.folder)


def flag(
    skimmed: Source | Sequence[Source],
    *,
    skim: str = "skim",
    events: Source | Sequence[Source] = (),
    cuts: Sequence[str] = (),
    output: Source | None = None,
) -> Flags:
    """Which events passed: from skimmed files, n-tuples or cuts, as `smartbkg flag` does.

    Parameters
    ----------
    skimmed : mDST, uDST, n-tuples or lists of event numbers.
    skim : name of the skim.
    events : files of all generated events; those that are not among the skimmed ones did not pass.
    cuts : conditions on columns of an n-tuple, as ``"Mbc > 5.27"``.
    output : table of flags (Parquet); temporary where not given.

    Raises
    ------
    FileFormatError, DatasetError
        A file cannot be read, or an event passed without being among all events.
    """
    from smartbkg.datasets.make_flags import make_flags

    place = Workplace()
    path = place.output(output, "flags.parquet")
    summary = make_flags(paths_of(skimmed), path, skim, all_events=paths_of(events), selections=cuts)
    return Flags(path, {"events": summary.n_events, skim: summary.n_passing}, place.folder)


def filter_events(
    events: Any,
    model: Source | Scorer | Model,
    *,
    output: Source | None = None,
    policy: str | Policy | KeepFunction | None = None,
    skims: Sequence[str] = (),
    seed: int = 0,
    stream: str | None = None,
    scores: Source | None = None,
) -> Kept:
    """Keep the events worth simulating, with weights that keep every sum unbiased, as `smartbkg filter` does.

    Parameters
    ----------
    events : path, result, `smartbkg.EventBatch` or awkward array of events.
    model : path, result of `train`, or scorer (`smartbkg.load_model`).
    output : kept events, the suffix chooses the format; a temporary Parquet file where not given.
    policy : ``optimal``, ``score``, ``threshold=P``, ``exp=A,B`` or ``file.py:function``, a policy object, or a
        function from scores to keep probabilities; the model's own where not given.
    skims : skims to filter for; all of the model where not given.
    seed : of the draw.
    stream : name that decides in place of the events' content.
    scores : also write every event's score and fate to this table.

    Raises
    ------
    ModelError, PolicyError, FileFormatError, UsageError
        The model, its policy or the events cannot be used.
    """
    from smartbkg.events.skim_choice import choose_skims
    from smartbkg.filtering.event_filter import EventFilter
    from smartbkg.filtering.files import filter_file
    from smartbkg.filtering.policy_choice import choose_policy
    from smartbkg.sampling.policies import FunctionPolicy, Policy

    place = Workplace()
    path = place.events_output(output, "kept.parquet")
    table = None if scores is None else place.output(scores, "scores.parquet")
    source = place.events(events)
    scorer, files = load(model)
    chosen = tuple(scorer.skims[position] for position in choose_skims(scorer.skims, skims))
    if policy is None or isinstance(policy, str):
        named = choose_policy(policy, scorer.policy, chosen, str(files[0]) if files else "the model")
    else:
        named = policy if isinstance(policy, Policy) else FunctionPolicy.of(policy)
    event_filter = EventFilter(scorer, named, seed=seed, skims=chosen, stream=stream)
    settings = {"policy": named.to_dict(), "seed": seed, "skims": list(chosen), "draw": "independent"}
    totals = filter_file(
        source, path, event_filter, settings=settings | ({} if stream is None else {"stream": stream}), inputs=files,
        scores=table,
    )  # fmt: skip
    counted = {
        "kept": totals.n_kept,
        "of": totals.n_events,
        "sum of weights": totals.sum_weight,
        "largest weight": totals.largest_weight,
    }
    return Kept(path, counted, place.folder)


def score(events: Any, model: Source | Scorer | Model, *, output: Source | None = None) -> Scores:
    """Every event's logit and score, as `smartbkg score` writes them.

    Parameters
    ----------
    events, model : as in `smartbkg.filter`.
    output : table of scores (Parquet); temporary where not given.
    """
    from smartbkg.filtering.files import score_file

    place = Workplace()
    path = place.output(output, "scores.parquet")
    source = place.events(events)
    scorer, files = load(model)
    summary = score_file(source, path, scorer, settings={}, inputs=files)
    return Scores(path, {"events": summary.n_events}, place.folder)


def merge(
    files: Sequence[Source], *, output: Source | None = None, method: Method = "concatenate", models: Sequence[Any] = ()
) -> Kept:
    """Combine kept samples without bias, as `smartbkg merge` does.

    Parameters
    ----------
    files : kept events.
    output : merged file (Parquet); temporary where not given.
    method : ``concatenate``, ``balance`` or ``union``.
    models : the model of each file, or one of all; needed by ``balance`` and ``union``.

    Raises
    ------
    UsageError, FileFormatError
        The samples share events, or cannot be read.
    """
    from smartbkg.filtering.merge import merge_files

    place = Workplace()
    path = place.events_output(output, "merged.parquet")
    summary = merge_files(paths_of(files), path, method, [load(model)[0] for model in models])
    counted: Mapping[str, Any] = {"events": summary.n_written, "sum of weights": summary.sum_weight}
    return Kept(path, counted, place.folder)


def paths_of(given: Source | Sequence[Source]) -> list[Path]:
    """One path or several, as a list."""
    if isinstance(given, (str, os.PathLike)):
        return [Path(given)]
    return [Path(one) for one in given]


def load(model: Any) -> tuple[Scorer, tuple[Path, ...]]:
    """A scorer, and the file that it came from where that is known."""
    from smartbkg.networks.model_file import load_scorer

    if isinstance(model, (str, os.PathLike)):
        return load_scorer(Path(model)), (Path(model),)
    return model, ()


__all__ = ["filter_events", "flag", "generate", "merge", "score", "simulate"]
