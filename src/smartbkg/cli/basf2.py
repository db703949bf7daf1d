"""``smartbkg basf2``: use inside Belle II's basf2."""

from __future__ import annotations

import click

from smartbkg.b2modules.environment import check_environment, shim_folder


@click.group()
def command() -> None:
    """Use inside Belle II's basf2."""


@command.command()
def path() -> None:
    """Print the folder to put first on PYTHONPATH for upstream's steering files."""
    click.echo(str(shim_folder()))


@command.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Say whether basf2 is set up, which smartBKG is imported, and what to do; exit code 1 if there is something."""
    findings = check_environment()
    for finding in findings:
        click.echo(f"{'ok' if finding.is_good else 'to do':6} {finding.subject}: {finding.detail}")
        if finding.remedy:
            click.echo(f"       {finding.remedy}")
    context.exit(0 if all(finding.is_good for finding in findings) else 1)
