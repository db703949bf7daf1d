"""Byte streams: files, pipes and standard input, plain or compressed, looked into without losing a byte."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from smartbkg.errors import FileFormatError
from smartbkg.io.live import descriptor_of
from smartbkg.io.remote import address_of, open_address
from smartbkg.io.zstandard import zstandard, zstandard_errors
from smartbkg.storage.atomic import STANDARD
from smartbkg.storage.machine import MachineError, reading, reason_of

HEAD_BYTES: Final = 4096
#: So many bytes say how data was compressed, and whether with a checksum.
_PACKED_HEAD: Final = 8
BLOCK_BYTES: Final = 1 << 20

_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}
#: Bit of the first byte after zstd's magic: a checksum follows the content.
_ZSTD_CHECKSUM: Final = 1 << 2
#: What our writer puts into the header of its HepMC files.
_OURS: Final = re.compile(rb"^(T smartbkg\\\||A smartbkg )", re.MULTILINE)
#: Of its dictionary that an xz file may ask for; ``xz -9`` takes a quarter of it.
_XZ_BYTES: Final = 1 << 28
_DAMAGED: Final = (OSError, EOFError, zlib.error, lzma.LZMAError)


class _Prefixed(io.RawIOBase):
    """A stream from which some bytes were read already: they come first again."""

    def __init__(self, head: bytes, stream: IO[bytes], source: str, below: IO[bytes] | None = None) -> None:
        self._source = source
        self._head = head
        self._stream = stream
        self._below = below

    @property
    def origin(self) -> IO[bytes]:
        """The stream from which bytes come, packed or not."""
        return self._stream if self._below is None else self._below

    def give_back(self, head: bytes) -> None:
        """Let bytes that were read come first again."""
        self._head = head + self._head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            content = read_some(self._stream, len(buffer), self._source)
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
    is_unproven : whether it is compressed without a checksum of its content, so that damage can give other numbers.
    is_remote : whether it is an address: no file of this machine.
    """

    path: Path
    head: bytes
    stream: IO[bytes]
    is_file: bool
    is_plain_file: bool
    is_unproven: bool = False
    is_remote: bool = False


def _damages() -> tuple[type[BaseException], ...]:
    """What readers of compressed data raise where it is damaged."""
    return (*_DAMAGED, *zstandard_errors())


def read_some(stream: IO[bytes], size: int, source: str = "") -> bytes:
    """At most ``size`` bytes, as soon as there are any; empty at the end.

    Raises
    ------
    FileFormatError
        The compressed data is damaged or ends too early, or the device fails.
    """
    read: Any = getattr(stream, "read1", stream.read)
    try:
        with reading(source):
            return bytes(read(size))
    except _damages() as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"{source}: damaged or truncated data: {reason}") from error


def read_blocks(stream: IO[bytes], source: str) -> Iterator[bytes]:
    """The stream in blocks of some 1 MiB, as `read_some`."""
    while block := read_some(stream, BLOCK_BYTES, source):
        yield block


def _xz() -> Any:
    return lzma.LZMADecompressor(memlimit=_XZ_BYTES)


class _Members(io.RawIOBase):
    """What xz or bzip2 holds, all members of it; Python's own readers take a damaged later member for the end."""

    def __init__(self, stream: IO[bytes], start: Callable[[], Any]) -> None:
        self._stream = stream
        self._start = start
        self._member = start()
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._member.eof:
                self._waiting = self._member.unused_data.lstrip(b"\0") or self._stream.read(BLOCK_BYTES).lstrip(b"\0")
                if not self._waiting:
                    return 0
                self._member = self._start()
            elif self._member.needs_input and not self._waiting:
                self._waiting = self._stream.read(BLOCK_BYTES)
                if not self._waiting:
                    raise EOFError("it ends before its end is marked")
            content = self._member.decompress(self._waiting, len(buffer))
            self._waiting = b""
            if content:
                buffer[: len(content)] = content
                return len(content)


