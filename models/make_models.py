"""Makes the models that come with smartbkg from nothing: generate, simulate, train, evaluate, write cards, publish.

Run: python models/make_models.py --folder build/models --jobs 2
Every file that exists in the folder is used again, and training goes on from its checkpoint, so that the run can be
stopped at any time. ``--scale 0.01`` does all of it with a hundredth of the events, to see that it works;
``--publish`` puts the models into the package and the cards into docs/models.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from smartbkg.closure.check import ClosureSettings
from smartbkg.conditions.packaged import DEFAULT_PAYLOAD, update_packaged_store
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.combine import merge_datasets
from smartbkg.datasets.header import read_header
from smartbkg.evaluation.evaluate import Evaluation, evaluate
from smartbkg.events.columns import PROCESSES
from smartbkg.experiment.generator.files import generate_to_file
from smartbkg.experiment.generator.generate import GeneratorRequest
from smartbkg.experiment.simulation import DEFAULT_SKIMS, simulate_file
from smartbkg.networks import ModelBundle, load_bundle
from smartbkg.networks.model_file import load_scorer
from smartbkg.networks.upstream import save_state_dict_file
from smartbkg.sampling import policy_from_dict
from smartbkg.training.config import TrainingConfig, parse_training_config
from smartbkg.training.progress.display import duration, make_display
from smartbkg.training.run import train

REPOSITORY = Path(__file__).resolve().parents[1]
CHUNK = 50_000
SKIM = "feiHadronicB0"
#: Speed-up of the optimal policy on measured pass probabilities, SKIM on mixed (`benchmarks/bench_policies.py`).
ORACLE = 3.171
LIMITS = (
    "Trained on the embedded experiment, **not on Belle II's simulation**: scores say which events pass the embedded "
    "skims. Weights make every sum unbiased whatever a score is worth; for savings in another experiment, train or "
    "fine-tune there (`smartbkg train --init-from`)."
)


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes
    ----------
    name : of its files and its card.
    title : of its card.
    skims : what it learns.
    training : process → events to generate.
    failing_per_passing : failing events kept for each passing one.
    test : process → fresh events to evaluate on.
    config : settings of its training.
    """

    name: str
    title: str
    skims: tuple[str, ...]
    training: dict[str, int]
    failing_per_passing: float
    test: dict[str, int]
    config: dict[str, Any]


RECIPES = (
    Recipe(
        "gatgap",
        "GATGAP for feiHadronicB0",
        (SKIM,),
        {"mixed": 2_000_000},
        3.0,
        {"mixed": 500_000, "charged": 100_000, "ccbar": 100_000, "uubar": 100_000},
        {
            "network": {"architecture": "gatgap"},
            "data": {"validation_fraction": 0.1},
            "sampling": {"events_per_epoch": 212_992, "symmetries": ["mirror", "rotation"]},
            "optimiser": {"epochs": 40, "batch_size": 256, "validation_events": 20_000},
        },
    ),
    Recipe(
        "smartbackground",
        "SmartBackground: ten skims, seven processes",
        DEFAULT_SKIMS,
        {process: 250_000 if process in ("mixed", "charged") else 100_000 for process in PROCESSES},
        3.0,
        dict.fromkeys(PROCESSES, 50_000),
        {
            "network": {"architecture": "transformer"},
            "data": {"validation_fraction": 0.1},
            "sampling": {"events_per_epoch": 65_536, "symmetries": ["mirror", "rotation"]},
            "calibration": {"per_process": True},
            "optimiser": {"epochs": 32, "batch_size": 256, "validation_events": 20_000},
        },
    ),
)


