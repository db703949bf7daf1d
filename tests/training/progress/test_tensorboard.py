"""TensorBoard gets every metric of an epoch, and the other listener everything."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from smartbkg.errors import MissingDependencyError
from smartbkg.training.progress.reporting import EpochMetrics, Reporter
from smartbkg.training.progress.tensorboard import TensorBoard

ROW = EpochMetrics(3, 0.7, 0.6, 0.8, 1.2, 1e-3, True, 30.0, 0.1)


class Recorder(Reporter):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self, title: str, n_epochs: int) -> None:
        self.calls.append("begin")

    def step(self, epoch: int, fraction: float, loss: float) -> None:
        self.calls.append("step")

    def epoch(self, figures: EpochMetrics) -> None:
        self.calls.append("epoch")

    def note(self, text: str) -> None:
        self.calls.append(text)

    def end(self) -> None:
        self.calls.append("end")


class Writer:
    """Stands for TensorBoard's writer: keeps what it is given."""

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.texts, self.is_closed = folder, {}, [], False

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name] = (value, step)

    def add_text(self, name: str, text: str) -> None:
        self.texts.append(text)

    def close(self) -> None:
        self.is_closed = True


def test_every_metric_is_a_scalar_at_its_epoch_and_all_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    recorder = Recorder()
    board = TensorBoard(tmp_path, recorder)
    board.begin("title", 3)
    board.step(3, 0.5, 0.7)
    board.epoch(ROW)
    board.note("said")
    board.end()
    assert recorder.calls == ["begin", "step", "epoch", "said", "end"]
    writer = board._writer
    assert writer.folder == str(tmp_path)
    assert set(writer.scalars) == set(EpochMetrics._fields) - {"epoch"}
    assert writer.scalars["auc"] == (0.8, 3)
    assert writer.scalars["is_best"] == (1.0, 3)
    assert writer.texts == ["said"]
    assert writer.is_closed


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"run\.tensorboard needs tensorboard.*\[tensorboard\]"):
        TensorBoard(tmp_path, Recorder())
