"""`smartbkg config`: training configurations."""

from __future__ import annotations

import json
from pathlib import Path

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.outputs import YAML
from smartbkg.cli.speech import say
from smartbkg.errors import UsageError
from smartbkg.storage.atomic import write_text_atomically


@click.group()
def command() -> None:
    """Write, check and show training configurations."""


@command.command()
@click.argument("path", type=YAML)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@json_option
def init(path: Path, force: bool, as_json: bool) -> None:
    """Write the default configuration to PATH, each key with its meaning."""
    from smartbkg.training.config import TrainingConfig, as_yaml

    if path.exists() and not force:
        raise UsageError(f"{path}: exists; --force replaces it")
    write_text_atomically(path, as_yaml(TrainingConfig(), commented=True))
    say(f"{path}: edit it, then: smartbkg train T.parquet --config {path} --output M.safetensors")
    if as_json:
        print_json({"path": path})


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def validate(path: Path, as_json: bool) -> None:
    """Check the configuration in PATH."""
    from smartbkg.training.config import read_config

    read_config(path)
    if as_json:
        print_json({"path": path, "is_valid": True})
    else:
        echo(f"{path}: valid")


@command.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting.")
@json_option
def dump(path: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Show the whole configuration that PATH (or the defaults) amounts to."""
    from smartbkg.training.config import as_yaml, parse_assignments, read_config

    settings = read_config(path, parse_assignments(assignments))
    if as_json:
        print_json(settings.model_dump(mode="json"))
    else:
        echo(as_yaml(settings), nl=False)


@command.command()
def schema() -> None:
    """Show the JSON schema, for editors."""
    from smartbkg.training.config import TrainingConfig

    echo(json.dumps(TrainingConfig.model_json_schema(), indent=2))