class Folder:
    """The working folder: makes what is not there, and remembers how long each thing took."""

    def __init__(self, path: Path, jobs: int) -> None:
        self.path, self.jobs = path, jobs
        path.mkdir(parents=True, exist_ok=True)
        self._clock = path / "seconds.json"

    def make(self, target: Path, how: Callable[[], object]) -> Path:
        """Call ``how`` unless the target exists."""
        if not target.exists():
            began = time.monotonic()
            click.echo(f"making {target.name}")
            how()
            self._remember(target.name, time.monotonic() - began)
        return target

    def _remember(self, name: str, seconds: float) -> None:
        known = self.seconds()
        self._clock.write_text(json.dumps(known | {name: round(seconds, 1)}, indent=1, sort_keys=True))

    def seconds(self) -> dict[str, float]:
        """File → seconds that it took."""
        return dict(json.loads(self._clock.read_text())) if self._clock.exists() else {}

    def chunk(self, process: str, n_events: int, run: int, recipe: Recipe, kind: str) -> Path:
        """A data set of freshly generated and simulated events; those themselves are removed again."""
        target = self.path / f"{recipe.name}-{kind}-{process}-{run}.parquet"
        events, flags = (self.path / f"{recipe.name}-{what}-{process}-{run}.parquet" for what in ("events", "flags"))

        def how() -> None:
            request = GeneratorRequest(process, n_events, seed=2024, run=run)
            self.make(events, lambda: generate_to_file(request, events, n_jobs=self.jobs))
            self.make(flags, lambda: simulate_file(events, flags, seed=7, skims=recipe.skims, n_jobs=self.jobs))
            thinning = recipe.failing_per_passing if kind == "train" else None
            build_dataset(
                [events], [flags], target, DatasetOptions(recipe.skims, failing_per_passing=thinning, is_part=True)
            )
            events.unlink()
            flags.unlink()

        return self.make(target, how)

    def sample(self, recipe: Recipe, kind: str, scale: float) -> dict[str, list[Path]]:
        """Process → its data sets."""
        wanted = recipe.training if kind == "train" else recipe.test
        return {
            process: [
                self.chunk(process, size, run, recipe, kind)
                for run, size in chunks(process, round(n_events * scale), kind)
            ]
            for process, n_events in wanted.items()
        }


def chunks(process: str, n_events: int, kind: str) -> Iterator[tuple[int, int]]:
    """(run, events) of each chunk; training and test have runs of their own, so that they share no event."""
    first = 1 + 10_000 * PROCESSES.index(process) + (0 if kind == "train" else 5000)
    for number, start in enumerate(range(0, n_events, CHUNK)):
        yield first + number, min(CHUNK, n_events - start)


def configure(recipe: Recipe, jobs: int, epochs: int | None) -> TrainingConfig:
    """The training configuration of a recipe."""
    content = recipe.config | {"run": {"seed": 1, "threads": jobs, "device": "cpu"}}
    if epochs is not None:
        content["optimiser"] = content["optimiser"] | {"epochs": epochs}
    return parse_training_config(content)


def evaluate_model(folder: Folder, recipe: Recipe, model: Path, tests: dict[str, list[Path]]) -> list[dict[str, Any]]:
    """Figures of each process and skim on fresh events; skims that next to nothing passes are left out."""
    rows = []
    bundle, scorer = load_bundle(model), load_scorer(model, threads=folder.jobs)
    for process, paths in tests.items():
        joined = folder.path / f"{recipe.name}-test-{process}.parquet"
        folder.make(joined, functools.partial(merge_datasets, paths, joined, is_part=True))
        passing = read_header(joined).summary.total.passing
        for skim in recipe.skims:
            if passing[skim] < 100:
                continue
            policy = policy_from_dict(bundle.policy or {}) if len(recipe.skims) == 1 else None
            found = evaluate(
                joined,
                scorer,
                skim,
                policy=policy,
                training=bundle.training,
                settings=ClosureSettings(with_pairs=False),
            )
            rows.append(figures(process, skim, found))
            click.echo(row_of(rows[-1]))
    return rows


def figures(process: str, skim: str, found: Evaluation) -> dict[str, Any]:
    """What a card says of one process and skim."""
    return {
        "process": process,
        "skim": skim,
        "n_passing": found.n_passing,
        "auc": found.roc.area,
        "auc_error": found.roc.area_error,
        "calibration_error": found.calibration.expected_calibration_error,
        "speed_up": found.outlook.speed_up.value,
        "speed_up_error": found.outlook.speed_up.error,
        "kept": found.outlook.kept_fraction,
        "closure_p_value": found.closure.global_p_value,
    }


def row_of(row: dict[str, Any]) -> str:
    """A line of the table."""
    return (
        f"| {row['process']} | {row['skim']} | {row['n_passing']:,} | {row['auc']:.4f} ± {row['auc_error']:.4f} | "
        f"{row['calibration_error']:.4f} | {row['speed_up']:.3f} ± {row['speed_up_error']:.3f} | {row['kept']:.1%} | "
        f"{row['closure_p_value']:.2g} |"
    )


