"""Byte streams: files, pipes and standard input, plain or compressed, looked into without losing a byte."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from backports import zstd

from smartbkg.errors import FileFormatError

#: The path that means standard input or output.
STANDARD = "-"
HEAD_BYTES: Final = 4096
BLOCK_BYTES: Final = 1 << 20

_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}
_DAMAGED: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)


class _Prefixed(io.RawIOBase):
    """A stream from which some bytes were read already: they come first again."""

    def __init__(self, head: bytes, stream: IO[bytes], below: IO[bytes] | None = None) -> None:
        self._head = head
        self._stream = stream
        self._below = below

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            content = read_some(self._stream, len(buffer))
        else:
            content, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        if self._below is not None:  # decompressors leave what they read from open
            self._below.close()
        super().close()


@dataclass(frozen=True)
class Source:
    """An opened input.

    Attributes
    ----------
    path : where it is; `STANDARD` for standard input.
    head : its first bytes (up to 4096), decompressed.
    stream : all of its bytes, decompressed.
    is_file : whether it can be opened again: no pipe.
    is_plain_file : whether it is a file and not compressed, so that it can be read at any place.
    """

    path: Path
    head: bytes
    stream: IO[bytes]
    is_file: bool
    is_plain_file: bool


def read_some(stream: IO[bytes], size: int, source: str = "") -> bytes:
    """At most ``size`` bytes, as soon as there are any; empty at the end.

    Raises
    ------
    FileFormatError
        The compressed data is damaged or ends too early, or the device fails.
    """
    read: Any = getattr(stream, "read1", stream.read)
    try:
        return bytes(read(size))
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"{source}: damaged or truncated data: {reason}") from error


def read_blocks(stream: IO[bytes], source: str) -> Iterator[bytes]:
    """The stream in blocks of some 1 MiB, as `read_some`."""
    while block := read_some(stream, BLOCK_BYTES, source):
        yield block


def _decompressed(stream: IO[bytes], head: bytes) -> IO[bytes] | None:
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    opened: Any = {"gzip": gzip.open, "xz": lzma.open, "bzip2": bz2.open, "zstd": zstd.open}.get(kind or "")
    return None if opened is None else opened(stream, "rb")


def _head_of(stream: IO[bytes], source: str) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (block := read_some(stream, HEAD_BYTES, source)):
        head += block
    return head


def open_source(path: str | Path) -> Source:
    """Open a file, a FIFO or standard input (``-``), and look at its beginning.

    Raises
    ------
    FileFormatError
        It is missing, cannot be read, or is empty.
    """
    path = Path(path)
    source = source_name(path)
    if str(path) == STANDARD:
        raw: IO[bytes] = sys.stdin.buffer
    else:
        try:
            raw = path.open("rb")
        except FileNotFoundError as error:
            raise FileFormatError(f"{source}: no such file") from error
        except OSError as error:
            raise FileFormatError(f"{source}: cannot read: {error.strerror}") from error
    head = _head_of(raw, source)
    if not head:
        if raw is not sys.stdin.buffer:
            raw.close()
        raise FileFormatError(f"{source}: the file is empty")
    stream: IO[bytes] = io.BufferedReader(_Prefixed(head, raw), BLOCK_BYTES)
    unpacked = _decompressed(stream, head)
    if unpacked is not None:
        try:
            head = _head_of(unpacked, source)
        except FileFormatError:
            stream.close()
            raise
        stream = io.BufferedReader(_Prefixed(head, unpacked, stream), BLOCK_BYTES)
    is_file = str(path) != STANDARD and path.is_file()
    return Source(path, head, stream, is_file, is_file and unpacked is None)


def source_name(path: str | Path) -> str:
    """What a message calls a path."""
    return "standard input" if str(path) == STANDARD else str(path)


__all__ = ["HEAD_BYTES", "STANDARD", "Source", "open_source", "read_blocks", "source_name"]
