"""Files that are either whole or absent: written under a temporary name beside the final one, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from smartbkg.errors import SmartBKGError, UsageError

PARTIAL_SUFFIX = ".partial"

_REFUSALS = (errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EFBIG, errno.EIO)


def refuse_same_file(output: Path, *inputs: Path) -> None:
    """Raise `UsageError` if the output is one of the inputs: a job must never write over what it reads."""
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UsageError(f"output and input are the same file: {output}")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a `SmartBKGError` that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SmartBKGError(f"{path}: no space left on the disk; nothing was written") from error
        # Of this folder alone: the work that fills the file may fail on files of its own, and says so itself.
        is_ours = error.filename is None or Path(os.fsdecode(error.filename)).parent == path.parent
        if is_ours and error.errno in _REFUSALS:
            raise SmartBKGError(f"{path}: cannot write: {error.strerror}") from error
        raise


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to ``path`` at a normal end and removed at any other.

    The name holds the process id, so that two processes writing one file do not mix: the last to finish wins, whole.

    Raises
    ------
    UsageError
        The path is a folder, or in one that does not exist.
    SmartBKGError
        The folder cannot be written, or the disk is full.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, expected a file name")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: cannot write: there is no folder {path.parent}; make it first (mkdir -p)")
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with disk_errors(path):
            yield partial
            with partial.open("rb+") as handle:
                os.fsync(handle.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold a lock beside a file that takes long to make, so that two processes do not make it at once.

    The lock goes with the process, however it ends; the empty file ``<name>.lock`` stays behind one that was killed.
    On a file system that knows no locks (some of farms) there is none.

    Raises
    ------
    UsageError
        Another process is at it.
    """
    lock = path.with_name(path.name + ".lock")
    with disk_errors(path):
        handle = lock.open("a")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{path}: another process is making it; wait for it or choose another name") from error
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                raise
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_text_atomically(path: Path, content: str) -> None:
    """Write a small UTF-8 text file whole or not at all."""
    write_bytes_atomically(path, content.encode())