def card(
    recipe: Recipe,
    bundle: ModelBundle,
    paths: Sequence[Path],
    rows: Sequence[dict[str, Any]],
    took: float,
    options: str,
) -> str:
    """The model card; ``options`` are those of this script that the numbers depend on."""
    totals = [read_header(path).summary.total for path in paths]
    passing = ", ".join(f"{skim} {sum(total.passing.get(skim, 0) for total in totals):,.0f}" for skim in recipe.skims)
    n_epochs = len(bundle.training["history"])
    lines = [
        f"# {recipe.title}",
        "",
        LIMITS,
        "",
        f"- Network: {bundle.config.architecture}, {bundle.n_parameters:,} weights, calibration "
        f"{bundle.calibration.to_dict()['kind']}, policy stored with it.",
        f"- Learned from {sum(total.n_events for total in totals):,} generated events "
        f"({', '.join(recipe.training)}), of which pass: {passing}; {n_epochs} epochs.",
        f"- Made by `python models/make_models.py {options}` in {duration(took)} (all steps of this model).",
        "",
        "Evaluated on fresh events of other runs at Belle II's costs (0.08 / 0.63 / 97.04 s); the speed-up is that of "
        + (
            "the model's own policy."
            if len(recipe.skims) == 1
            else "the optimal policy for that skim and process alone."
        ),
        "",
        "| process | skim | passing | AUC | calibration error | speed-up | kept | closure p-value |",
        "|---|---|---|---|---|---|---|---|",
        *(row_of(row) for row in rows),
        "",
        *(against_oracle(row) for row in rows if (row["process"], row["skim"]) == ("mixed", SKIM)),
    ]
    return "\n".join(lines) + "\n"


def against_oracle(row: dict[str, Any]) -> str:
    """What a filter could reach that knew the pass probabilities."""
    share = row["speed_up"] / ORACLE
    return (
        "The optimal policy on measured pass probabilities (an oracle, [the statistics](../statistics.md)) has "
        f"{ORACLE} for {SKIM} on 2,000 events of `mixed`: this model reaches {share:.2f} of it here, and what is said "
        "there on those same events."
    )


def make(recipe: Recipe, folder: Folder, scale: float, epochs: int | None) -> tuple[Path, Path]:
    """The model and its card."""
    samples = folder.sample(recipe, "train", scale)
    paths = [path for files in samples.values() for path in files]
    model = folder.path / f"{recipe.name}.safetensors"
    folder.make(model, lambda: train(paths, model, configure(recipe, folder.jobs, epochs), reporter=make_display()))
    tests = folder.sample(recipe, "test", scale)
    evaluated = folder.path / f"{recipe.name}.json"
    folder.make(
        evaluated, lambda: evaluated.write_text(json.dumps(evaluate_model(folder, recipe, model, tests), indent=1))
    )
    took = sum(seconds for name, seconds in folder.seconds().items() if name.startswith(recipe.name))
    text = folder.path / f"{recipe.name}.md"
    options = f"--only {recipe.name} --scale {scale:g}" + ("" if epochs is None else f" --epochs {epochs}")
    text.write_text(card(recipe, load_bundle(model), paths, json.loads(evaluated.read_text()), took, options))
    return model, text


def publish(folder: Folder) -> None:
    """Models of the folder into the packaged conditions store, their cards into docs/models.

    What else is in the store stays: models with a surrogate hold the networks that they were made of, until
    ``make_surrogate_models.py`` makes them again.
    """
    gatgap, several = (folder.path / f"{recipe.name}.safetensors" for recipe in RECIPES)
    payloads = {}
    if gatgap.exists():
        pth = folder.path / DEFAULT_PAYLOAD
        save_state_dict_file(pth, load_bundle(gatgap))
        payloads |= {DEFAULT_PAYLOAD: pth, "GATGAPgen.safetensors": gatgap}
    if several.exists():
        payloads["SmartBackground"] = several
    for payload in update_packaged_store(payloads, description="models that come with smartbkg"):
        click.echo(f"{payload}")
    for recipe in RECIPES:
        if not (folder.path / f"{recipe.name}.md").exists():
            continue
        target = REPOSITORY / "docs" / "models" / f"{recipe.name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((folder.path / f"{recipe.name}.md").read_text())


def main(arguments: Sequence[str]) -> None:
    """Make the models that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/models"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--only", choices=[recipe.name for recipe in RECIPES])
    parser.add_argument("--publish", action="store_true")
    chosen = parser.parse_args(arguments)
    folder = Folder(chosen.folder, chosen.jobs)
    for recipe in RECIPES:
        if chosen.only in (None, recipe.name):
            model, text = make(recipe, folder, chosen.scale, chosen.epochs)
            click.echo(f"{model}\n{text.read_text()}")
    if chosen.publish:
        publish(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
