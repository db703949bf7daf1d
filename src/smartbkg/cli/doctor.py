"""`smartbkg doctor`."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from smartbkg.errors import SmartBKGError
from smartbkg.inspection.installation import Finding, diagnose


def _mark(finding: Finding) -> str:
    if finding.is_good:
        return "[green]good[/green]"
    return "[red]missing[/red]" if finding.is_needed else "[yellow]absent[/yellow]"


@click.command()
def command() -> None:
    """Say what is installed, what is missing, and the command that mends it."""
    table = Table("", "what", "found", "to mend it")
    findings = diagnose()
    for finding in findings:
        table.add_row(_mark(finding), finding.subject, finding.detail, finding.remedy)
    Console().print(table)
    missing = [finding.subject for finding in findings if finding.is_needed and not finding.is_good]
    if missing:
        raise SmartBKGError(f"the package does not work without {', '.join(missing)}")
