"""A real Slurm on this machine, on loopback and ports of its own: Debian's slurmctld, slurmd and munged, as root.

``python tests/cluster/slurm.py install`` installs what is missing, the browser for the status page, and XRootD.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge", "chromium", "xrootd-server")
PATIENCE = 60.0
#: Seconds of the time limit in the tests are whole minutes: Slurm knows nothing smaller.
CONFIGURATION = """ClusterName=test
SlurmctldHost={name}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={munge}
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdTimeout=20
KillWait=5
MinJobAge=30
SchedulerParameters=sched_interval=2,batch_sched_delay=0
OverTimeLimit=0
NodeName={name} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={name} Default=YES MaxTime=INFINITE State=UP
"""


def is_installed() -> bool:
    """Whether all programs are there, and whether they may be run as they must."""
    return all(_which(program) for program in PROGRAMS) and getpass.getuser() == "root"


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def install() -> None:
    """Install Debian's packages where they are missing."""
    if all(_which(program) for program in (*PROGRAMS, "chromium", "xrootd")):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True, env=environment)


class Slurm:
    """A running Slurm; `command` calls its programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = socket.gethostname().partition(".")[0]
        self.configuration = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration)}

    def start(self) -> None:
        """Start munge, controller and daemon, and wait until the node is idle."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        munge = self._start_munge()
        ports = _free_ports(2)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 1000
        self.configuration.write_text(
            CONFIGURATION.format(
                name=self.name, folder=self.folder, controller=ports[0], daemon=ports[1], munge=munge, cpus=2,
                memory=memory,
            )
        )  # fmt: skip
        self.run(_which("slurmctld") or "", "-i")
        self.start_daemon()
        self.wait_for(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T"), "the node to be idle")

    def _start_munge(self) -> Path:
        """A munged of our own: another one may be the system's."""
        place = self.folder / "munge"
        place.mkdir(mode=0o755)
        key = place / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        sock = place / "socket"
        command = [
            _which("munged") or "", "--force", f"--socket={sock}", f"--key-file={key}", f"--pid-file={place / 'pid'}",
            f"--log-file={place / 'log'}", f"--seed-file={place / 'seed'}", "--num-threads=2",
        ]  # fmt: skip
        subprocess.run(command, check=True, env=self.environment, capture_output=True)
        return sock

    def start_daemon(self) -> None:
        """Start (again) the daemon of the one node."""
        self.run(_which("slurmd") or "", "-N", self.name)

    def daemon_pid(self) -> int:
        """Process id of the daemon."""
        return int((self.folder / "slurmd.pid").read_text())

    def run(self, *command: str) -> str:
        """Run a program of Slurm; its output."""
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise RuntimeError(f"{command}: {ended.stdout}{ended.stderr}{self.logs()}")
        return ended.stdout.strip()

    def logs(self) -> str:
        """The last lines of both daemons."""
        found = []
        for name in ("slurmctld.log", "slurmd.log"):
            path = self.folder / name
            if path.is_file():
                found += [f"\n{name}:", *path.read_text(errors="replace").splitlines()[-15:]]
        return "\n".join(found)

    def wait_for(self, condition: object, what: str, patience: float = PATIENCE) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + patience
        while not condition():  # type: ignore[operator]
            if time.monotonic() > deadline:
                raise RuntimeError(f"no sign of {what} after {patience:g} s{self.logs()}")
            time.sleep(0.3)

    def queue(self) -> list[str]:
        """Jobs that wait or run, one line each: id and state."""
        return self.run("squeue", "-h", "-r", "-o", "%i %T").splitlines()

    def stop(self) -> None:
        """End everything, by the pid files."""
        with contextlib.suppress(RuntimeError):
            self.run("scancel", "-u", getpass.getuser())
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            path = self.folder / name
            if path.is_file():
                with contextlib.suppress(ProcessLookupError, ValueError):
                    pid = int(path.read_text())
                    os.kill(pid, signal.SIGTERM)
                    _wait_for_end(pid)


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.contextmanager
def running_slurm(folder: Path) -> Iterator[Slurm]:
    """A Slurm that runs as long as the block."""
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


if __name__ == "__main__" and sys.argv[1:] == ["install"]:
    install()