def _decompressed(stream: IO[bytes], head: bytes) -> IO[bytes] | None:
    """What unpacks a stream; it gets bytes as they come, so that it waits for no more than it needs."""
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind in ("xz", "bzip2"):
        start: Callable[[], Any] = _xz if kind == "xz" else bz2.BZ2Decompressor
        return io.BufferedReader(_Members(stream, start), BLOCK_BYTES)
    if kind is None:
        return None
    opened: Any = zstandard().open if kind == "zstd" else gzip.open
    return cast(IO[bytes], opened(stream, "rb"))


def _has_checksum(head: bytes) -> bool:
    """Whether compressed data announces a checksum of its content at its beginning; gzip and bzip2 always have one."""
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return len(head) > 4 and bool(head[4] & _ZSTD_CHECKSUM)
    if head.startswith(b"\xfd7zXZ\x00"):
        return len(head) > 7 and head[7] & 0x0F != 0
    return True


def _head_of(stream: IO[bytes], source: str, is_enough: Callable[[bytes], bool]) -> bytes:
    """The first bytes; of a pipe no more than are enough, for the next ones may be a long time coming."""
    is_live = descriptor_of(stream) is not None
    head = b""
    while len(head) < HEAD_BYTES and (block := read_some(stream, HEAD_BYTES - len(head), source)):
        head += block
        if is_live and is_enough(head):
            break
    return head


def _is_packed(head: bytes) -> bool:
    """Whether these bytes say by which program they were compressed, and whether with a checksum."""
    return len(head) >= _PACKED_HEAD and any(head.startswith(magic) for magic in _MAGIC)


def open_source(path: str | Path, is_enough: Callable[[bytes], bool] = lambda _: False) -> Source:
    """Open a file, a FIFO, an address (`smartbkg.io.remote`) or standard input (``-``), and look at its beginning.

    Parameters
    ----------
    is_enough : whether the first bytes of a pipe, decompressed, say what it holds: no more are waited for then.

    Raises
    ------
    FileFormatError
        It is missing, cannot be read, or is empty.
    """
    path = Path(path)
    source = source_name(path)
    if str(path) == STANDARD:
        if sys.stdin is None:
            raise FileFormatError(f"{source}: it is closed")
        raw: IO[bytes] = sys.stdin.buffer
    elif (address := address_of(path)) is not None and not path.exists():
        raw = open_address(address)
    else:
        try:
            raw = path.open("rb")
        except FileNotFoundError as error:
            raise FileFormatError(f"{source}: no such file") from error
        except OSError as error:
            raise MachineError(f"{source}: cannot read: {reason_of(error)}") from error
    head = _head_of(raw, source, lambda begin: _is_packed(begin) or is_enough(begin))
    if not head:
        if raw is not sys.stdin.buffer:
            raw.close()
        raise FileFormatError(f"{source}: the file is empty")
    whole: Any = _Prefixed(head, raw, source)
    unpacked = _decompressed(whole, head)
    is_unproven = not _has_checksum(head)
    if unpacked is not None:
        whole = _Prefixed(b"", unpacked, source, whole)
        try:
            head = _head_of(whole, source, (lambda _: False) if is_unproven else is_enough)
            if is_unproven and _OURS.search(head):
                raise FileFormatError(
                    f"{source}: compressed without the checksum that smartbkg writes: damaged, or packed again by a "
                    "program that leaves it out; unpack and pack it with zstd's own command"
                )
        except FileFormatError:
            whole.close()
            raise
        whole.give_back(head)
    stream: IO[bytes] = io.BufferedReader(whole, BLOCK_BYTES)
    is_remote = address_of(path) is not None and not path.exists()
    is_file = is_remote or (str(path) != STANDARD and path.is_file())
    return Source(path, head, stream, is_file, is_file and unpacked is None, is_unproven, is_remote)


def source_name(path: str | Path) -> str:
    """What a message calls a path."""
    if str(path) == STANDARD:
        return "standard input"
    address = address_of(path)
    return address if address is not None and not Path(path).exists() else str(path)


__all__ = ["HEAD_BYTES", "STANDARD", "Source", "open_source", "read_blocks", "source_name"]
