"""Processes that never outlive the one that started them, however that one ends.

SIGKILL leaves no time to clear up. A watcher holds the other end of a pipe, which the system closes when this process
ends; it then ends the child's whole process group and removes the child's folder.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

#: Runs in a Python without site packages, so that it starts in milliseconds and holds little memory.
_WATCHER: Final = """
import os, shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
words = sys.stdin.readline().split(" ", 1)
if len(words) == 2 and sys.stdin.readline() != "done\\n":
    try:
        os.killpg(int(words[0]), signal.SIGKILL)
    except OSError:
        pass
    shutil.rmtree(bytes.fromhex(words[1].strip()).decode(errors="surrogateescape"), ignore_errors=True)
"""

#: How often a process of a thread is looked at.
_LOOK_SECONDS: Final = 0.2


def run_child(
    words: Sequence[str],
    folder: Path,
    log: Path,
    timeout: float | None,
    working_folder: Path | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Run a program to its end, in a process group of its own.

    Parameters
    ----------
    folder : its folder, removed if this process is killed.
    log : file that gets its standard output and error.
    timeout : seconds after which the group is ended; None waits for ever.
    working_folder : what its relative paths start from; that of this process if not given.
    stop : set by another thread to end the group; the exit code is then that of SIGKILL.

    Returns
    -------
    Its exit code.

    Raises
    ------
    OSError
        It cannot be started.
    subprocess.TimeoutExpired
        It took too long, and was ended.
    """
    with log.open("wb") as handle, _watcher() as watcher:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=working_folder,
        )
        try:
            _tell(watcher, f"{process.pid} {os.fsencode(folder).hex()}\n")
            return process.wait(timeout) if stop is None else _wait(process, timeout, stop)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            _tell(watcher, "done\n")


def _wait(process: subprocess.Popen[bytes], timeout: float | None, stop: threading.Event) -> int:
    """Wait for a process of one of several threads, of which the main thread alone is interrupted by Ctrl-C."""
    begin = time.monotonic()
    while not stop.is_set():
        with contextlib.suppress(subprocess.TimeoutExpired):
            left = _LOOK_SECONDS if timeout is None else timeout - (time.monotonic() - begin)
            return process.wait(max(min(left, _LOOK_SECONDS), 0.0))
        if timeout is not None and time.monotonic() - begin >= timeout:
            raise subprocess.TimeoutExpired(process.args, timeout)
    return -signal.SIGKILL


def exit_with_parent() -> None:
    """End this process of a pool when the process that started it ends: its queues alone would keep it waiting."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()


@contextlib.contextmanager
def _watcher() -> Iterator[subprocess.Popen[bytes]]:
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCHER],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield watcher
    finally:
        if watcher.stdin is not None:
            with contextlib.suppress(OSError):
                watcher.stdin.close()
        watcher.wait()


def _tell(watcher: subprocess.Popen[bytes], line: str) -> None:
    if watcher.stdin is not None:
        with contextlib.suppress(OSError):
            watcher.stdin.write(line.encode())
            watcher.stdin.flush()


__all__ = ["exit_with_parent", "run_child"]
