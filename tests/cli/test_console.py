"""What names and files say is shown in a terminal, never obeyed."""

from __future__ import annotations

import logging

import pytest

from smartbkg.cli.console import echo, make_remarks_printable

CLEARS = "\x1b[2Jname\r\x07"


@pytest.mark.parametrize("err", [False, True])
def test_control_characters_are_not_sent_and_the_rest_is(capsys: pytest.CaptureFixture[str], err: bool) -> None:
    echo(f"file {CLEARS}: 3 events, π±", err=err)
    out, error = capsys.readouterr()
    shown = error if err else out
    assert shown.endswith("\n")
    assert not {"\x1b", "\r", "\x07"} & set(shown)
    assert "3 events, π±" in shown
    assert "name" in shown
    assert not (out if err else error)


def test_remarks_of_readers_are_shown_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging, "lastResort", handler)
    make_remarks_printable()
    record = logging.LogRecord("smartbkg.io", logging.WARNING, "", 0, "%s: odd", (CLEARS,), None)
    assert "\x1b" not in handler.format(record)
    monkeypatch.setattr(logging, "lastResort", None)
    make_remarks_printable()
