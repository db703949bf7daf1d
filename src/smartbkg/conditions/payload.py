"""Global tags and payloads: what they are, which names they may have, and how a file is proved to be one."""

from __future__ import annotations

import enum
import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

from smartbkg.conditions.interval import ALWAYS, Interval
from smartbkg.errors import ConditionsError
from smartbkg.storage.sidecar import check_sidecar

#: No separator and no leading dot: a name can never leave the folder it is used in.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_BLOCK: Final = 1 << 20


class TagStatus(enum.StrEnum):
    """What may be done with a global tag (names of the Belle II database)."""

    OPEN = "OPEN"
    """Payloads may be added."""
    TESTING = "TESTING"
    VALIDATED = "VALIDATED"
    RUNNING = "RUNNING"
    """Payloads for later runs may be added."""
    PUBLISHED = "PUBLISHED"
    """Immutable."""
    INVALID = "INVALID"
    """Immutable, and not to be used any more."""


class GlobalTag(NamedTuple):
    """A named set of payloads with their intervals of validity."""

    name: str
    """Unique name."""
    status: str
    """One of `TagStatus`, or what a server calls it."""
    description: str = ""
    """What it is for."""
    identifier: int = 0
    """Number of the tag in its database."""


class Payload(NamedTuple):
    """A payload in a global tag: one revision of a named file, valid for some runs."""

    name: str
    """Name of the payload."""
    revision: int
    """Revision, counted per name from 1; where several hold for a run, the highest does."""
    checksum: str
    """Hexadecimal MD5 of the file: the identity of a payload in the Belle II protocol."""
    interval: Interval = ALWAYS
    """Runs for which it holds."""
    sha256: str = ""
    """Hexadecimal SHA-256, empty where the database does not know it."""
    url: str = ""
    """Path of the file below the payload URL of its server."""
    base_url: str = ""
    """Payload URL of its server, empty for files."""
    identifier: int = 0
    """Number of the payload in its database."""

    def __str__(self) -> str:
        return f"{self.name} revision {self.revision}"


class Digests(NamedTuple):
    """Checksums of a file."""

    md5: str
    """Hexadecimal MD5."""
    sha256: str
    """Hexadecimal SHA-256."""
    n_bytes: int
    """Size."""


def check_name(name: str, kind: str) -> str:
    """The name itself, if it is a safe one.

    Parameters
    ----------
    kind : what it names, for the message: ``payload``, ``global tag``.

    Raises
    ------
    ConditionsError
        It has a separator, a leading dot, or another character that could lead out of a folder or URL.
    """
    if _NAME.fullmatch(name) is None:
        raise ConditionsError(
            f"{kind} name {name[:80]!r}: expected letters, digits and _ . + - (not a path, at most 200 characters)"
        )
    return name


def check_checksum(checksum: str, source: str) -> str:
    """The MD5 itself, if it is one.

    Raises
    ------
    ConditionsError
        Not 32 hexadecimal digits.
    """
    if _MD5.fullmatch(checksum) is None:
        raise ConditionsError(f"{source}: checksum {checksum[:80]!r} is not an MD5")
    return checksum


def digest_file(path: Path) -> Digests:
    """Checksums and size of a file that enters a store, in one pass.

    Raises
    ------
    ConditionsError
        The file is missing or cannot be read.
    ModelError
        It is not what the ``.sha256`` beside it says.
    """
    check_sidecar(path)
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    n_bytes = 0
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                md5.update(block)
                sha256.update(block)
                n_bytes += len(block)
    except OSError as error:
        raise ConditionsError(f"{path}: cannot read the payload file: {error.strerror}") from error
    return Digests(md5.hexdigest(), sha256.hexdigest(), n_bytes)


def check_file(path: Path, payload: Payload) -> Path:
    """The path itself, if its content is that of the payload.

    Raises
    ------
    ConditionsError
        Missing, or another content than the database promises.
    """
    found = digest_file(path)
    if found.md5 != payload.checksum or (payload.sha256 and found.sha256 != payload.sha256):
        raise ConditionsError(
            f"{path}: {payload} is damaged: MD5 {found.md5}, expected {payload.checksum}; fetch or put it again"
        )
    return path


def valid_payloads(payloads: list[Payload], experiment: int, run: int) -> dict[str, Payload]:
    """The payload that holds for a run, by name: of several the highest revision, as in basf2."""
    chosen: dict[str, Payload] = {}
    for payload in payloads:
        if payload.interval.contains(experiment, run):
            known = chosen.get(payload.name)
            if known is None or payload.revision > known.revision:
                chosen[payload.name] = payload
    return chosen
