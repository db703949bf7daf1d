"""``smartbkg basf2``: use inside Belle II's basf2."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.b2modules.environment import check_environment, shim_folder
from smartbkg.cli.console import echo
from smartbkg.cli.options import FILE


@click.group()
def command() -> None:
    """Use inside Belle II's basf2."""


@command.command()
def path() -> None:
    """Print the folder to put first on PYTHONPATH for upstream's steering files."""
    click.echo(str(shim_folder()))


@command.command()
@click.option("--self-test", "source", type=FILE, help="Also hold what smartbkg relies on against this basf2: an mDST.")
@click.pass_context
def check(context: click.Context, source: Path | None) -> None:
    """Say whether basf2 is set up, which smartBKG is imported, and what to do; exit code 1 if there is something.

    With --self-test FILE.root, five events of an mDST with generated particles are read in this basf2, and each thing
    that smartbkg relies on is looked at: what differs is printed, with the place in basf2's sources that says
    otherwise.
    """
    findings = check_environment()
    for finding in findings:
        echo(f"{'ok' if finding.is_good else 'to do':6} {finding.subject}: {finding.detail}")
        if finding.remedy:
            echo(f"       {finding.remedy}")
    if source is not None:
        context.exit(_self_test(source))
    context.exit(0 if all(finding.is_good for finding in findings) else 1)


def _self_test(source: Path) -> int:
    """Print what differs; the exit code."""
    from smartbkg.b2modules.contract import self_test
    from smartbkg.b2modules.contract.clauses import CONTRACT

    clauses = {clause.key: clause for clause in CONTRACT}
    results = self_test.run_self_test(source)
    for result in results:
        clause = clauses[result.key]
        echo(f"{'ok' if result.is_met else 'differs':7} {result.key}: {clause.claim}")
        if not result.is_met:
            echo(f"        found: {result.found}\n        {clause.source} says otherwise")
    n_differing = sum(not result.is_met for result in results)
    echo(f"{len(results) - n_differing} of {len(results)} things are as smartbkg expects them")
    return 1 if n_differing else 0
