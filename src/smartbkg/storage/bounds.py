"""Bounds in bytes: how much of a file is unpacked at a time, and what a small file may unpack to.

A file of some kilobytes can announce, or hold, gigabytes: zeros packed by zlib or zstd shrink a thousandfold, and a
dictionary of one value without end. What is to be unpacked is therefore compared with what is there before it is.
"""

from __future__ import annotations

from typing import Final

from smartbkg.errors import FileFormatError

#: Bytes of numbers, unpacked, that are read at a time; what is made of them takes some times as much.
BATCH_BYTES: Final = 1 << 27
#: Bytes that a piece of a file may always unpack to.
ALWAYS_ALLOWED: Final = 1 << 28
#: More than this shrinks no file of events: they do to two fifths, tables of constant columns to a thirtieth.
LARGEST_EXPANSION: Final = 100
#: Bytes of a column of texts in memory, where each text takes as much as the longest.
LARGEST_TEXTS: Final = 1 << 28
#: Bytes that numpy takes for a letter.
_LETTER_BYTES: Final = 4


def check_expansion(n_unpacked: float, n_packed: int, what: str) -> None:
    """Refuse data that would unpack to far more than it is.

    Parameters
    ----------
    n_unpacked, n_packed : bytes as they are announced, and as they are in the file.
    what : which data, with the name of the file.

    Raises
    ------
    FileFormatError
        It would be more than `ALWAYS_ALLOWED`, and more than `LARGEST_EXPANSION` times what is there.
    """
    if n_unpacked > ALWAYS_ALLOWED and n_unpacked > LARGEST_EXPANSION * n_packed:
        raise FileFormatError(
            f"{what}: {n_packed} bytes would unpack to {n_unpacked:.3g}, which no file of events does: refused"
        )


def check_texts(n_rows: int, longest: int, what: str) -> None:
    """Refuse a column of texts that would not fit: one long text makes all of them long.

    Raises
    ------
    FileFormatError
        More than `LARGEST_TEXTS` bytes.
    """
    if n_rows * longest * _LETTER_BYTES > LARGEST_TEXTS:
        raise FileFormatError(f"{what}: a text of {longest} bytes among {n_rows} rows, which no name is: refused")


def rows_at_a_time(size: int, n_rows: int, n_bytes: float) -> int:
    """How many rows of ``n_rows`` that take ``n_bytes`` are read at a time: at most ``size``, and `BATCH_BYTES`."""
    return size if n_bytes <= BATCH_BYTES else max(min(size, int(n_rows * BATCH_BYTES / n_bytes)), 1)


__all__ = ["ALWAYS_ALLOWED", "BATCH_BYTES", "check_expansion", "check_texts", "rows_at_a_time"]
