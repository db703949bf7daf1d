"""Children die with their parents, and their folders go with them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smartbkg.experiment.child import run_child

_PARENT = """
import sys
from pathlib import Path
from smartbkg.experiment.child import run_child
from smartbkg.storage.partial import scratch_folder
with scratch_folder("child-test") as folder:
    script = "import os, subprocess, sys, time; " \
             "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); " \
             "print(os.getpid(), grandchild.pid, flush=True); time.sleep(600)"
    log = folder / "log"
    print(folder, flush=True)
    run_child([sys.executable, "-c", script], folder, log, None)
"""

_POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from smartbkg.experiment.child import exit_with_parent
if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=exit_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """Whether a process lives; one that ended and waits for init is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition: object, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def test_a_killed_parent_leaves_neither_children_nor_their_folder() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        log = folder / "log"
        assert wait_for(lambda: log.exists() and len(log.read_text().split()) == 2)
        children = [int(word) for word in log.read_text().split()]
        assert all(map(is_running, children))
        parent.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not any(map(is_running, children)))
    assert wait_for(lambda: not folder.exists())


def test_a_process_of_a_pool_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(_POOL)
    with subprocess.Popen([sys.executable, str(tmp_path / "pool.py")], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
        assert wait_for(lambda: not is_running(worker))


def test_a_program_that_ends_by_itself_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_child(["sh", "-c", "echo said; exit 3"], tmp_path, log, 30) == 3
    assert log.read_text() == "said\n"
    assert tmp_path.exists(), "the folder is its owner's to remove"
    with pytest.raises(FileNotFoundError):
        run_child([str(tmp_path / "absent")], tmp_path, log, 30)
