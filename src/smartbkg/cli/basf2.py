"""``smartbkg basf2``: use inside Belle II's basf2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartbkg.b2modules.environment import check_environment, shim_folder
from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.speech import words

if TYPE_CHECKING:
    from smartbkg.b2modules.contract.self_test import Result


@click.group()
def command() -> None:
    """Use inside Belle II's basf2."""


@command.command()
@json_option
def path(as_json: bool) -> None:
    """Print the folder to put first on PYTHONPATH for upstream's steering files."""
    if as_json:
        print_json({"path": shim_folder()})
    else:
        click.echo(str(shim_folder()))


@command.command()
@click.option("--self-test", "source", type=FILE, help="Also hold what smartbkg relies on against this basf2: an mDST.")
@json_option
@click.pass_context
def check(context: click.Context, source: Path | None, as_json: bool) -> None:
    """Say whether basf2 is set up, which smartBKG is imported, and what to do; exit code 1 if there is something.

    With --self-test FILE.root, five events of an mDST with generated particles are read in this basf2, and each thing
    that smartbkg relies on is looked at: what differs is printed, with the place in basf2's sources that says
    otherwise.
    """
    findings, results = check_environment(), None
    with words(aside=as_json):
        for finding in findings:
            echo(f"{'ok' if finding.is_good else 'to do':6} {finding.subject}: {finding.detail}")
            if finding.remedy:
                echo(f"       {finding.remedy}")
        if source is not None:
            results = _self_test(source)
    is_good = all(one.is_good for one in findings) if results is None else all(one.is_met for one in results)
    if as_json:
        print_json({"is_good": is_good, "findings": findings, "self_test": results})
    context.exit(0 if is_good else 1)


def _self_test(source: Path) -> list[Result]:
    """Print what differs; what was found."""
    from smartbkg.b2modules.contract import self_test
    from smartbkg.b2modules.contract.clauses import CONTRACT

    clauses = {clause.key: clause for clause in CONTRACT}
    results = list(self_test.run_self_test(source))
    for result in results:
        clause = clauses[result.key]
        echo(f"{'ok' if result.is_met else 'differs':7} {result.key}: {clause.claim}")
        if not result.is_met:
            echo(f"        found: {result.found}\n        {clause.source} says otherwise")
    n_differing = sum(not result.is_met for result in results)
    echo(f"{len(results) - n_differing} of {len(results)} things are as smartbkg expects them")
    return results
