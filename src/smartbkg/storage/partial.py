"""Temporary files and folders: names that cannot meet, and the removal of those whose writer is dead.

A name holds a digest of the running kernel and 64 random bits, and the file is created exclusively: writers in two
containers, with the same process id and host name, never share one. A writer holds a lock on its file as long as it
lives. Before a folder is written, what dead writers left there is removed: at once where the lock is free and the
writer was on this machine, after a day without a change where it was on another one, whose locks may not reach here
(NFS).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PARTIAL_SUFFIX: Final = ".partial"

#: Longest name that the file systems of farms take, in bytes.
_LONGEST_NAME: Final = 255
_NAME: Final = re.compile(r"\..*\.([0-9a-f]{8})-[0-9a-f]{16}\.partial", re.DOTALL)
_NO_MACHINE: Final = "00000000"
#: Seconds that an empty file of this machine is left alone: its writer may be about to lock it.
_YOUNG_SECONDS: Final = 10.0
#: Seconds without a change after which a file of another machine is taken for one of a dead writer.
_FOREIGN_SECONDS: Final = 86_400.0
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)


@functools.cache
def machine_digest() -> str:
    """Eight hexadecimal digits that name the running kernel: the same in all its containers, others after a reboot."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def partial_name(name: str, machine: str | None = None) -> str:
    """A new temporary name for a file of that name, at most 255 bytes long.

    Parameters
    ----------
    machine : eight hexadecimal digits in place of those of this one.
    """
    ending = f".{machine_digest() if machine is None else machine}-{secrets.token_hex(8)}{PARTIAL_SUFFIX}"
    room = _LONGEST_NAME - len(ending) - 1
    return "." + os.fsdecode(os.fsencode(name)[:room]) + ending


def _lock(descriptor: int) -> bool | None:
    """Whether the lock was free; None on a file system without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


@contextlib.contextmanager
def partial_file(path: Path, *, is_locked: bool = True) -> Iterator[Path]:
    """A new, empty temporary file beside ``path``, locked while the block runs and removed at its end if still there.

    Parameters
    ----------
    is_locked : False for libraries that lock the file themselves (HDF5); it is then treated as one of another machine.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    collect_stale(path.parent)
    partial = path.with_name(partial_name(path.name, None if is_locked else _NO_MACHINE))
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        if is_locked:
            with contextlib.suppress(OSError):
                _lock(descriptor)
        yield partial
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # the error that led here is the one to tell
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """A new, empty folder beside ``path``, for this user alone, removed with all that is in it at the end of the block.

    Raises
    ------
    OSError
        The folder around it cannot be written.
    """
    collect_stale(path.parent)
    folder = path.with_name(partial_name(path.name))
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            _lock(descriptor)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)  # the error that led here is the one to tell


def scratch_folder(name: str, parent: str | Path | None = None) -> contextlib.AbstractContextManager[Path]:
    """A `partial_folder` in the system's folder for temporary files, or in another one."""
    return partial_folder((Path(tempfile.gettempdir()) if parent is None else Path(parent)) / f"smartbkg-{name}")


_visited: dict[Path, int] = {}


def collect_stale(folder: Path) -> None:
    """Remove what dead writers left in a folder; looked for once a process and folder."""
    if _visited.get(folder) == os.getpid():
        return
    _visited[folder] = os.getpid()
    with contextlib.suppress(OSError):
        remove_stale(folder)


def remove_stale(folder: Path, now: float | None = None) -> list[Path]:
    """Remove the temporary files and folders of dead writers from a folder; returns them.

    Parameters
    ----------
    now : seconds since the epoch, the clock's unless given.
    """
    removed = []
    with os.scandir(folder) as entries:
        found = [entry.path for entry in entries if _NAME.fullmatch(entry.name)]
    for name in found:
        path = Path(name)
        with contextlib.suppress(OSError):
            if _is_stale(path, time.time() if now is None else now):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                removed.append(path)
    return removed


def _is_stale(path: Path, now: float) -> bool:
    match = _NAME.fullmatch(path.name)
    is_local = match is not None and match[1] == machine_digest()
    is_folder = path.is_dir()
    descriptor = os.open(path, (os.O_RDONLY if is_folder else os.O_RDWR) | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        inside = [entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(descriptor)] if is_folder else []
        age = now - max([status.st_mtime, *inside])
        lock = _lock(descriptor)
    finally:
        os.close(descriptor)
    if lock is False:
        return False
    if lock is None or not is_local:
        return age > _FOREIGN_SECONDS
    is_begun = bool(inside) if is_folder else status.st_size > 0
    return is_begun or age > _YOUNG_SECONDS


__all__ = [
    "PARTIAL_SUFFIX", "collect_stale", "machine_digest", "partial_file", "partial_folder", "partial_name",
    "remove_stale", "scratch_folder",
]  # fmt: skip
