"""Files that are either whole or absent: written under a temporary name beside the final one, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smartbkg.errors import UsageError
from smartbkg.storage.machine import MachineError, disk_errors, reason_of
from smartbkg.storage.partial import PARTIAL_SUFFIX, collect_stale, partial_file, scratch_folder

#: The path that means standard input or output, also where a file has this name.
STANDARD: Final = "-"


def refuse_same_file(output: Path, *inputs: Path) -> None:
    """Raise `UsageError` if the output is one of the inputs: a job must never write over what it reads."""
    if str(output) == STANDARD:
        return
    for path in inputs:
        if (
            str(path) != STANDARD
            and output.exists()
            and path.exists()
            and output.samefile(path)
            and not is_device(output)
        ):
            raise UsageError(f"output and input are the same file: {output}")


def is_device(path: Path) -> bool:
    """Whether a path is a device, a FIFO or a socket: written through, never replaced by a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextlib.contextmanager
def atomic_path(path: Path, *, is_locked: bool = True) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to ``path`` at a normal end and removed at any other.

    Two processes that write one file do not mix: the last to finish wins, whole. A symbolic link is followed: what it
    points at is replaced, and the link stays. A device or FIFO gets the bytes at the end.

    Parameters
    ----------
    is_locked : False for libraries that lock the file they write themselves (HDF5).

    Raises
    ------
    UsageError
        The path is a folder, or in one that does not exist.
    MachineError
        The folder cannot be written, or the disk is full.
    """
    final = _final(path)
    if is_device(final):
        with _through(path) as partial:
            yield partial
        return
    with disk_errors(final), partial_file(final, is_locked=is_locked) as partial:
        yield partial
        _publish(partial, final)


def _final(path: Path) -> Path:
    """The path with symbolic links followed, or an error where nothing can be written there."""
    try:
        final = Path(os.path.realpath(path)) if path.is_symlink() else path
        if final.is_dir():
            raise UsageError(f"{path}: is a folder, expected a file name")
        if not final.parent.is_dir():
            raise UsageError(f"{path}: cannot write: there is no folder {final.parent}; make it first (mkdir -p)")
        final.stat()  # a name that is too long, a folder that may not be entered
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MachineError(f"{path}: cannot write: {reason_of(error)}") from error
    return final


def _publish(partial: Path, final: Path) -> None:
    """Give a file its final name, so that both survive a power cut."""
    with partial.open("rb+") as handle:
        os.fsync(handle.fileno())
    partial.replace(final)
    with contextlib.suppress(OSError):  # some file systems cannot; the file is there all the same
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def _through(path: Path) -> Iterator[Path]:
    """A temporary file elsewhere, whose bytes go to a device or FIFO at a normal end."""
    with scratch_folder("output") as folder:
        partial = folder / path.name
        partial.touch()
        yield partial
        with disk_errors(path), partial.open("rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)


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
    while True:
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
            if not _is_same_file(handle.fileno(), lock):
                continue  # the holder before us has just removed it: what we locked is no longer the lock
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    lock.unlink(missing_ok=True)
            return


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_text_atomically(path: Path, content: str) -> None:
    """Write a small UTF-8 text file whole or not at all."""
    write_bytes_atomically(path, content.encode())


__all__ = [
    "PARTIAL_SUFFIX", "STANDARD", "atomic_path", "collect_stale", "disk_errors", "is_device", "refuse_same_file",
    "sole_writer", "write_bytes_atomically", "write_text_atomically",
]  # fmt: skip
