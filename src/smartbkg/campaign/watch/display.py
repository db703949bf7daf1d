"""What a running campaign shows: a line that moves in a terminal, a line now and then in a log."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import Outcome
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.campaign.production import ProductionResult
from smartbkg.campaign.status import Status
from smartbkg.campaign.watch.alarms import Alarm
from smartbkg.campaign.watch.monitor import Monitor
from smartbkg.campaign.watch.text import status_lines

_LOG_SECONDS: Final = 60.0


class Display:
    """Tells how a run of a campaign goes on, on stderr."""

    def __init__(self, campaign: Campaign, page: Callable[[Status, list[Alarm]], None] | None = None) -> None:
        self._campaign = campaign
        self._console = Console(stderr=True)
        self._monitor = Monitor(campaign, self._say, page)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=self._console, transient=True, disable=not self._console.is_terminal,
        )  # fmt: skip
        done = self._monitor.status.n_done
        self._task = self._progress.add_task("chunks", total=len(campaign.plan), completed=done)
        self._started = self._said = time.monotonic()
        self._n_events = self._n_failures = 0
        self._seconds: list[float] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def outcome(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        is_new = not self._monitor.status.is_done[outcome.chunk]
        self._monitor.outcome(outcome)
        if outcome.state in ("failed", "machine"):
            self._n_failures += 1
            self._say(f"chunk {outcome.chunk} failed on {outcome.host}: {outcome.message}")
            return
        self._n_events += outcome.n_events
        if outcome.state == "done":
            self._seconds.append(outcome.seconds)
        self._progress.update(self._task, advance=int(is_new), description=self._line())

    def _line(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        median = statistics.median(self._seconds) if self._seconds else 0.0
        failures = f", {self._n_failures} failures" if self._n_failures else ""
        ledger = self._monitor.status.ledger
        kept = ledger.totals.filter_efficiency
        said = "" if kept is None else f", {kept:.1%} kept"
        for skim, result in ledger.skims(ledger.costs()).items():
            said += "" if result.speed_up is None else f", speed-up {result.speed_up} ({skim})"
        return f"{self._n_events / elapsed:,.0f} events/s, {median:.1f} s per chunk{said}{failures}"

    def tick(self, dispatcher: Dispatcher) -> None:
        """Look for alarms; say something in a log that is no terminal, once a minute."""
        self._monitor.tick(dispatcher)
        if self._console.is_terminal or time.monotonic() - self._said < _LOG_SECONDS:
            return
        self._said = time.monotonic()
        self._say(f"{len(self._seconds)} chunks made, {dispatcher.n_running} under way, {self._line()}")

    def finish(self, result: ProductionResult) -> bool:
        """The last words; returns whether an alarm has stopped the run."""
        self._monitor.look()
        for line in status_lines(self._campaign, result.status):
            self._say(line)
        return result.is_stopped
