"""A small file that appears whole and once: of two that want to publish it one wins, and the other knows that it lost.

No lock and no server: a hard link is made only where nothing has its name, on local disks, NFS and Lustre alike. File
systems without hard links (EOS, some mounts of object stores) rename a folder of that name with the file in it, which
fails where a folder with content is; the two exclude one another, for they use one name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Final

from smartbkg.storage.atomic import disk_errors
from smartbkg.storage.partial import partial_file, partial_folder

_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL)
_TAKEN: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
_INNER: Final = "content"


def publish_once(path: Path, content: bytes) -> bool:
    """Publish a file unless its name is taken.

    Returns
    -------
    True where this call published it; False where the name was taken, whatever it holds.

    Raises
    ------
    SmartBKGError
        The disk is full or cannot be written: nothing is published.
    """
    if path.exists():
        return False
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_file(path) as mine:  # what a killed process leaves has a name by which the next ones remove it
            with mine.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            return _linked(mine, path)


def _linked(mine: Path, path: Path) -> bool:
    try:
        os.link(mine, path)
    except OSError as error:
        # An answer of a file server that was lost and asked for again says EEXIST of our own success: count the links.
        if mine.stat().st_nlink == 2:
            _settle(path.parent)
            return True
        if error.errno in _TAKEN:
            return False
        if error.errno not in _NO_LINKS:
            raise
        return _renamed(mine, path)
    _settle(path.parent)
    return True


def _renamed(mine: Path, path: Path) -> bool:
    """Publish by renaming a folder; it is ours if the folder of that name holds what only we can have put there."""
    mark = secrets.token_hex(8)
    with partial_folder(path) as folder:
        folder.chmod(path.parent.stat().st_mode & 0o777)  # a temporary folder is for its user alone
        mine.replace(folder / _INNER)
        (folder / mark).touch()
        try:
            folder.rename(path)
        except OSError as error:
            if error.errno not in (*_TAKEN, errno.ENOENT):
                raise
            return (path / mark).exists()
        _settle(path.parent)
        return True


def _settle(folder: Path) -> None:
    """Have the name on disk, not only the content, where the file system knows how."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_published(path: Path) -> bytes:
    """The content of a file that `publish_once` made.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    try:
        return path.read_bytes()
    except IsADirectoryError:
        return (path / _INNER).read_bytes()
