"""Files of machine code: one for each kernel, signature and processor, whole or absent, with a digest of its content.

The name of a file holds a digest of all that its content depends on. No index goes with the files, so that they can be
copied, shipped, removed, or written by many processes at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
import zlib
from pathlib import Path
from typing import Final

#: First bytes of a file; changes with its layout.
_MAGIC: Final = b"SBKGKRN1"
_DIGEST_BYTES: Final = hashlib.sha256().digest_size
SUFFIX: Final = ".kernel"
#: Files of the user's folder that nothing read for so long are removed, seconds.
_KEPT: Final = 60 * 86400.0
#: Temporary files of writers that must be dead, seconds.
_STALE: Final = 86400.0


def read_code(path: Path) -> bytes | None:
    """Content of a file; None where there is none, or where it is not what was written."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    body = stored[start:]
    if stored[: len(_MAGIC)] != _MAGIC or hashlib.sha256(body).digest() != stored[len(_MAGIC) : start]:
        return None
    return zlib.decompress(body)


def write_code(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    OSError
        The folder cannot be made or written, or the disk is full.
    """
    body = zlib.compress(content, 6)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise


def mark_used(path: Path) -> None:
    """Note that a file was read, for `remove_unused`."""
    with contextlib.suppress(OSError):
        os.utime(path)


def remove_unused(folder: Path, name: str) -> None:
    """Remove files of one kernel that nothing read for two months, and what dead writers left."""
    now = time.time()
    for path in (*folder.glob(f"{name}-*{SUFFIX}"), *folder.glob(f".{name}-*.partial")):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > (_KEPT if path.suffix == SUFFIX else _STALE):
                path.unlink()


__all__ = ["SUFFIX", "mark_used", "read_code", "remove_unused", "write_code"]
