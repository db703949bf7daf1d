"""Campaigns on a real Slurm: cancelled jobs, a killed daemon, a requeue and a time limit lose and double nothing."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.slurm import Slurm, is_installed, running_slurm
from small_campaign import digests_of, small_campaign, small_settings, write_config

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.status import read_status

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(not is_installed(), reason="no Slurm here, or not root: make test-cluster installs it"),
]
N_FILES = 8
LIMITS = {"cluster__walltime": "00:05:00", "cluster__memory": "600MB", "run__workers": 2, "cluster__interface": "lo"}


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with tempfile.TemporaryDirectory(prefix="smartbkg-slurm-") as folder, running_slurm(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = small_campaign(tmp_path_factory.mktemp("cluster") / "small", N_FILES, **LIMITS)
    for index in range(N_FILES):
        attempt_chunk(campaign, index)
    return campaign


def fresh(campaign: Campaign, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_bytes(campaign.folder.config.read_bytes())
    return folder


def smartbkg(slurm: Slurm, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smartbkg", "campaign", *arguments]
    return subprocess.run(command, env=slurm.environment, capture_output=True, text=True, check=False, timeout=500)


def is_whole(folder: Path, undisturbed: Campaign) -> None:
    assert digests_of(folder) == digests_of(undisturbed.folder.root)
    assert read_status(open_campaign(folder)).ledger.totals == read_status(undisturbed).ledger.totals


def submitted(slurm: Slurm, folder: Path, *options: str) -> str:
    ended = smartbkg(slurm, "submit", str(folder), "--on", "slurm", "--array", "--json", *options)
    assert ended.returncode == 0, ended.stderr
    job: str = json.loads(ended.stdout)["job"]
    return job


def test_an_array_job_survives_scancel_and_is_resubmitted(slurm: Slurm, undisturbed: Campaign, tmp_path: Path) -> None:
    folder = fresh(undisturbed, tmp_path / "small")
    job = submitted(slurm, folder)
    slurm.wait_for(lambda: any("RUNNING" in line for line in slurm.queue()), "a running task", 120)
    slurm.run("scancel", job)
    slurm.wait_for(lambda: not slurm.queue(), "an empty queue", 120)
    submitted(slurm, folder, "--tasks", "2")
    slurm.wait_for(lambda: not slurm.queue(), "the end of the second array", 400)
    is_whole(folder, undisturbed)


def test_a_killed_daemon_and_a_requeue_double_nothing(slurm: Slurm, undisturbed: Campaign, tmp_path: Path) -> None:
    folder = fresh(undisturbed, tmp_path / "small")
    job = submitted(slurm, folder, "--tasks", "2")
    slurm.wait_for(lambda: any("RUNNING" in line for line in slurm.queue()), "a running task", 120)
    os.kill(slurm.daemon_pid(), signal.SIGKILL)
    slurm.start_daemon()
    time.sleep(2)
    running = [line.split()[0] for line in slurm.queue() if "RUNNING" in line]
    for task in running:
        slurm.run("scontrol", "requeue", task)
    slurm.wait_for(lambda: not any(line.startswith(job) for line in slurm.queue()), "the end of the array", 400)
    if read_status(open_campaign(folder)).pending:
        submitted(slurm, folder)
        slurm.wait_for(lambda: not slurm.queue(), "the end of the rest", 400)
    is_whole(folder, undisturbed)


def test_a_time_limit_gives_the_chunk_up_cleanly(slurm: Slurm, tmp_path: Path) -> None:
    sleeping = "sh -c 'sleep 600; touch {output}' {n_events} {seed}"
    settings = small_settings(
        tmp_path / "small", 1, generate__files=[], generate__command=sleeping, events=10, chunk_events=10,
        **(LIMITS | {"cluster__walltime": "00:02:00"}),
    )  # fmt: skip
    write_config(tmp_path / "small", settings)
    campaign = open_campaign(tmp_path / "small")
    submitted(slurm, campaign.folder.root)
    slurm.wait_for(lambda: slurm.queue() == [], "the end by the time limit", 240)
    assert read_status(campaign).pending == [0], "a chunk out of time has failed"
    assert not list(campaign.folder.attempts(0)), "something is left of the attempt"
    log = next(campaign.folder.jobs.glob("*/logs/0.log")).read_text()
    assert "no half-written output is left" in log


def test_dask_workers_as_slurm_jobs_survive_scancel(slurm: Slurm, undisturbed: Campaign, tmp_path: Path) -> None:
    folder = fresh(undisturbed, tmp_path / "small")
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(folder), "--on", "slurm", "--workers", "2"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=slurm.environment, stdout=log, stderr=log)
        slurm.wait_for(lambda: len(list((folder / "records").glob("*/*.json"))) >= 1, "a record", 300)
        first = next((line.split()[0] for line in slurm.queue() if "RUNNING" in line), None)
        if first is not None:
            slurm.run("scancel", first)
        code = process.wait(400)
    assert code == 0, (tmp_path / "log").read_text()
    is_whole(folder, undisturbed)
    answer = smartbkg(slurm, "status", str(folder), "--json")
    assert json.loads(answer.stdout)["chunks"]["done"] == N_FILES
