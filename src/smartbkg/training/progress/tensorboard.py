"""The metrics of each epoch to TensorBoard as well, on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartbkg.optional import needed_for
from smartbkg.training.progress.reporting import EpochMetrics, Reporter


class TensorBoard(Reporter):
    """Writes every figure of an epoch as a scalar, and passes all on to another listener."""

    def __init__(self, folder: Path, further: Reporter) -> None:
        """Open a log in the folder.

        Raises
        ------
        MissingDependencyError
            TensorBoard is not installed.
        """
        with needed_for("run.tensorboard"):
            from torch.utils.tensorboard import SummaryWriter
        self._writer: Any = SummaryWriter(str(folder))
        self._further = further

    def begin(self, title: str, n_epochs: int) -> None:
        self._further.begin(title, n_epochs)

    def step(self, epoch: int, fraction: float, loss: float) -> None:
        self._further.step(epoch, fraction, loss)

    def epoch(self, metrics: EpochMetrics) -> None:
        for name, value in metrics._asdict().items():
            if name != "epoch":
                self._writer.add_scalar(name, float(value), metrics.epoch)
        self._further.epoch(metrics)

    def note(self, text: str) -> None:
        self._writer.add_text("notes", text)
        self._further.note(text)

    def end(self) -> None:
        self._writer.close()
        self._further.end()
