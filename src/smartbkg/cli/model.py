"""`smartbkg model`."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import MODEL_OF_ANY_KIND
from smartbkg.cli.speech import say


@click.group()
def command() -> None:
    """Look into and convert model files."""


@command.command()
@click.argument("model", type=FILE)
@json_option
def info(model: Path, as_json: bool) -> None:
    """What MODEL is: architecture, skims, graph rule, token table, calibration, policy, metrics, training."""
    import json

    from smartbkg.networks.bundle import describe, load_bundle

    content = describe(load_bundle(model))
    if as_json:
        print_json(content)
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
@json_option
def convert(source: Path, output: Path, model_config: Path | None, skim: str, as_json: bool) -> None:
    """Convert SOURCE to OUTPUT: .pth of Belle II's trainer to .safetensors, or back.

    A .pth is read without running what is in it: a file that holds more than weights is refused.
    """
    from smartbkg.networks.upstream import convert_model

    bundle = convert_model(source, output, model_config=model_config, skim=skim)
    say(f"{output}: {bundle.config.architecture}, {bundle.n_parameters} parameters")
    if as_json:
        print_json(
            {
                "output": output, "architecture": bundle.config.architecture, "n_parameters": bundle.n_parameters,
                "skims": bundle.skims,
            }
        )  # fmt: skip


__all__ = ["command"]
