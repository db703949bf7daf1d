"""How far a verb is: a bar on a terminal, a line every ten seconds elsewhere, both on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from smartbkg.cli.console import echo
from smartbkg.cli.speech import is_quiet
from smartbkg.storage.printing import duration

if TYPE_CHECKING:
    from smartbkg.io import ReadOptions

#: Lines of a log come at most this often.
SECONDS_BETWEEN_LINES: Final = 10.0

#: verb → what it counts while it works; others take no time to speak of.
COUNTED: Final[Mapping[str, str]] = {
    "demo": "steps",
    "generate": "events",
    "simulate": "events",
    "oracle": "simulations",
    "dataset": "events",
    "train": "epochs",
    "calibrate": "events",
    "evaluate": "events",
    "plan": "events",
    "filter": "events",
    "score": "events",
    "convert": "events",
    "merge": "events",
    "campaign run": "chunks",
}


class Tally(Protocol):
    """Counts what is done."""

    def advance(self, n: int) -> None:
        """So many more are done."""

    def reach(self, n: int) -> None:
        """So many are done altogether."""


def is_live_terminal() -> bool:
    """Whether standard error is a terminal on which a line can be drawn again."""
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    except (AttributeError, ValueError):  # closed, or not there
        return False


class LoggedTally:
    """A line now and then: how many are done, how fast, how long it will take.

    Parameters
    ----------
    description, total, unit, is_estimate : as in `progress`.
    """

    def __init__(self, description: str, total: int | None, unit: str, *, is_estimate: bool = False) -> None:
        self._description, self._total, self._unit, self._about = description, total, unit, "~" * is_estimate
        self._n_done = 0
        self._started = self._said = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, n: int) -> None:
        with self._lock:  # verbs count from several threads
            self.reach(self._n_done + n)

    def reach(self, n: int) -> None:
        self._n_done = n
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            echo(self.line(now - self._started), err=True)

    def line(self, seconds: float) -> str:
        """What is said after some seconds."""
        rate = self._n_done / max(seconds, 1e-9)
        if not self._total:
            return f"{self._description}: {self._n_done:,} {self._unit}, {_rate(rate)}, {duration(seconds)} so far"
        done = min(self._n_done / self._total, 1.0)
        left = f", {duration((self._total - self._n_done) / rate)} left" if 0 < self._n_done <= self._total else ""
        return (
            f"{self._description}: {self._n_done:,} of {self._about}{self._total:,} {self._unit} ({done:.0%}), "
            f"{_rate(rate)}{left}"
        )


class _Silence:
    """Counts nothing."""

    def advance(self, n: int) -> None:
        """Say nothing."""

    def reach(self, n: int) -> None:
        """Say nothing."""


@contextlib.contextmanager
def progress(
    description: str, total: int | None = None, unit: str = "events", *, is_estimate: bool = False
) -> Iterator[Tally]:
    """Show how far some work is.

    Parameters
    ----------
    description : what is done, as in "filtering".
    total : how many there are, None where nobody knows; ``is_estimate`` where nobody has counted.
    unit : what is counted.
    """
    if is_quiet():
        yield _Silence()
    elif not is_live_terminal():
        yield LoggedTally(description, total, unit, is_estimate=is_estimate)
    else:
        with _bar(description, total, unit, is_estimate=is_estimate) as tally:
            yield tally


@contextlib.contextmanager
def _bar(description: str, total: int | None, unit: str, *, is_estimate: bool) -> Iterator[Tally]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
    from rich.text import Text

    class Figures(ProgressColumn):
        """Share, number, rate and time left."""

        def render(self, task: Task) -> Text:
            rate = task.speed or task.finished_speed or 0.0
            if not task.total:
                return Text(f"{task.completed:,.0f} {unit}, {_rate(rate)}, {duration(task.elapsed or 0.0)}")
            left = task.time_remaining
            ending = "" if left is None else f", {duration(left)} left"
            about = "~" * is_estimate
            return Text(
                f"{min(task.percentage, 100):.0f} %  {task.completed:,.0f} of {about}{task.total:,.0f} {unit}, "
                f"{_rate(rate)}{ending}"
            )

    class Bar:
        """A task of the display."""

        def __init__(self, display: Progress, task: TaskID) -> None:
            self._display, self._task = display, task

        def advance(self, n: int) -> None:
            self._display.advance(self._task, n)

        def reach(self, n: int) -> None:
            self._display.update(self._task, completed=n)

    display = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), Figures(),
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    with display:
        yield Bar(display, display.add_task(description, total=total))


@contextlib.contextmanager
def progress_of(description: str, sources: Sequence[Path], options: ReadOptions | None = None) -> Iterator[Tally]:
    """`progress` over the events of files, whose number is looked up, or estimated from their size."""
    from smartbkg.io.counting import count_events

    found = None if is_quiet() else count_events(sources, options)
    total = None if found is None else found.n_events
    with progress(description, total, is_estimate=found is not None and not found.is_exact) as tally:
        yield tally


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"


__all__ = ["SECONDS_BETWEEN_LINES", "LoggedTally", "Tally", "is_live_terminal", "progress", "progress_of"]
