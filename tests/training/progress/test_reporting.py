"""What a training writes down: one line per epoch, each once, without times where results must repeat."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from smartbkg.training.progress.reporting import EpochMetrics, Reporter, log_paths, write_logs

ROW = EpochMetrics(1, 0.7, 0.6, 0.8, 1.2, 1e-3, True, 3.5, 0.1)


def test_the_reproducible_part_of_a_line_holds_no_times() -> None:
    later = ROW._replace(seconds=99.0, loader_share=0.9)
    assert later.reproducible() == ROW.reproducible()
    assert ROW._replace(auc=0.81).reproducible() != ROW.reproducible()
    assert set(EpochMetrics._fields) - set(ROW.reproducible()) == {"seconds", "loader_share"}


def test_both_logs_hold_every_epoch_once_however_often_they_are_written(tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    history = [ROW, ROW._replace(epoch=2, is_best=False, validation_loss=0.65)]
    write_logs(output, history[:1])
    write_logs(output, history)
    table, lines = log_paths(output)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["validation_loss"]) == 0.65
    assert [EpochMetrics(**json.loads(line)) for line in lines.read_text().splitlines()] == history


def test_logs_lie_beside_the_model_under_its_whole_name() -> None:
    assert [path.name for path in log_paths(Path("a/b.v2.safetensors"))] == [
        "b.v2.safetensors.log.csv",
        "b.v2.safetensors.log.jsonl",
    ]


def test_a_reporter_that_nobody_replaced_says_nothing(capsys) -> None:  # type: ignore[no-untyped-def]
    reporter = Reporter()
    reporter.begin("title", 2)
    reporter.step(1, 0.5, 0.7)
    reporter.epoch(ROW)
    reporter.note("note")
    reporter.end()
    assert capsys.readouterr() == ("", "")
