"""Compiling ahead of time, from the command line."""

from __future__ import annotations

from click.testing import CliRunner

from smartbkg.tools.warm_up import command


def test_help_and_mistakes_are_no_tracebacks() -> None:
    assert CliRunner().invoke(command, ["--help"]).exit_code == 0
    wrong = CliRunner().invoke(command, ["netwrok"])
    assert wrong.exit_code == 1
    assert "did you mean 'network'" in wrong.output
