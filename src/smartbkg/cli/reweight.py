"""`smartbkg reweight`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_costs, cost_options
from smartbkg.cli.outputs import MODEL, MODEL_OR_TABLE, TABLE
from smartbkg.cli.speech import say, warn, words
from smartbkg.errors import UsageError
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.printing import without_markup

if TYPE_CHECKING:
    from smartbkg.closure.reweighting_report import ReweightingReport


@click.command()
@click.argument("flags", type=FILE, required=False)
@click.argument("scores", type=FILE, required=False)
@click.option("--threshold", type=float, help="Of the score: events below it are not simulated.")
@click.option("--skim", help="Skim to look at, where the flags hold several.")
@click.option("--variable", "variables", multiple=True, help="Variable to correct (repeat). Default: all.")
@cost_options
@click.option("--output", "-o", type=MODEL_OR_TABLE, help="Reweighter (.safetensors), or with --apply the weights.")
@click.option("--apply", "source", type=FILE, help="Table of kept, passing events to weight, with --reweighter.")
@click.option("--reweighter", "trained", type=FILE, help="Trained before by this command.")
@json_option
def command(
    flags: Path | None,
    scores: Path | None,
    threshold: float | None,
    skim: str | None,
    variables: tuple[str, ...],
    t_gen: float,
    t_filter: float,
    t_sim: float,
    output: Path | None,
    source: Path | None,
    trained: Path | None,
    as_json: bool,
) -> None:
    """Train a reweighter for the threshold mode on FLAGS and SCORES of fully simulated events, or apply one."""
    from smartbkg.closure.reweighting_report import apply_reweighter, reweight_files
    from smartbkg.sampling.reweighting import Reweighter

    if output is not None:
        (MODEL if source is None else TABLE).check(output)
        refuse_same_file(output, *filter(None, (flags, scores, source, trained)))
    if (source is None) != (trained is None):
        raise UsageError("--apply TABLE and --reweighter FILE belong together")
    if source is not None and trained is not None:
        if output is None:
            raise UsageError("--apply needs --output for the weights")
        n_events = apply_reweighter(Reweighter.load(trained), source, output)
        say(f"{output}: weights of {n_events} events")
        if as_json:
            print_json({"output": output, "n_events": n_events})
        return
    if flags is None or scores is None or threshold is None:
        raise UsageError("training needs FLAGS, SCORES and --threshold")
    costs = choose_costs(t_gen, t_filter, t_sim)
    report = reweight_files(flags, scores, threshold, skim, variables, costs)
    if output is not None:
        report.trained.reweighter.save(output, report.trained.metrics._asdict())
    if as_json:
        figures = report.trained.metrics._asdict()
        print_json({"output": output, "modes": report.modes, "reweighter": figures, "warning": report.warning})
    with words(aside=as_json):
        _print(report, are_belle_ii=costs.are_belle_ii)
    warn(report.warning)


def _print(report: ReweightingReport, *, are_belle_ii: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from smartbkg.sampling.cost import BELLE_II_NOTE

    table = Table(title="filtered every other event against the unfiltered rest")
    for name in (
        "mode", "simulated", "n_eff", "yield bias", "mean bias / σ", "n_eff per CPU", "largest weight", "worst KL",
        "worst χ²/bin", "closure p",
    ):  # fmt: skip
        table.add_column(name, justify="left" if name == "mode" else "right", no_wrap=name == "mode")
    for mode in report.modes:
        table.add_row(
            without_markup(mode.mode),
            f"{mode.simulated_fraction:.2%}", f"{mode.effective:.4g}", f"{mode.yield_bias:+.1%}",
            f"{mode.mean_bias:.3f}", f"{mode.effective_per_cost:.2f}", f"{mode.largest_weight:.3g}",
            f"{mode.largest_kl:.4f}", f"{mode.worst_chi2:.2f}", f"{mode.p_value:.3g}",
        )  # fmt: skip
    Console(width=140).print(table)
    if are_belle_ii:
        echo(BELLE_II_NOTE)
