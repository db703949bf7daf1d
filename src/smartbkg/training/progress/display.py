"""The live display of a training on a terminal; plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from smartbkg.storage.printing import duration, printable
from smartbkg.training.progress.reporting import EpochMetrics, Reporter

#: Epochs in the table of the display.
_LINES = 12
#: Lines of a log within an epoch come at most this often.
_LOG_SECONDS = 10.0


def make_display(console: Console | None = None) -> Reporter:
    """A live display where the console is a terminal that can draw again, plain lines where it is not."""
    console = console or Console(stderr=True)
    is_live = console.is_terminal and not console.is_dumb_terminal
    return LiveDisplay(console) if is_live else PlainDisplay(console)


class PlainDisplay(Reporter):
    """A line per epoch, and within long epochs one every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._n_epochs = 0
        self._started = self._said = time.monotonic()

    def _line(self, text: str) -> None:
        self._console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def begin(self, title: str, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._started = self._said = time.monotonic()
        self._line(title)

    def step(self, epoch: int, fraction: float, loss: float) -> None:
        now = time.monotonic()
        if now - self._said < _LOG_SECONDS:
            return
        self._said = now
        done = (epoch - 1 + fraction) / max(self._n_epochs, 1)
        left = f", at most {duration((now - self._started) * (1 - done) / done)} left" if done > 0 else ""
        self._line(f"epoch {epoch}/{self._n_epochs}: {fraction:.0%} done, loss {loss:.4f}{left}")

    def epoch(self, metrics: EpochMetrics) -> None:
        self._said = time.monotonic()
        left = (self._n_epochs - metrics.epoch) * metrics.seconds
        self._line(
            f"epoch {metrics.epoch}/{self._n_epochs}: loss {metrics.training_loss:.4f}, validation "
            f"{metrics.validation_loss:.4f}, AUC {metrics.auc:.4f}, speed-up {metrics.speed_up:.3f}"
            f"{' *' if metrics.is_best else ''} ({duration(metrics.seconds)}, at most {duration(left)} left)"
        )

    def note(self, text: str) -> None:
        self._line(text)


class LiveDisplay(Reporter):
    """A table of the last epochs over a bar with the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: deque[EpochMetrics] = deque(maxlen=_LINES)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("loss {task.fields[loss]}"), TextColumn("{task.fields[left]}"), console=console,
        )  # fmt: skip
        self._task = self._progress.add_task("training", total=1.0, loss="-", left="")
        self._live = Live(self._content(), console=console, refresh_per_second=4)
        self._n_epochs = 1
        self._first: tuple[float, float] | None = None

    def _content(self) -> Group:
        table = Table("epoch", "loss", "validation", "AUC", "speed-up", "step", "time", "data", box=None)
        for row in self._rows:
            table.add_row(
                f"{row.epoch}{' *' if row.is_best else ''}", f"{row.training_loss:.4f}", f"{row.validation_loss:.4f}",
                f"{row.auc:.4f}", f"{row.speed_up:.3f}", f"{row.learning_rate:.1e}", duration(row.seconds),
                f"{100 * row.loader_share:.0f} %",
            )  # fmt: skip
        return Group(table, self._progress)

    def begin(self, title: str, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._console.print(printable(title), highlight=False, markup=False)
        self._live.start()

    def step(self, epoch: int, fraction: float, loss: float) -> None:
        done = (epoch - 1 + fraction) / self._n_epochs
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        started, done_then = self._first
        fields: dict[str, Any] = {"loss": f"{loss:.4f}", "description": f"epoch {epoch}/{self._n_epochs}"}
        if done > done_then:
            fields["left"] = f"at most {duration((now - started) * (1 - done) / (done - done_then))} left"
        self._progress.update(self._task, completed=done, **fields)

    def epoch(self, metrics: EpochMetrics) -> None:
        self._rows.append(metrics)
        self._live.update(self._content())

    def note(self, text: str) -> None:
        self._live.console.print(printable(text), highlight=False, markup=False)

    def end(self) -> None:
        self._live.stop()
