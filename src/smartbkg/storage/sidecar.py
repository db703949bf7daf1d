"""Digests beside files: ``<name>.sha256``, as ``sha256sum`` writes it, is compared wherever its file is taken over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from smartbkg.errors import ModelError
from smartbkg.storage.provenance import sha256_of_file

SIDECAR_SUFFIX: Final = ".sha256"
_HEX_DIGITS: Final = 64


def check_sidecar(path: Path) -> None:
    """Compare a file with the digest in the file ``<name>.sha256`` beside it, where there is one.

    Raises
    ------
    ModelError
        It is another one, or the file holds none.
    """
    sidecar = path.with_name(path.name + SIDECAR_SUFFIX)
    if not os.path.isfile(sidecar) or not path.is_file():  # noqa: PTH113 - a name that is too long is no file
        return
    words = sidecar.read_text(encoding="utf-8", errors="replace").split()
    wanted = words[0].lower() if words else ""
    if len(wanted) != _HEX_DIGITS:
        raise ModelError(f"{sidecar}: expected a SHA-256 as sha256sum writes it")
    found = sha256_of_file(path)
    if found != wanted:
        raise ModelError(f"{path}: SHA-256 {found}, {sidecar.name} says {wanted}: the file is damaged or another one")


__all__ = ["SIDECAR_SUFFIX", "check_sidecar"]
