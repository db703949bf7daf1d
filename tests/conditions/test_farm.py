"""Many processes read one tag while another publishes revisions: what a batch farm does to a conditions database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conditions.payload_files import write_revision
from conditions.serving import start_server

from smartbkg.conditions import ConditionsStore, Interval
from smartbkg.conditions.cache import FOLDER_VARIABLE

N_PROCESSES = 32
N_REVISIONS = 8
TESTS = Path(__file__).resolve().parents[1]


def start_jobs(place: str, stop: Path, cache: Path) -> list[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(TESTS), FOLDER_VARIABLE: str(cache)}
    script = str(TESTS / "conditions" / "reading_process.py")
    return [
        subprocess.Popen(
            [sys.executable, script, place, str(10 + (7 * job) % (10 * N_REVISIONS)), str(stop),
             str(stop.with_name(f"ready{job}"))],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for job in range(N_PROCESSES)
    ]  # fmt: skip


def wait_for_jobs(stop: Path) -> None:
    """Until every job has read the first revision."""
    end = time.monotonic() + 120
    while len(list(stop.parent.glob("ready*"))) < N_PROCESSES:
        assert time.monotonic() < end, "the jobs do not start"
        time.sleep(0.1)


def publish(store: ConditionsStore, tmp_path: Path, revision: int) -> None:
    """Revision r holds from run 10·r on, so that each run has one right answer at each moment."""
    file = write_revision(tmp_path / f"revision{revision}", revision)
    store.put("Farm", "model", file, Interval(0, 10 * revision, -1, -1))


def collect(jobs: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    reports = []
    for job in jobs:
        output, errors = job.communicate(timeout=120)
        assert job.returncode == 0, errors
        reports.append(json.loads(output))
    return reports


def check(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        assert report["problems"] == []
        assert report["seen"] == sorted(report["seen"]), "a revision was taken back"
        assert report["seen"][-1] == min(report["run"] // 10, N_REVISIONS), "the last revision for the run was not seen"
    assert sum(len(report["seen"]) > 1 for report in reports) > N_PROCESSES // 2, "nobody read while it was published"


@pytest.fixture
def store(tmp_path: Path) -> ConditionsStore:
    store = ConditionsStore(tmp_path / "store")
    store.create_tag("Farm")
    publish(store, tmp_path, 1)
    return store


@pytest.mark.slow
def test_processes_read_a_store_while_revisions_are_published(store: ConditionsStore, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    jobs = start_jobs(str(store.folder), stop, tmp_path / "cache")
    wait_for_jobs(stop)
    for revision in range(2, N_REVISIONS + 1):
        time.sleep(0.3)
        publish(store, tmp_path, revision)
    stop.touch()
    check(collect(jobs))
    assert store.verify().damages == []


@pytest.mark.slow
def test_processes_read_a_server_that_is_killed_and_restarted(store: ConditionsStore, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    server, url = start_server(store.folder)
    port = int(url.rstrip("/").rpartition(":")[2])
    try:
        jobs = start_jobs(url, stop, tmp_path / "cache")
        wait_for_jobs(stop)
        for revision in range(2, N_REVISIONS + 1):
            time.sleep(0.4)
            publish(store, tmp_path, revision)
            if revision % 3 == 0:
                server.kill()
                server.communicate()
                time.sleep(0.5)
                server, _ = start_server(store.folder, port)
        stop.touch()
        check(collect(jobs))
    finally:
        server.kill()
        server.communicate()
