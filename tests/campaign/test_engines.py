"""Engines: Dask workers make the same files, lost workers cost nothing, and job files are what batch systems take."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from small_campaign import digests_of, small_campaign

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.config import parse_campaign
from smartbkg.campaign.engines.array import megabytes, submit, write_array
from smartbkg.campaign.engines.choice import choose_engine
from smartbkg.campaign.engines.dask import CLUSTERS, cluster_options
from smartbkg.campaign.production import produce
from smartbkg.campaign.status import read_status
from smartbkg.errors import SmartBKGError, UsageError

N_FILES = 6


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = small_campaign(tmp_path_factory.mktemp("engines") / "small", N_FILES)
    for index in range(N_FILES):
        attempt_chunk(campaign, index)
    return campaign


def fresh(campaign: Campaign, folder: Path) -> Campaign:
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_bytes(campaign.folder.config.read_bytes())
    return open_campaign(folder)


@pytest.mark.slow
def test_a_dask_scheduler_by_address_makes_the_same_files_although_a_worker_is_killed(
    undisturbed: Campaign, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    campaign = fresh(undisturbed, tmp_path / "small")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        victim = next(iter(cluster.workers.values())).process.pid
        killed = []

        def kill_one(_: object) -> None:
            if not killed:
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

        result = produce(campaign, choose_engine(cluster.scheduler_address, campaign.config), n_workers=2,
                         on_outcome=kill_one)  # fmt: skip
    assert killed
    assert result.n_made >= N_FILES - 1
    assert read_status(campaign).n_done == N_FILES
    assert digests_of(campaign.folder.root) == digests_of(undisturbed.folder.root)


def test_a_scheduler_that_speaks_tls_takes_who_has_its_certificate_and_nobody_else(
    undisturbed: Campaign, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=campaign"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    # as docs/campaign.md says to write it into Dask's configuration
    tls = {"distributed.comm.require-encryption": True, "distributed.comm.tls.ca-file": str(certificate)}
    for who in ("scheduler", "worker", "client"):
        tls |= {f"distributed.comm.tls.{who}.cert": str(certificate), f"distributed.comm.tls.{who}.key": str(key)}
    campaign = fresh(undisturbed, tmp_path / "small")
    with dask.config.set(tls):
        security = distributed.Security()
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, host="tls://127.0.0.1",
            security=security,
        ) as cluster:  # fmt: skip
            address = cluster.scheduler_address
            assert address.startswith("tls://")
            with dask.config.set(dict.fromkeys(tls)):
                stranger = choose_engine(address, campaign.config)
                with pytest.raises(UsageError, match=r"wants distributed\.comm\.tls\.ca-file"):
                    produce(campaign, stranger, n_workers=1)
            assert produce(campaign, choose_engine(address, campaign.config), n_workers=1).n_made == N_FILES
    assert digests_of(campaign.folder.root) == digests_of(undisturbed.folder.root)


def test_no_scheduler_and_no_place_are_one_line(undisturbed: Campaign) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="--on slrm: did you mean 'slurm'"):
        choose_engine("slrm", undisturbed.config)


@pytest.mark.parametrize("place", sorted(CLUSTERS))
def test_the_options_of_every_batch_system_make_a_job_script(place: str, tmp_path: Path) -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    settings = {
        "queue": "long", "account": "belle", "cores": 2, "memory": "3GB", "walltime": "01:30:00",
        "prologue": ["source /setup.sh"], "interface": "lo", "directives": ["requirements = (Arch == \"X86_64\")"],
    }  # fmt: skip
    config = parse_campaign({"filter": {"model": "m"}, "cluster": settings})
    options = cluster_options(place, config.cluster, tmp_path)
    with getattr(jobqueue, CLUSTERS[place][0])(**options) as cluster:
        script = cluster.job_script()
    assert "source /setup.sh" in script
    assert "distributed.cli.dask_worker" in script
    expected = {
        "slurm": ("#SBATCH -p long", "#SBATCH -A belle", "-n 1", "--cpus-per-task=2", "--mem=3G", "-t 01:30:00"),
        "pbs": ("#PBS -q long", "#PBS -A belle", "walltime=01:30:00"),
        "lsf": ("#BSUB -q long", '#BSUB -P "belle"', "#BSUB -W 01:30", "#BSUB -n 2"),
        "sge": ("#$ -q long", "#$ -P belle"),
        "htcondor": ("RequestCpus = MY.DaskWorkerCores", "requirements = (Arch"),
    }[place]
    for line in expected:
        assert line in script


def test_a_slurm_array_is_a_script_that_bash_accepts_and_lists_every_chunk(
    undisturbed: Campaign, tmp_path: Path
) -> None:
    job = write_array(undisturbed, [0, 2, 3, 5], "slurm", 3)
    script = job.script.read_text()
    assert "#SBATCH --array=0-2%1\n" in script
    assert "#SBATCH --mem=4096M\n" in script
    assert "#SBATCH --signal=B:TERM@60\n" in script
    assert subprocess.run(["bash", "-n", str(job.script)], check=False).returncode == 0
    listed = (job.folder / "tasks.txt").read_text().split()
    assert sorted(int(word) for word in listed if word != "--chunk") == [0, 2, 3, 5]
    assert (job.n_tasks, job.n_chunks) == (3, 4)
    assert write_array(undisturbed, [1], "slurm").folder != job.folder


def test_an_htcondor_description_has_the_commands_of_its_manual(undisturbed: Campaign) -> None:
    job = write_array(undisturbed, [0, 1], "htcondor")
    commands = dict(line.split(" = ", 1) for line in job.script.read_text().splitlines() if " = " in line)
    assert set(commands) == {
        "batch_name", "executable", "arguments", "output", "error", "log", "request_cpus", "request_memory",
        "should_transfer_files", "kill_sig", "max_materialize",
    }  # fmt: skip
    assert job.script.read_text().endswith("queue 2\n")
    assert os.access(commands["executable"], os.X_OK)
    assert subprocess.run(["bash", "-n", commands["executable"]], check=False).returncode == 0


def test_a_machine_without_the_batch_system_is_told_how_to_submit(
    undisturbed: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SmartBKGError, match="the job is written, submit it by condor_submit"):
        submit(write_array(undisturbed, [0], "htcondor"))
    with pytest.raises(UsageError, match="nothing to submit"):
        write_array(undisturbed, [], "slurm")


@pytest.mark.parametrize(("text", "expected"), [("4GB", 4096), ("500 MiB", 500), ("2G", 2048), ("1.5g", 1536)])
def test_memory_is_read_as_people_write_it(text: str, expected: int) -> None:
    assert megabytes(text) == expected
    with pytest.raises(UsageError, match=r"cluster\.memory"):
        megabytes("much")
