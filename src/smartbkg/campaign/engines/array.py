"""Array jobs, for sites where no Dask worker may live: a script, a list of chunks a task, one call of the system."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from smartbkg.campaign.campaign import Campaign
from smartbkg.errors import SmartBKGError, UsageError
from smartbkg.storage.atomic import write_text_atomically

System = Literal["slurm", "htcondor"]
#: Tasks of an array that every site takes (Slurm's MaxArraySize is 1001 unless configured).
MAXIMUM_TASKS: Final = 1000
#: Seconds before the time limit at which a task is told to give up its chunk.
_WARNING: Final = 60
_UNITS: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "": 1}


class ArrayJob(NamedTuple):
    """An array job on disk."""

    folder: Path
    script: Path
    n_tasks: int
    n_chunks: int
    command: tuple[str, ...]
    """What submits it."""


def megabytes(memory: str) -> int:
    """Memory as text (``4GB``, ``500 MiB``, ``2G``) in MiB, rounded up.

    Raises
    ------
    UsageError
        No such text.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", memory, re.IGNORECASE)
    if match is None:
        raise UsageError(f"cluster.memory = '{memory}', expected as 4GB or 500MB")
    return -(-int(float(match[1]) * _UNITS[match[2].upper()]) // 2**20)


def write_array(campaign: Campaign, chunks: Sequence[int], system: System, n_tasks: int | None = None) -> ArrayJob:
    """Write the script and the list of an array job over some chunks.

    Parameters
    ----------
    chunks : numbers of the chunks.
    n_tasks : tasks at most; as many as chunks, up to `MAXIMUM_TASKS`, if not given.

    Raises
    ------
    UsageError
        There is no chunk to do.
    """
    if not chunks:
        raise UsageError("every chunk is done or set aside: nothing to submit")
    most = min(len(chunks), MAXIMUM_TASKS if n_tasks is None else n_tasks)
    shares = [list(chunks[start::most]) for start in range(most)]
    folder = _new_folder(campaign.folder.jobs)
    (folder / "logs").mkdir(parents=True)
    listing = "".join(" ".join(f"--chunk {chunk}" for chunk in share) + "\n" for share in shares)
    write_text_atomically(folder / "tasks.txt", listing)
    if system == "slurm":
        script = folder / "array.sh"
        write_text_atomically(script, slurm_script(campaign, folder, most))
        return ArrayJob(folder, script, most, len(chunks), ("sbatch", "--parsable", str(script)))
    task = folder / "task.sh"
    write_text_atomically(task, _task_script(campaign, folder, "$1"))
    task.chmod(0o755)
    script = folder / "array.sub"
    write_text_atomically(script, htcondor_description(campaign, folder, most))
    return ArrayJob(folder, script, most, len(chunks), ("condor_submit", str(script)))


def _new_folder(jobs: Path) -> Path:
    number = 0
    while True:
        folder = jobs / f"array-{number:04d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _task_script(campaign: Campaign, folder: Path, task: str) -> str:
    """A shell script that does the chunks of one task; it becomes the worker, so that signals reach that."""
    cluster = campaign.config.cluster
    python = cluster.python or sys.executable
    lines = [
        "#!/bin/bash",
        *cluster.prologue,
        "export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}",
        f'line=$(sed -n "$(({task} + 1))p" {shlex.quote(str(folder / "tasks.txt"))})',
        f"exec {shlex.quote(python)} -m smartbkg campaign run {shlex.quote(str(campaign.folder.root))} $line",
    ]
    return "\n".join(lines) + "\n"


def slurm_script(campaign: Campaign, folder: Path, n_tasks: int) -> str:
    """What ``sbatch`` takes (options: its manual page, Slurm 22.05)."""
    config, cluster = campaign.config, campaign.config.cluster
    options = [
        f"--job-name={config.name}",
        f"--array=0-{n_tasks - 1}%{config.run.workers}",
        f"--output={folder / 'logs'}/%a.log",
        "--open-mode=append",
        f"--cpus-per-task={cluster.cores}",
        f"--mem={megabytes(cluster.memory)}M",
        f"--time={cluster.walltime}",
        "--requeue",
        f"--signal=B:TERM@{_WARNING}",
        *([f"--partition={cluster.queue}"] if cluster.queue is not None else []),
        *([f"--account={cluster.account}"] if cluster.account is not None else []),
        *cluster.directives,
    ]
    first, *rest = _task_script(campaign, folder, "SLURM_ARRAY_TASK_ID").splitlines()
    return "\n".join([first, *(f"#SBATCH {option}" for option in options), *rest]) + "\n"


def htcondor_description(campaign: Campaign, folder: Path, n_tasks: int) -> str:
    """What ``condor_submit`` takes (commands: HTCondor manual, "Submitting a Job", and condor_submit(1))."""
    config, cluster = campaign.config, campaign.config.cluster
    lines = [
        f"batch_name = {config.name}",
        f"executable = {folder / 'task.sh'}",
        "arguments = $(Process)",
        f"output = {folder / 'logs'}/$(Process).out",
        f"error = {folder / 'logs'}/$(Process).err",
        f"log = {folder / 'array.log'}",
        f"request_cpus = {cluster.cores}",
        f"request_memory = {megabytes(cluster.memory)}",
        "should_transfer_files = NO",
        "kill_sig = SIGTERM",
        f"max_materialize = {config.run.workers}",
        *([f"accounting_group = {cluster.account}"] if cluster.account is not None else []),
        *cluster.directives,
        f"queue {n_tasks}",
    ]
    return "\n".join(lines) + "\n"


def submit(job: ArrayJob) -> str:
    """Hand an array job to the batch system; returns what it answered.

    Raises
    ------
    SmartBKGError
        The batch system is not there, or refuses.
    """
    if shutil.which(job.command[0]) is None:
        raise SmartBKGError(
            f"no {job.command[0]} on this machine; the job is written, submit it by {shlex.join(job.command)}"
        )
    answer = subprocess.run(job.command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        said = " ".join(answer.stderr.split())
        raise SmartBKGError(f"{job.command[0]} refused {job.script}: {said}")
    return answer.stdout.strip()


__all__ = ["ArrayJob", "htcondor_description", "megabytes", "slurm_script", "submit", "write_array"]
