"""`smartbkg train`: from a data set to a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from smartbkg.cli.calibrate import contents_of_outcome, say_outcome
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import MODEL
from smartbkg.cli.progress import progress
from smartbkg.cli.speech import is_quiet, say
from smartbkg.errors import UsageError
from smartbkg.optional import require

if TYPE_CHECKING:
    from smartbkg.surrogate.protocol import Surrogate
    from smartbkg.training.config import TrainingConfig
    from smartbkg.training.run import TrainingOutcome
    from smartbkg.training.surrogate.files import SurrogateOutcome

_OVERRIDES = {
    "epochs": "optimiser.epochs",
    "seed": "run.seed",
    "device": "run.device",
    "threads": "run.threads",
    "max_minutes": "run.max_minutes",
    "tensorboard": "run.tensorboard",
}


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path))
@click.option("--events", multiple=True, type=FILE, help="In place of DATASETS: generated events (repeatable) ...")
@click.option("--flags", multiple=True, type=FILE, help="... and which of them passed (repeatable).")
@click.option("--output", "-o", required=True, type=MODEL, help="Model to write (.safetensors).")
@click.option("--config", "-c", type=click.Path(path_type=Path), help="YAML; 'smartbkg config init' writes one.")
@click.option("--epochs", type=int, help="Most epochs.")
@click.option("--seed", type=int, help="Seed of first weights and order of events.")
@click.option("--skim", "skims", multiple=True, help="Skim to learn, repeatable; all of the data set by default.")
@click.option("--network", help="gatgap, transformer, ..., or your own: file.py:Class.")
@click.option("--device", help="cpu, cuda, auto.")
@click.option("--threads", type=int, help="CPU threads; 1 makes the result reproducible bit by bit.")
@click.option("--max-minutes", type=float, help="Finish after the epoch in which this time is over.")
@click.option("--tensorboard", help="Folder for TensorBoard.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, as optimiser.batch_size=64."
)
@click.option("--resume", type=click.Choice(["auto", "never"]), default="auto", show_default=True,
              help="Go on from a checkpoint of the same training.")  # fmt: skip
@click.option(
    "--surrogate",
    "surrogate_name",
    metavar="NAME",
    help="Also ask this fast simulation: a detector (belle2, FILE.json) or 'mysim {input} {output}'.",
)
@click.option("--replicas", type=click.IntRange(min=1), help="... of each event, at most (default 64).")
@click.option("--init-from", type=click.Path(path_type=Path), help="Model to start from.")
@json_option
def command(
    datasets: tuple[Path, ...],
    events: tuple[Path, ...],
    flags: tuple[Path, ...],
    output: Path,
    config: Path | None,
    skims: tuple[str, ...],
    network: str | None,
    assignments: tuple[str, ...],
    resume: Literal["auto", "never"],
    surrogate_name: str | None,
    replicas: int | None,
    init_from: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on DATASETS, or on --events with --flags; Ctrl-C saves, the same command goes on."""
    require(("torch", "sklearn"), "training", "train")
    from smartbkg.datasets.on_the_way import data_sets
    from smartbkg.training.config import parse_assignments, read_config
    from smartbkg.training.progress.display import make_display
    from smartbkg.training.run import train

    if replicas is not None and surrogate_name is None:
        raise UsageError("--replicas belongs to --surrogate NAME")
    surrogate = None
    if surrogate_name is not None:
        from smartbkg.surrogate.registry import open_surrogate

        surrogate = open_surrogate(surrogate_name)
    overrides: dict[str, Any] = {_OVERRIDES[name]: value for name, value in options.items() if value is not None}
    if skims:
        overrides["data.skims"] = list(skims)
    if network is not None:
        overrides["network.architecture"] = network
    settings = read_config(config, overrides | parse_assignments(assignments))
    reporter, added = None if is_quiet() else make_display(), None
    with data_sets(datasets, events, flags, skims, output) as paths:
        outcome = train(paths, output, settings, resume=resume, init_from=init_from, reporter=reporter)
        _say_outcome(outcome, output)
        if surrogate is not None:
            added = _add_surrogate(output, paths, surrogate, settings, replicas)
    if as_json:
        print_json(
            {
                "output": output, "n_parameters": outcome.bundle.n_parameters, "n_epochs": len(outcome.history),
                "n_training": outcome.n_training, "n_validation": outcome.n_validation, "skims": outcome.metrics,
                "surrogate": None if added is None else contents_of_outcome(added),
            }
        )  # fmt: skip


def _say_outcome(outcome: TrainingOutcome, output: Path) -> None:
    say(f"{output}: {outcome.bundle.n_parameters} weights, best of {len(outcome.history)} epochs")
    for metrics in outcome.metrics:
        say(
            f"  {metrics.skim}: AUC {metrics.auc:.4f}, speed-up {metrics.speed_up}, calibration error "
            f"{metrics.calibration_error:.2g} on {metrics.n_passing} passing of {outcome.n_validation} events"
        )


def _add_surrogate(
    model: Path, datasets: Sequence[Path], surrogate: Surrogate, settings: TrainingConfig, replicas: int | None
) -> SurrogateOutcome:
    """Fit the combined score on the events that the network has not learned from."""
    from smartbkg.training.surrogate.combined_score import DEFAULT_REPLICAS, SurrogateSettings
    from smartbkg.training.surrogate.files import add_surrogate

    chosen = SurrogateSettings(
        replicas or DEFAULT_REPLICAS, costs=settings.policy.costs, max_weight=settings.policy.max_weight,
        threads=settings.run.threads or 1,
    )  # fmt: skip
    with progress("asking the surrogate") as tally:
        outcome = add_surrogate(model, datasets, model, surrogate, chosen, progress=tally.advance)
    say_outcome(outcome, model)
    return outcome
