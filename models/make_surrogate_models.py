"""Gives the models of the package a fast simulation, evaluates them under three detectors, writes cards, publishes.

Run: python models/make_surrogate_models.py --folder build/models --jobs 2
The networks are those in the package. Every file that exists in the folder is used again; ``--scale 0.05`` does all of
it with a twentieth of the events; ``--publish`` puts the models into the package and the cards into docs/models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from make_models import LIMITS, REPOSITORY, Folder
from numpy.typing import NDArray

from smartbkg.conditions.location import packaged_folder
from smartbkg.conditions.packaged import DEFAULT_TAG, update_packaged_store
from smartbkg.conditions.resolve import resolve_payload
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.files import read_detector
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
from smartbkg.experiment.generator.files import generate_to_file
from smartbkg.experiment.generator.generate import GeneratorRequest
from smartbkg.experiment.simulation import simulate_file
from smartbkg.io import open_events
from smartbkg.networks import load_bundle
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling import policy_from_dict
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.luminosity import CROSS_SECTIONS
from smartbkg.sampling.plan import make_plan
from smartbkg.sampling.statistics import Estimate, speed_up_estimate, speed_up_terms
from smartbkg.scores.metrics import roc
from smartbkg.training.surrogate.combined_score import SurrogateSettings
from smartbkg.training.surrogate.files import add_surrogate

#: The surrogate has the first; the truth of the cards is made by each. None but the first has taught anything.
DETECTORS: Final = (BELLE2, ALTERNATIVE, read_detector(str(Path(__file__).with_name("far.json"))))
REPLICAS: Final = 128
#: Runs of the events that fit and of those of the evaluation: no other events of the project have them.
_FIT_RUN, _TEST_RUN = 90_001, 95_001
_OF_SEVERAL: Final = " One draw serves all skims: a skim's row is what that draw is worth for it."


@dataclass(frozen=True)
class Recipe:
    """A model with a surrogate.

    Attributes
    ----------
    payload, base : names in the package of this model and of its network.
    name, title : of files and card.
    shares : process → share of the events.
    n_fit, n_test : events with labels that fit, and test events.
    """

    payload: str
    base: str
    name: str
    title: str
    shares: dict[str, float]
    n_fit: int
    n_test: int


RECIPES: Final = (
    Recipe(
        "GATGAPSurrogate", "GATGAPgen.safetensors", "gatgap-surrogate",
        "GATGAP and a fast simulation for feiHadronicB0", {"mixed": 1.0}, 12_000, 12_000,
    ),
    Recipe(
        "SmartBackgroundSurrogate", "SmartBackground", "smartbackground-surrogate",
        "SmartBackground and a fast simulation: ten skims, seven processes",
        {process: section / sum(CROSS_SECTIONS.values()) for process, section in CROSS_SECTIONS.items()},
        16_000, 12_000,
    ),
)  # fmt: skip


def packaged(payload: str) -> Path:
    """A file of the package's store."""
    return Path(resolve_payload(DEFAULT_TAG, payload, places=[str(packaged_folder())]))


def generated(folder: Folder, recipe: Recipe, n_events: int, run: int) -> list[Path]:
    """Files of fresh events, one for each process."""
    paths = []
    for number, (process, share) in enumerate(recipe.shares.items()):
        target = folder.path / f"{recipe.name}-events-{process}-{run + number}.parquet"
        request = GeneratorRequest(process, max(1, round(n_events * share)), seed=2024, run=run + number)
        paths.append(folder.make(target, lambda r=request, t=target: generate_to_file(r, t, n_jobs=folder.jobs)))
    return paths


def calibrate(folder: Folder, recipe: Recipe, scale: float) -> Path:
    """The model."""
    model = folder.path / f"{recipe.name}.safetensors"

    def how() -> None:
        base = packaged(recipe.base)
        skims = load_bundle(base).skims
        datasets = []
        for events in generated(folder, recipe, round(recipe.n_fit * scale), _FIT_RUN):
            flags, dataset = (events.with_name(f"{events.stem}-{what}.parquet") for what in ("flags", "dataset"))
            folder.make(flags, lambda e=events, f=flags: simulate_file(e, f, seed=7, skims=skims, n_jobs=folder.jobs))
            options = DatasetOptions(skims, is_part=True)
            folder.make(dataset, lambda e=events, f=flags, d=dataset, o=options: build_dataset([e], [f], d, o))
            datasets.append(dataset)
        settings = SurrogateSettings(REPLICAS, recipe.n_fit, threads=folder.jobs)
        add_surrogate(base, datasets, model, EmbeddedSurrogate(BELLE2), settings)

    return folder.make(model, how)


@dataclass(frozen=True)
class Row:
    """A line of a card: one detector and one skim (or all together, with no AUC)."""

    detector: str
    skim: str
    n_passing: int
    area: float
    alone: Estimate
    speed_up: Estimate


