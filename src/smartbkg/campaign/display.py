"""What a running campaign shows: a line that moves in a terminal, a line now and then in a log."""

from __future__ import annotations

import statistics
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from smartbkg.campaign.attempt import Outcome
from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.dispatcher import Dispatcher
from smartbkg.campaign.production import ProductionResult
from smartbkg.campaign.text import status_lines

_LOG_SECONDS: Final = 60.0


class Display:
    """Tells how a run of a campaign goes on, on stderr."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=self._console, transient=True, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("chunks", total=len(campaign.plan))
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

    def outcome(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        if outcome.state in ("failed", "machine"):
            self._n_failures += 1
            self._console.print(f"chunk {outcome.chunk} failed on {outcome.host}: {outcome.message}", highlight=False)
            return
        self._n_events += outcome.n_events
        if outcome.state == "done":
            self._seconds.append(outcome.seconds)
        self._progress.update(self._task, advance=1, description=self._line())

    def _line(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        median = statistics.median(self._seconds) if self._seconds else 0.0
        failures = f", {self._n_failures} failures" if self._n_failures else ""
        return f"{self._n_events / elapsed:,.0f} events/s, {median:.1f} s a chunk{failures}"

    def tick(self, dispatcher: Dispatcher) -> None:
        """Say something in a log that is no terminal, once a minute."""
        if self._console.is_terminal or time.monotonic() - self._said < _LOG_SECONDS:
            return
        self._said = time.monotonic()
        self._console.print(f"{len(self._seconds)} chunks made, {dispatcher.n_running} under way, {self._line()}")

    def finish(self, result: ProductionResult) -> None:
        """The last words."""
        for line in status_lines(self._campaign, result.status):
            self._console.print(line, highlight=False, soft_wrap=True)
