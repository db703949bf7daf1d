"""The first bytes by which files of other programs are told apart: containers; `smartbkg.io` looks into them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from smartbkg.errors import FileFormatError

PARQUET_START: Final = b"PAR1"
ROOT_START: Final = b"root"
ZIP_START: Final = b"PK\x03\x04"
_LONGEST: Final = 4


def first_bytes(path: Path) -> bytes:
    """The first four bytes of a file, fewer where it is shorter.

    Raises
    ------
    FileFormatError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot read: {error.strerror}") from error


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does; of one that is no file (missing, a pipe) its suffix says so."""
    return first_bytes(path) == PARQUET_START if path.is_file() else path.suffix == ".parquet"


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive whose end can be found; one that says that it spans several disks is damaged."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


__all__ = ["PARQUET_START", "ROOT_START", "ZIP_START", "first_bytes", "is_parquet", "is_zip"]
