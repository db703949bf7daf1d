"""Progress: share, rate and time left where the number is known; a bar on a terminal alone, and lines elsewhere."""

from __future__ import annotations

import inspect
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from command_tree import verbs

from smartbkg.cli.progress import COUNTED, LoggedTally, is_live_terminal, progress

WORKING = """
import time
from smartbkg.cli.progress import progress
with progress("working", 30) as tally:
    for number in range(3):
        tally.advance(10)
        time.sleep(0.3)
"""


def test_a_line_says_share_rate_and_time_left() -> None:
    tally = LoggedTally("filtering", 100_000, "events")
    tally.reach(25_000)
    assert tally.line(50.0) == "filtering: 25,000 of 100,000 events (25%), 500/s, 2 min 30 s left"


def test_an_estimated_number_is_marked_and_never_exceeded() -> None:
    tally = LoggedTally("filtering", 1000, "events", is_estimate=True)
    tally.reach(1200)
    assert tally.line(100.0) == "filtering: 1,200 of ~1,000 events (100%), 12/s"


def test_without_a_number_there_is_a_rate() -> None:
    tally = LoggedTally("scoring", None, "events")
    tally.advance(3)
    assert tally.line(61.0) == "scoring: 3 events, 0.049/s, 1 min 1 s so far"


def test_lines_of_a_log_are_ten_seconds_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("smartbkg.cli.progress.time.monotonic", lambda: now[0])
    with progress("counting", 1000) as tally:
        for _ in range(100):
            now[0] += 0.5
            tally.advance(10)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[1].split("%")[0] for line in lines] == ["20", "40", "60", "80", "100"]


def shown(environment: dict[str, str]) -> str:
    """What a terminal gets."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminals here: {error}")
    process = subprocess.Popen([sys.executable, "-c", WORKING], stderr=slave, env=os.environ | environment)
    os.close(slave)
    content = b""
    while True:
        try:
            block = os.read(master, 4096)
        except OSError:  # how Linux says that nobody holds the other end
            break
        if not block:
            break
        content += block
    os.close(master)
    assert process.wait(60) == 0
    return content.decode()


def test_a_terminal_gets_a_bar() -> None:
    content = shown({"TERM": "xterm"})
    assert "working" in content
    assert "30 of 30 events" in content
    assert "\x1b[" in content


def test_a_terminal_that_cannot_draw_gets_no_escapes() -> None:
    assert "\x1b" not in shown({"TERM": "dumb"})


def test_no_color_takes_the_colours_away() -> None:
    content = shown({"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert "30 of 30 events" in content
    assert not any(f"\x1b[{code}" in content for code in ("3", "9", "4", "10"))


def test_no_terminal_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert not is_live_terminal()


@pytest.mark.parametrize("verb", COUNTED)
def test_verbs_that_count_show_it(verb: str) -> None:
    command: Any = dict(verbs())[verb]
    source = inspect.getsource(inspect.getmodule(inspect.unwrap(command.callback)))  # type: ignore[arg-type]
    ways = (" progress(", " progress_of(", "Display(", "make_display()", "Announcer")
    assert any(way in source for way in ways)


def test_all_others_are_known() -> None:
    assert COUNTED.keys() <= dict(verbs()).keys()
