"""Errors of the machine (disk, memory, permission) told from errors of the input: they are never skipped.

Libraries raise `OSError` both for a failing disk and for damaged content. Only the first carries the number of the
operating system's error.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smartbkg.errors import SmartBKGError

#: Numbers that libraries give damaged content, although the operating system said nothing of the kind.
_OF_CONTENT: Final = (None, 0, errno.EINVAL, errno.EILSEQ, errno.EBADMSG)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class MachineError(SmartBKGError):
    """The machine refuses: disk, memory, permission. No input is to blame, and none is ever skipped for it."""


def is_of_machine(error: BaseException) -> bool:
    """Whether an error is one of the machine: memory, disk, permission, not one of what a file holds."""
    if isinstance(error, MemoryError | MachineError):
        return True
    return isinstance(error, OSError) and error.errno not in _OF_CONTENT


def reason_of(error: BaseException) -> str:
    """What went wrong in a few words, of an error of the machine."""
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return "no space left on the disk"
        return error.strerror or str(error) or type(error).__name__
    return "not enough memory" if isinstance(error, MemoryError) else str(error)


@contextlib.contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn an error of the machine, while a file is read, into a `MachineError` that names the file.

    Everything else passes through: what is wrong with the content is the reader's to say.
    """
    try:
        yield
    except MachineError:
        raise
    except (OSError, MemoryError) as error:
        if is_of_machine(error):
            raise MachineError(f"{source}: cannot read: {reason_of(error)}") from error
        raise


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a `MachineError` that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise MachineError(f"{path}: no space left on the disk; nothing was written") from error
        # Of this folder alone: the work that fills the file may fail on files of its own, and says so itself.
        is_ours = error.filename is None or Path(os.fsdecode(error.filename)).parent == path.parent
        if is_ours and is_of_machine(error) and not isinstance(error, BrokenPipeError):
            raise MachineError(f"{path}: cannot write: {reason_of(error)}") from error
        raise


__all__ = ["MachineError", "disk_errors", "is_of_machine", "reading", "reason_of"]
