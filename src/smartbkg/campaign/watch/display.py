"""What a running campaign shows: a table that moves in a terminal, a line now and then in a log."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import Outcome
from smartbkg.campaign.chunk.stages import STAGES
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.production import ProductionResult
from smartbkg.campaign.status import Status
from smartbkg.campaign.watch.alarms import Alarm
from smartbkg.campaign.watch.monitor import Monitor
from smartbkg.campaign.watch.text import status_lines
from smartbkg.storage.printing import duration, printable, without_markup

_LOG_SECONDS: Final = 60.0
_REFRESH: Final = 2.0
#: Stages that only kept events go through: their cost is told per kept event.
_OF_KEPT: Final = ("write", "simulate")


class Display:
    """Tells how a run of a campaign goes on, on stderr.

    Parameters
    ----------
    page : writes the status page.
    console : where it is shown; stderr if not given.
    is_quiet : tell of failures and alarms alone.
    """

    def __init__(
        self,
        campaign: Campaign,
        page: Callable[[Status, list[Alarm]], None] | None = None,
        console: Console | None = None,
        *,
        is_quiet: bool = False,
    ) -> None:
        self._is_quiet = is_quiet
        self._campaign = campaign
        self._console = console or Console(stderr=True)
        self._monitor = Monitor(campaign, self._say, page)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            console=self._console,
        )  # fmt: skip
        done = self._monitor.status.n_done
        self._task = self._progress.add_task("chunks", total=len(campaign.plan), completed=done)
        self._started = self._said = time.monotonic()
        self._n_events = self._n_failures = self._n_new = 0
        self._seconds: list[float] = []
        self._live = Live(
            console=self._console, transient=True, refresh_per_second=_REFRESH, get_renderable=self.render,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal and not self._is_quiet:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def _say(self, line: str) -> None:
        self._console.print(printable(line), highlight=False, markup=False, soft_wrap=True)

    def outcome(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        is_new = not self._monitor.status.is_done[outcome.chunk]
        self._monitor.outcome(outcome)
        if outcome.state in ("failed", "machine"):
            self._n_failures += 1
            self._say(f"chunk {outcome.chunk} failed on {outcome.host}: {outcome.message}")
            return
        self._n_events += outcome.n_events
        self._n_new += int(is_new)
        if outcome.state == "done":
            self._seconds.append(outcome.seconds)
        self._progress.update(self._task, advance=int(is_new))

    def render(self) -> RenderableType:
        """The bar, how fast it goes, and a table of the stages."""
        return Group(self._progress, without_markup(self._line()), stage_table(self._monitor.status.ledger))

    def _line(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        median = statistics.median(self._seconds) if self._seconds else 0.0
        failures = f", {self._n_failures} failures" if self._n_failures else ""
        ledger = self._monitor.status.ledger
        kept = ledger.totals.filter_efficiency
        said = "" if kept is None else f", {kept:.1%} kept"
        for skim, result in ledger.skims(ledger.costs()).items():
            said += "" if result.speed_up is None else f", speed-up {result.speed_up} ({skim})"
        pace = elapsed / self._n_new if self._n_new else 0.0
        left = f", {duration(pace * len(self._monitor.status.pending))} left" if self._n_new else ""
        return f"{self._n_events / elapsed:,.0f} events/s, {median:.1f} s per chunk{said}{failures}{left}"

    def tick(self, dispatcher: Dispatcher) -> None:
        """Look for alarms; say something in a log that is no terminal, once a minute."""
        self._monitor.tick(dispatcher)
        if self._live.is_started or self._is_quiet or time.monotonic() - self._said < _LOG_SECONDS:
            return
        self._said = time.monotonic()
        self._say(f"{len(self._seconds)} chunks made, {dispatcher.n_running} under way, {self._line()}")

    def finish(self, result: ProductionResult) -> bool:
        """The last words; returns whether an alarm has stopped the run."""
        self._monitor.look()
        for line in () if self._is_quiet else status_lines(self._campaign, result.status):
            self._say(line)
        return result.is_stopped


def stage_table(ledger: Ledger) -> Table:
    """What each stage costs: CPU time, its share, and per event that went through it."""
    table = Table("stage", box=None, pad_edge=False)
    for name in ("CPU time", "share", "per event"):
        table.add_column(name, justify="right")
    totals, cpu = ledger.totals, ledger.cpu
    whole = sum(cpu.values())
    for stage in STAGES:
        n_events = totals.n_kept if stage in _OF_KEPT else totals.n_events
        if cpu[stage] and n_events:
            milliseconds = f"{1000 * cpu[stage] / n_events:.3g} ms" + (" (kept)" if stage in _OF_KEPT else "")
            table.add_row(stage, f"{cpu[stage]:,.0f} s", f"{cpu[stage] / whole:.1%}", milliseconds)
    return table
