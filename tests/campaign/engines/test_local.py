"""Workers on this machine begin and end quietly."""

import multiprocessing
from pathlib import Path

import pytest
from small_campaign import small_campaign

from smartbkg.campaign.engines.local import _Worker


def test_a_worker_that_waits_for_work_ends_by_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = small_campaign(tmp_path / "small", 1, 40).folder.root
    worker = _Worker(root, multiprocessing.get_context("spawn"))
    worker.stop()
    assert worker.process.exitcode == 0
    assert capfd.readouterr().err == ""


def test_a_worker_that_works_is_ended_without_a_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = small_campaign(tmp_path / "small", 1, 40).folder.root
    worker = _Worker(root, multiprocessing.get_context("spawn"))
    worker.bundle = [0] * 1000
    worker.pipe.send(worker.bundle)
    assert worker.pipe.poll(60), "the first outcome"
    worker.stop()
    assert worker.process.exitcode == 0
    assert capfd.readouterr().err == ""
