"""`smartbkg merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from smartbkg.cli.json_output import json_option, print_json, refuse_shared_output
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import EVENTS
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import say, warn

if TYPE_CHECKING:
    from smartbkg.filtering.merge import Method

# What `smartbkg.filtering.merge` defines, said here so that --help costs no import of it; a test compares.
METHODS: Final = ("concatenate", "balance", "union")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--output", "-o", type=EVENTS, required=True, help="Kept events; the suffix chooses the format.")
@click.option(
    "--method", type=click.Choice(METHODS), default="concatenate", show_default=True,
    help="Different generated events as they are, or with the weights of least variance; or the same ones.",
)  # fmt: skip
@click.option("--model", "models", multiple=True, type=FILE, help="balance, union: the model of each file, or of all.")
@click.option("--allow-duplicates", is_flag=True, help="Accept different events that carry one id.")
@json_option
def command(
    files: tuple[Path, ...],
    output: Path,
    method: Method,
    models: tuple[Path, ...],
    allow_duplicates: bool,
    as_json: bool,
) -> None:
    """Combine FILES of kept events, made with different models, policies or seeds, without bias."""
    from smartbkg.filtering.merge import merge_files
    from smartbkg.networks.model_file import load_scorer

    refuse_shared_output(output, as_json=as_json)
    scorers = [load_scorer(model) for model in models]
    with progress_of("merging", files) as tally:
        summary = merge_files(files, output, method, scorers, allow_duplicates=allow_duplicates, progress=tally.reach)
    for warning in summary.warnings:
        warn(warning)
    effective = summary.sum_weight**2 / summary.sum_weight_squared if summary.sum_weight_squared else 0.0
    standing = "" if summary.n_generated is None else f", standing for {summary.n_generated} generated ones"
    if as_json:
        print_json({"output": output, **summary._asdict(), "effective": effective})
    say(
        f"{output}: {summary.n_written} events{standing}; sum of weights {summary.sum_weight:.6g}, "
        f"n_eff {effective:.5g}"
    )
