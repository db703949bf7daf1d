"""`smartbkg model`."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.cli.console import echo
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import MODEL_OF_ANY_KIND


@click.group()
def command() -> None:
    """Look into and convert model files."""


@command.command()
@click.argument("model", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def info(model: Path, as_json: bool) -> None:
    """What MODEL is: architecture, skims, graph rule, token table, calibration, policy, metrics, training."""
    import json

    from smartbkg.networks.bundle import describe, load_bundle

    content = describe(load_bundle(model))
    if as_json:
        echo(json.dumps(content, indent=2))
        return
    width = max(len(name) for name in content)
    for name, value in content.items():
        text = value if isinstance(value, str | int) else json.dumps(value)
        echo(f"{name:<{width}}  {text}")


@command.command()
@click.argument("source", type=FILE)
@click.argument("output", type=MODEL_OF_ANY_KIND)
@click.option("--model-config", type=FILE, help="JSON with the hyper-parameters of a .pth; default: upstream's.")
@click.option("--skim", default="skim", show_default=True, help="Name of the skim that a .pth was trained for.")
def convert(source: Path, output: Path, model_config: Path | None, skim: str) -> None:
    """Convert SOURCE to OUTPUT: .pth of Belle II's trainer to .safetensors, or back.

    A .pth is read without running what is in it: a file that holds more than weights is refused.
    """
    from smartbkg.networks.upstream import convert_model

    bundle = convert_model(source, output, model_config=model_config, skim=skim)
    echo(f"{output}: {bundle.config.architecture}, {bundle.n_parameters} parameters", err=True)


__all__ = ["command"]
