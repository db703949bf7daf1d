"""`smartbkg train`: from a data set to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from smartbkg.optional import require

_OVERRIDES = {
    "epochs": "optimiser.epochs",
    "seed": "run.seed",
    "device": "run.device",
    "threads": "run.threads",
    "max_minutes": "run.max_minutes",
    "tensorboard": "run.tensorboard",
}


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Model to write (.safetensors).")
@click.option("--config", "-c", type=click.Path(path_type=Path), help="YAML; 'smartbkg config init' writes one.")
@click.option("--epochs", type=int, help="Most epochs.")
@click.option("--seed", type=int, help="Seed of first weights and order of events.")
@click.option("--skim", "skims", multiple=True, help="Skim to learn, repeatable; all of the data set by default.")
@click.option("--network", help="Architecture, as gatgap or transformer.")
@click.option("--device", help="cpu, cuda, auto.")
@click.option("--threads", type=int, help="CPU threads; 1 makes the result reproducible bit by bit.")
@click.option("--max-minutes", type=float, help="Finish after the epoch in which this time is over.")
@click.option("--tensorboard", help="Folder for TensorBoard.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, as optimiser.batch_size=64."
)
@click.option("--resume", type=click.Choice(["auto", "never"]), default="auto", show_default=True,
              help="Go on from a checkpoint of the same training.")  # fmt: skip
@click.option("--init-from", type=click.Path(path_type=Path), help="Model to start from.")
def command(
    datasets: tuple[Path, ...],
    output: Path,
    config: Path | None,
    skims: tuple[str, ...],
    network: str | None,
    assignments: tuple[str, ...],
    resume: Literal["auto", "never"],
    init_from: Path | None,
    **options: Any,
) -> None:
    """Train a network on DATASETS; Ctrl-C saves, the same command goes on."""
    require(("torch", "sklearn"), "training", "train")
    from smartbkg.training.config import parse_assignments, read_config
    from smartbkg.training.progress.display import make_display
    from smartbkg.training.run import train

    overrides: dict[str, Any] = {_OVERRIDES[name]: value for name, value in options.items() if value is not None}
    if skims:
        overrides["data.skims"] = list(skims)
    if network is not None:
        overrides["network.architecture"] = network
    settings = read_config(config, overrides | parse_assignments(assignments))
    outcome = train(datasets, output, settings, resume=resume, init_from=init_from, reporter=make_display())
    click.echo(f"{output}: {outcome.bundle.n_parameters} weights, best of {len(outcome.history)} epochs")
    for figures in outcome.figures:
        click.echo(
            f"  {figures.skim}: AUC {figures.auc:.4f}, speed-up {figures.speed_up}, calibration error "
            f"{figures.calibration_error:.2g} on {figures.n_passing} passing of {outcome.n_validation} events"
        )
