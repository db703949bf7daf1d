"""The whole job at a small size: generate, simulate, skim, train, filter, check."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from smartbkg.errors import UsageError
from smartbkg.optional import require
from smartbkg.tools.warm_up import BackgroundWarmUp

PROCESS: Final = "mixed"
SKIM: Final = "feiHadronicB0"
#: Run numbers of the events to learn from and of the events to produce: the two never share an event.
TRAINING_RUN: Final = 1
PRODUCTION_RUN: Final = 2
#: Events to learn from where the user does not say; as many fresh ones are then filtered in this ratio.
DEFAULT_EVENTS: Final = 80_000
PRODUCTION_SHARE: Final = 0.2
#: The fast simulation inside the filter: not the detector that makes the truth, as a user's would not be either.
SURROGATE: Final = "alternative"
REPLICAS: Final = 32
#: Events with labels that the surrogate is asked about.
ASKED_EVENTS: Final = 4_000
#: Fewer events hold too few passing ones to learn from and to evaluate with.
LEAST_EVENTS: Final = 4_000


class Announcer(Protocol):
    """Tells the user what is done and why."""

    def step(self, title: str, reason: str) -> None:
        """A step begins."""

    def result(self, text: str) -> None:
        """A step came to something."""


class DemoFiles(NamedTuple):
    """What the demo leaves behind."""

    training_events: Path
    training_flags: Path
    training_dataset: Path
    model: Path
    production_events: Path
    kept: Path
    production_flags: Path
    production_dataset: Path
    report: Path

    @classmethod
    def within(cls, folder: Path) -> DemoFiles:
        """Their paths."""
        return cls(
            folder / "training-events.parquet",
            folder / "training-flags.parquet",
            folder / "training-dataset.parquet",
            folder / "model.safetensors",
            folder / "production-events.parquet",
            folder / "production-kept.parquet",
            folder / "production-flags.parquet",
            folder / "production-dataset.parquet",
            folder / "report.html",
        )


class DemoResult(NamedTuple):
    """What the demo made, and the numbers of its report."""

    files: DemoFiles
    speed_up: str
    """Speed-up of the production, value ± error."""
    kept_fraction: float
    """Share of the generated events that were kept."""
    area: float
    """Area under the ROC curve."""
    verdict: str
    """What the closure test says, in words."""
    is_unbiased: bool
    """Whether the closure test passed."""


@dataclass(frozen=True)
class _Demo:
    """The settings that all steps share."""

    files: DemoFiles
    n_training: int
    n_production: int
    seed: int
    n_jobs: int
    announce: Announcer


def run_demo(
    folder: Path, n_events: int, announce: Announcer, *, seed: int = 1, threads: int | None = None
) -> DemoResult:
    """Do the whole job in a folder.

    Parameters
    ----------
    folder : made if it does not exist; files of an earlier demo are replaced.
    n_events : events to learn from.
    announce : told about each step.
    seed : fixes every event, draw and weight (training on several threads differs in the last digits).
    threads : cores to use, all that are there if not given.

    Raises
    ------
    UsageError
        Too few events, or the folder is a file.
    MissingDependencyError
        A library of one of the steps is not installed.
    """
    if n_events < LEAST_EVENTS:
        raise UsageError(f"--events {n_events}: the demo needs at least {LEAST_EVENTS} to learn from")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file, expected a folder")
    require(("pythia8mc", "torch", "sklearn", "matplotlib", "mplhep", "jinja2"), "the demo")
    folder.mkdir(parents=True, exist_ok=True)
    n_jobs = threads if threads is not None else len(os.sched_getaffinity(0))
    demo = _Demo(DemoFiles.within(folder), n_events, round(n_events * PRODUCTION_SHARE), seed, n_jobs, announce)
    compiling = BackgroundWarmUp()
    try:
        _make_training_data(demo, compiling)
        compiling.wait("network")
        _train(demo)
        _ask_surrogate(demo)
    finally:
        compiling.stop()
    _filter_production(demo)
    return _check(demo)


def _generate(demo: _Demo, output: Path, n_events: int, run: int) -> None:
    from smartbkg.experiment.generator.files import generate_to_file
    from smartbkg.experiment.generator.generate import GeneratorRequest

    written = generate_to_file(GeneratorRequest(PROCESS, n_events, demo.seed, 0, run), output, n_jobs=demo.n_jobs)
    demo.announce.result(f"{written.n_events:,} events, {written.n_particles / written.n_events:.0f} particles each")


def _simulate(demo: _Demo, events: Path, flags: Path) -> None:
    from smartbkg.experiment.simulation import simulate_file

    summary = simulate_file(events, flags, seed=demo.seed, skims=(SKIM,), n_jobs=demo.n_jobs)
    n_passing = summary.n_passing[SKIM]
    demo.announce.result(
        f"{n_passing:,} of {summary.n_events:,} events pass {SKIM} ({n_passing / summary.n_events:.2%})"
    )


def _join(events: Path, flags: Path, output: Path) -> None:
    from smartbkg.datasets.build import DatasetOptions, build_dataset

    build_dataset([events], [flags], output, DatasetOptions(skims=(SKIM,)))


def _make_training_data(demo: _Demo, compiling: BackgroundWarmUp) -> None:
    files, announce = demo.files, demo.announce
    announce.step(
        "Generate events to learn from",
        f"PYTHIA 8 makes pairs of B mesons ('{PROCESS}'), cheap to have. Meanwhile the experiment and the network are "
        "compiled, which takes a minute or two the first time.",
    )
    _generate(demo, files.training_events, demo.n_training, TRAINING_RUN)
    compiling.wait("experiment")
    announce.step(
        "Simulate, reconstruct and skim them",
        "The embedded experiment stands for the costly part.",
    )
    _simulate(demo, files.training_events, files.training_flags)
    announce.step("Join events and flags", "One row per event: its particles, and whether it passed.")
    _join(files.training_events, files.training_flags, files.training_dataset)


def _train(demo: _Demo) -> None:
    from smartbkg.training.config import parse_training_config
    from smartbkg.training.progress.display import make_display
    from smartbkg.training.run import train

    demo.announce.step(
        "Train a graph attention network",
        "It learns P(pass) of a generated event from its decay graph; scores are calibrated, and the policy with the "
        "largest speed-up is solved.",
    )
    config = parse_training_config({"run": {"seed": demo.seed, "threads": demo.n_jobs}} | DEMO_TRAINING)
    outcome = train([demo.files.training_dataset], demo.files.model, config, resume="never", reporter=make_display())
    demo.announce.result(f"validation AUC {outcome.metrics[0].auc:.3f} after {len(outcome.history)} epochs")


def _ask_surrogate(demo: _Demo) -> None:
    from smartbkg.surrogate.registry import open_surrogate
    from smartbkg.training.surrogate.combined_score import SurrogateSettings
    from smartbkg.training.surrogate.files import add_surrogate

    demo.announce.step(
        "Put a fast simulation into the filter",
        f"Each event is simulated {REPLICAS} times in milliseconds, with the detector '{SURROGATE}', which is not that "
        "of the truth. What it says joins the network's score; being wrong it costs precision, never a bias.",
    )
    settings = SurrogateSettings(REPLICAS, ASKED_EVENTS, threads=demo.n_jobs)
    files = demo.files
    outcome = add_surrogate(files.model, [files.training_dataset], files.model, open_surrogate(SURROGATE), settings)
    metrics = outcome.metrics
    demo.announce.result(f"expected speed-up {metrics.with_surrogate}, {metrics.without} by the network alone")


#: Settings of the demo's training that differ from the default.
DEMO_TRAINING: Final = {"optimiser": {"epochs": 8}, "sampling": {"symmetries": ("mirror", "rotation")}}


def _filter_production(demo: _Demo) -> None:
    from smartbkg.filtering.event_filter import EventFilter
    from smartbkg.filtering.files import filter_file
    from smartbkg.filtering.policy_choice import choose_policy
    from smartbkg.networks.model_file import load_scorer

    files, announce = demo.files, demo.announce
    announce.step("Generate fresh events", "A production: events the network has never seen.")
    _generate(demo, files.production_events, demo.n_production, PRODUCTION_RUN)
    announce.step(
        "Filter them",
        "Each event is kept by chance, with the probability that the policy gives its score, and weighted.",
    )
    scorer = load_scorer(files.model, threads=demo.n_jobs)
    policy = choose_policy(None, scorer.policy, scorer.skims, str(files.model))
    settings = {"policy": policy.to_dict(), "seed": demo.seed} | dict(scorer.surrogate_settings)
    totals = filter_file(
        files.production_events, files.kept, EventFilter(scorer, policy, seed=demo.seed), settings=settings,
        inputs=(files.model,),
    )  # fmt: skip
    announce.result(f"{totals.n_kept:,} of {totals.n_events:,} events kept ({totals.kept_fraction:.1%})")
    announce.step(
        "Simulate all of them, to compare",
        "A real production simulates the kept ones alone; here the others too, to see that nothing is missed.",
    )
    _simulate(demo, files.production_events, files.production_flags)
    _join(files.production_events, files.production_flags, files.production_dataset)


def _check(demo: _Demo) -> DemoResult:
    from smartbkg.evaluation.files import evaluate_model

    files = demo.files
    demo.announce.step("Check and report", "Separation, calibration, speed-up, and whether any distribution is biased.")
    evaluation = evaluate_model(
        files.model, files.production_dataset, files.report, seed=demo.seed, threads=demo.n_jobs
    )
    outlook = evaluation.outlook
    return DemoResult(
        files, str(outlook.speed_up), outlook.kept_fraction, evaluation.roc.area, evaluation.closure.verdict,
        evaluation.closure.is_compatible,
    )  # fmt: skip
