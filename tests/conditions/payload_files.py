"""Payload files for tests: each says which revision it is, so that half of one, or a wrong one, is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

N_LINES = 4000


def content_of(revision: int) -> bytes:
    """About 280 kB that begin and end with the revision and prove themselves whole."""
    body = b"".join(hashlib.sha256(f"{revision} {line}".encode()).hexdigest().encode() for line in range(N_LINES))
    return f"revision {revision}\n".encode() + body + f"\nrevision {revision}".encode()


def revision_in(path: Path) -> int:
    """The revision that a file says it is; raises `ValueError` where it is not whole."""
    content = path.read_bytes()
    revision = int(content.partition(b"\n")[0].split()[1])
    if content != content_of(revision):
        raise ValueError(f"{path} is not the whole revision {revision}")
    return revision


def write_revision(path: Path, revision: int) -> Path:
    """The file of a revision."""
    path.write_bytes(content_of(revision))
    return path
