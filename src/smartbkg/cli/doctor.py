"""`smartbkg doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option
from smartbkg.errors import SmartBKGError
from smartbkg.storage.printing import without_markup

if TYPE_CHECKING:
    from smartbkg.inspection.libraries import Finding


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Say what is installed, what is missing, and the command that mends it. Exit code 1 if the package cannot work."""
    from smartbkg.inspection.installation import as_json_text, diagnose

    findings = diagnose()
    if as_json:
        echo(as_json_text(findings))
    else:
        _print(findings)
    missing = [finding.subject for finding in findings if finding.is_needed and not finding.is_good]
    if missing:
        raise SmartBKGError(f"the package does not work without {', '.join(missing)}")


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "what", "found", "to mend it")
    for finding in findings:
        table.add_row(_mark(finding), *map(without_markup, (finding.subject, finding.detail, finding.remedy)))
    Console().print(table)


def _mark(finding: Finding) -> str:
    if finding.is_good:
        return "[green]good[/green]"
    return "[red]missing[/red]" if finding.is_needed else "[yellow]absent[/yellow]"
