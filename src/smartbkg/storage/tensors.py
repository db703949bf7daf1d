"""Seals of safetensors files: a digest of every byte, in the metadata of the file itself, where it stands as zeros.

The library compares lengths, not numbers: without a seal a damaged file gives other weights without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from smartbkg.errors import ModelError

#: Metadata entry with the seal.
SEAL_KEY: Final = "smartbkg_sha256"
NO_SEAL: Final = "0" * 64


def sealed(content: bytes) -> bytes:
    """A file whose metadata have `NO_SEAL` under `SEAL_KEY`, with the digest in its place."""
    place = content.index(NO_SEAL.encode(), content.index(SEAL_KEY.encode()))
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digest + content[place + len(digest) :]


def check_seal(path: Path, metadata: Mapping[str, str], *, must_be_sealed: bool) -> None:
    """Compare a file with its seal.

    Parameters
    ----------
    metadata : of the file.
    must_be_sealed : False for files of an earlier schema, which may have no seal.

    Raises
    ------
    ModelError
        The file is not what was written, or its seal is lost.
    OSError
        It cannot be read.
    """
    seal = metadata.get(SEAL_KEY)
    if seal is None and not must_be_sealed:
        return
    content = path.read_bytes()
    place = -1 if seal is None else content.find(seal.encode(), content.find(SEAL_KEY.encode()))
    found = "" if place < 0 else hashlib.sha256(content[:place] + NO_SEAL.encode() + content[place + 64 :]).hexdigest()
    if found != seal:
        raise ModelError(f"{path}: it is not what was written (SHA-256): the file is damaged")


__all__ = ["NO_SEAL", "SEAL_KEY", "check_seal", "sealed"]
