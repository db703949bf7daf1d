"""What a user sees of a training: a live table on a terminal, one plain line per epoch elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from smartbkg.training.progress.display import LiveDisplay, PlainDisplay, make_display
from smartbkg.training.progress.reporting import EpochMetrics

ROW = EpochMetrics(2, 0.7, 0.6, 0.8, 1.2, 1e-3, True, 30.0, 0.125)


def test_a_line_per_epoch_says_all_and_how_long_it_may_take(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), width=400)
    display = make_display(console)
    assert isinstance(display, PlainDisplay)
    display.begin("3000 events [not markup]", 5)
    display.step(2, 0.5, 0.7)
    display.epoch(ROW)
    display.epoch(ROW._replace(epoch=5, is_best=False))
    display.note("a note")
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "3000 events [not markup]"
    assert lines[1] == (
        "epoch 2/5: loss 0.7000, validation 0.6000, AUC 0.8000, speed-up 1.200 * (30 s, at most 1 min 30 s left)"
    )
    assert lines[2].endswith("speed-up 1.200 (30 s, at most 0 s left)")
    assert lines[3] == "a note"


def test_the_live_table_shows_the_last_epochs_and_the_time_left() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    display = make_display(console)
    assert isinstance(display, LiveDisplay)
    display.begin("title", 4)
    display.step(1, 0.0, 0.9)
    display.step(1, 0.5, 0.8)
    for number in range(1, 16):
        display.epoch(ROW._replace(epoch=number))
    display.note("a note [sic]")
    display.end()
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "a note [sic]" in printed
    last = printed[printed.rindex("epoch") :]
    assert "12 %" in printed
    assert " 15 *" in printed
    assert last.count("\n") <= 20
