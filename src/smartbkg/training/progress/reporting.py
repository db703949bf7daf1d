"""Metrics per epoch of a training: to its reporters, and always to CSV and JSONL files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from smartbkg.storage.atomic import write_text_atomically


class EpochMetrics(NamedTuple):
    """Metrics of one epoch: one line of the log."""

    epoch: int
    """Number of the epoch, from 1."""
    training_loss: float
    """Mean loss of the steps of the epoch."""
    validation_loss: float
    """Loss on the validation events after the epoch."""
    auc: float
    """Area under the ROC curve on validation events, mean over skims."""
    speed_up: float
    """Speed-up of the optimal policy on validation events, mean over skims; scores calibrated on these events."""
    learning_rate: float
    """Size of the last step."""
    is_best: bool
    """Whether this is the best epoch so far."""
    seconds: float
    """Time of the epoch, validation included."""
    loader_share: float
    """Fraction of the time of the steps in which the network waited for data."""

    def reproducible(self) -> dict[str, Any]:
        """The metrics without times: those that the same seed gives again."""
        content = self._asdict()
        return {name: content[name] for name in content if name not in ("seconds", "loader_share")}


class Reporter:
    """Listens to a training; the methods here say nothing."""

    def begin(self, title: str, n_epochs: int) -> None:
        """Training starts."""

    def step(self, epoch: int, fraction: float, loss: float) -> None:
        """A step was made: epoch from 1, the part of it that is done, mean loss so far."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """An epoch is over."""

    def note(self, text: str) -> None:
        """Something worth a line happened."""

    def end(self) -> None:
        """Called once when training ends, successfully or not."""


def log_paths(output: Path) -> tuple[Path, Path]:
    """The CSV and the JSONL log of a training."""
    return output.with_name(output.name + ".log.csv"), output.with_name(output.name + ".log.jsonl")


def write_logs(output: Path, history: Sequence[EpochMetrics]) -> None:
    """Write both logs anew, so that they hold each epoch once, also after a resumption."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(EpochMetrics._fields)
    writer.writerows(history)
    lines = [json.dumps(metrics._asdict()) for metrics in history]
    for path, content in zip(log_paths(output), (table.getvalue(), "\n".join(lines) + "\n"), strict=True):
        write_text_atomically(path, content)
