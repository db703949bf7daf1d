"""`smartbkg validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import print_json
from smartbkg.cli.options import FILE, resamples_option
from smartbkg.cli.outputs import JSON, JSON_OR_STANDARD
from smartbkg.cli.speech import say, words
from smartbkg.errors import UsageError
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.printing import without_markup

if TYPE_CHECKING:
    from smartbkg.closure.files import Validation
    from smartbkg.closure.report import ClosureReport


@click.command()
@click.argument("kept", type=FILE)
@click.argument("flags", type=FILE, required=False)
@click.option("--skim", help="Skim to look at, where the flags hold several.")
@click.option("--scores", type=FILE, help="Table of `smartbkg filter --scores`: makes the p-values exact.")
@click.option("--events", type=FILE, help="The generated events: all of them are then looked at, without simulation.")
@click.option("--reference", type=FILE, help="Flags of an unfiltered sample of other events; compares shapes.")
@click.option("--variable", "variables", multiple=True, help="Variable to look at (repeat). Default: all.")
@click.option("--output", "-o", type=JSON, help="Write all figures to this file (JSON).")
@click.option(
    "--json", "json_path", type=JSON_OR_STANDARD, is_flag=False, flag_value="-", metavar="[FILE]",
    help="The same on standard output; --json FILE is --output FILE.",
)  # fmt: skip
@resamples_option(1000, least=20, purpose="p-values")
@click.option("--no-pairs", is_flag=True, help="Leave out the pairs of variables.")
@click.option("--significance", default=0.01, show_default=True, help="Global p-value below which the check fails.")
@click.option("--seed", default=0, show_default=True, help="Of the resamples.")
def command(
    kept: Path,
    flags: Path | None,
    skim: str | None,
    scores: Path | None,
    events: Path | None,
    reference: Path | None,
    variables: tuple[str, ...],
    output: Path | None,
    json_path: Path | None,
    resamples: int,
    no_pairs: bool,
    significance: float,
    seed: int,
) -> None:
    """Are the events of KEPT all there, with the right weights, and unbiased? Exit code 1 if they are not.

    First every row and the file's record are looked at. Then the weights are compared with all events that pass by
    FLAGS, and, with --scores or --events, with all generated events.
    """
    from smartbkg.closure.check import ClosureSettings
    from smartbkg.closure.files import is_systematic, read_kept, validate_files, write_report

    as_json = json_path is not None and str(json_path) == "-"
    if json_path is not None and not as_json:
        if output is not None:
            raise UsageError("--json FILE and --output FILE say the same: give one of the two")
        output = json_path
    if output is not None:
        refuse_same_file(output, *filter(None, (kept, flags, scores, events, reference)))
    settings = ClosureSettings(with_pairs=not no_pairs, n_replicas=resamples, significance=significance, seed=seed)
    found = validate_files(
        kept, flags, skim, scores=scores, events=events, reference=reference, variables=variables, settings=settings
    )
    if output is not None:
        write_report(found, output)
    if as_json:
        print_json(found.to_dict())
    with words(aside=as_json):
        _say(found)
    if is_systematic(read_kept(kept).table.metadata):
        say(
            "note: these events were kept by a systematic draw; p-values are those of independent draws, which scatter "
            "more where neighbouring events are alike"
        )
    if not found.is_compatible:
        raise click.exceptions.Exit(1)


def _say(found: Validation) -> None:
    for finding in found.inventory:
        echo(f"{finding.state:>11}  {finding.name}: {finding.detail}")
    if found.passing is not None:
        _print(found.passing, "passing")
    if found.generated is not None:
        _print(found.generated, "generated")
    for note in found.notes:
        say(f"note: {note}")
    wrong = [finding.name for finding in found.inventory if finding.state == "wrong"]
    if wrong and not found.is_compatible:
        echo(f"BIASED: it does not hold that {'; '.join(wrong)}")


def _print(report: ClosureReport, what: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{report.n_kept} kept of {report.n_all} {what} events, n_eff {report.effective_kept:.5g}")
    for name in ("variable", "χ²/bins", "p(χ²)", "KS", "p(KS)", "KL", "KL expected", "coverage"):
        table.add_column(name, justify="left" if name == "variable" else "right")
    for row in report.variables:
        coverage = "" if row.coverage is None else f"{row.coverage:.3f}"
        table.add_row(
            without_markup(row.name), f"{row.chi2:.1f}/{row.n_bins}", f"{row.chi2_p_value:.3g}", f"{row.ks:.4f}",
            f"{row.ks_p_value:.3g}", f"{row.kl:.5f}", f"{row.kl_expected:.5f}", coverage,
        )  # fmt: skip
    Console(width=110).print(table)
    if report.total_pull is not None:
        echo(f"total: {report.total_pull:+.2f} standard deviations, p-value {report.yield_p_value:.3g}")
    if report.n_thinned is not None:
        echo(f"looked at {report.n_thinned} kept events at one keep probability: --scores makes use of all")
    echo(f"{what} events: {report.verdict}")