def evaluate(folder: Folder, recipe: Recipe, model: Path, scale: float) -> tuple[list[Row], float]:
    """Rows of the card, and the replicas of an event at the mean."""
    paths = generated(folder, recipe, round(recipe.n_test * scale), _TEST_RUN)
    batches = []
    for path in paths:
        with open_events(path) as reader:
            batches += list(reader.batches())
    events = EventBatch.concatenate(batches)
    bundle = load_bundle(model)
    record = bundle.surrogate
    if record is None:
        raise ValueError(f"{model}: has no surrogate")
    score = load_scorer(model, threads=folder.jobs).scores(events)
    network = load_scorer(model, threads=folder.jobs, without_surrogate=True).scores(events)
    rows = []
    for detector in DETECTORS:
        label = EmbeddedSurrogate(detector).count(events, bundle.skims, 77, 0, 1).astype(np.float64)
        policies = (policy_from_dict(bundle.policy or {}), policy_from_dict(record.policy or {}))
        keep = [policy.keep_probability(s) for policy, s in zip(policies, (network, score), strict=True)]
        for column, skim in enumerate(bundle.skims):
            if label[:, column].sum() < 20:
                continue
            alone, with_it = (
                _speed_up(label[:, column], q, c)
                for q, c in zip(keep, (BELLE_II_COSTS, _costs(record.policy)), strict=True)
            )
            area = roc(label[:, column] > 0, score[:, column], np.ones(len(label))).area
            rows.append(Row(detector.name, skim, int(label[:, column].sum()), area, alone, with_it))
        if len(bundle.skims) > 1:
            rows.append(_joint(detector.name, bundle.skims, label, network, score, _costs(record.policy)))
    return rows, float(record.training["mean_replicas"])


def _costs(policy: object) -> Costs:
    """Those that the policy was solved for, with what asking adds."""
    content = policy["costs"] if isinstance(policy, dict) else {}
    return Costs(**content) if content else BELLE_II_COSTS


def _speed_up(label: NDArray[np.float64], keep: NDArray[np.float64], costs: Costs) -> Estimate:
    return speed_up_estimate(speed_up_terms(label, keep, costs), costs)


def _joint(
    detector: str, skims: Sequence[str], label: NDArray[np.float64], network: NDArray[np.float64],
    score: NDArray[np.float64], costs: Costs,
) -> Row:  # fmt: skip
    """One draw for all skims of equal importance that some event passes."""
    used = label.sum(axis=0) >= 20
    names = [skim for skim, is_used in zip(skims, used, strict=True) if is_used]

    def of(values: NDArray[np.float64], what: Costs) -> Estimate:
        events = LabelledEvents.from_arrays(values[:, used], label[:, used], skims=names)
        return make_plan(events, what, compared=()).outlooks[0].speed_up

    return Row(detector, f"{len(names)} together", 0, float("nan"), of(network, BELLE_II_COSTS), of(score, costs))


def card(recipe: Recipe, model: Path, rows: Sequence[Row], mean_replicas: float, options: str, n_test: int) -> str:
    """The model card."""
    bundle = load_bundle(model)
    record = bundle.surrogate
    if record is None:
        raise ValueError(f"{model}: has no surrogate")
    passing = ", ".join(f"{skim} {n:,}" for skim, n in zip(bundle.skims, record.training["n_passing"], strict=True))
    lines = [
        f"# {recipe.title}",
        "",
        LIMITS,
        "",
        f"- Network: {bundle.config.architecture} of the payload `{recipe.base}`, as it is; surrogate: the embedded "
        f"experiment with the detector `{record.name}`, at most {record.n_replicas} replicas per event "
        f"({mean_replicas:.0f} at the mean, {1000 * mean_replicas * record.seconds_per_replica:.0f} ms on one core).",
        f"- The combined score was fitted on {record.training['n_events']:,} generated events with one simulation "
        f"each, of which pass: {passing}.",
        f"- Made by `python models/make_surrogate_models.py {options}`.",
        f"- Use: `smartbkg filter events.parquet --global-tag {DEFAULT_TAG} --payload {recipe.payload} --output "
        "kept.parquet` (`--without-surrogate`: the network alone).",
        "",
        f"Evaluated on {n_test:,} other events ({', '.join(recipe.shares)}) at Belle II's costs and what asking adds, "
        "as the model is: nothing was fitted to the other detectors. *alone* is the network with its own policy, "
        "without the surrogate. The truth is simulated with the same detector as the surrogate, with `alternative` "
        "(tuned to look alike, other in each number) and with a far one (`models/far.json`: 10 % fewer tracks, worse "
        "resolutions, more background, half the identification)."
        + (
            " One draw serves all skims: a skim's row is what that draw is worth for it."
            if len(bundle.skims) > 1
            else ""
        ),
        "",
        "| truth | skim | passing | AUC | speed-up alone | speed-up with the surrogate |",
        "|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
        "",
        "See [a fast simulation inside the filter](../surrogate.md) for what is asked and why nothing is biased.",
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    passing, area = (f"{row.n_passing:,}", f"{row.area:.4f}") if row.n_passing else ("", "")
    return f"| {row.detector} | {row.skim} | {passing} | {area} | {row.alone} | {row.speed_up} |"


def publish(models: dict[str, Path]) -> None:
    """The models into the package's store, beside what it has."""
    for payload in update_packaged_store(models, description="models that come with smartbkg"):
        click.echo(f"{payload}")


def main(arguments: Sequence[str]) -> None:
    """Make the models that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/models"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=[recipe.name for recipe in RECIPES])
    parser.add_argument("--publish", action="store_true")
    chosen = parser.parse_args(arguments)
    folder, models = Folder(chosen.folder, chosen.jobs), {}
    for recipe in RECIPES:
        if chosen.only not in (None, recipe.name):
            continue
        model = calibrate(folder, recipe, chosen.scale)
        rows, mean_replicas = evaluate(folder, recipe, model, chosen.scale)
        options = f"--only {recipe.name} --scale {chosen.scale:g}"
        text = card(recipe, model, rows, mean_replicas, options, round(recipe.n_test * chosen.scale))
        (folder.path / f"{recipe.name}.md").write_text(text)
        click.echo(f"{model}\n{text}")
        models[recipe.payload] = model
        if chosen.publish:
            (REPOSITORY / "docs" / "models" / f"{recipe.name}.md").write_text(text)
    if chosen.publish:
        publish(models)


if __name__ == "__main__":
    main(sys.argv[1:])
