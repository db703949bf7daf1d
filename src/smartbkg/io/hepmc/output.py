"""Where HepMC text goes: to a file, whole or not at all, plain or compressed, or as it comes to a pipe.

The beginning of a file is written last, so that its header holds what is known only at the end.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import shutil
import sys
from pathlib import Path
from typing import IO, Any, Final, cast

from smartbkg.errors import SmartBKGError
from smartbkg.io.streams import STANDARD
from smartbkg.io.zstandard import zstandard
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.partial import partial_file

_COMPRESSED: Final = (".gz", ".xz", ".zst", ".zstd")


def _compressor(raw: IO[bytes], final: str) -> IO[bytes]:
    """What compresses into a file, by its final name; each is closed without closing the file."""
    stream: Any
    if final.endswith(".gz"):
        stream = gzip.GzipFile("", "wb", 4, raw, mtime=0)
    elif final.endswith(".xz"):
        stream = lzma.LZMAFile(raw, "wb", preset=1)  # noqa: SIM115 - closed by the caller
    else:
        zstd = zstandard()
        stream = zstd.ZstdFile(raw, "wb", options={zstd.CompressionParameter.checksum_flag: 1})
    return cast(IO[bytes], stream)


class HepMCOutput:
    """A stream whose first bytes can be replaced at the end, by as many, unless it is a pipe.

    Attributes
    ----------
    is_pipe : what is written goes at once to whoever reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_pipe = str(path) == STANDARD or (path.exists() and not path.is_file() and not path.is_dir())
        self._stack = contextlib.ExitStack()
        self._is_compressed = not self.is_pipe and path.name.endswith(_COMPRESSED)
        self._partial: Path | None = None
        self._body = path
        """Where the events go: beside the file that gets its head at the end, where they are compressed."""
        self._n_head = 0
        self._compressing: IO[bytes] | None = None
        if str(path) == STANDARD:
            self._raw: IO[bytes] = sys.stdout.buffer
        elif self.is_pipe:
            self._raw = self._stack.enter_context(path.open("wb"))
        else:
            self._partial = self._stack.enter_context(atomic_path(path))
            with disk_errors(path):
                self._body = self._partial
                if self._is_compressed:
                    self._body = self._stack.enter_context(partial_file(self._partial.with_name(path.name)))
                self._raw = self._stack.enter_context(self._body.open("wb"))
                if self._is_compressed:
                    self._compressing = self._stack.enter_context(_compressor(self._raw, path.name))

    def begin(self, head: bytes) -> None:
        """Write the head of the file."""
        self._n_head = len(head)
        if not self._is_compressed:
            self.write(head)

    def write(self, content: bytes, n_events: int = 0) -> None:
        """Write what follows; ``n_events``, written so far, is for the message of a reader that has gone."""
        try:
            with disk_errors(self.path):
                (self._compressing or self._raw).write(content)
                if self.is_pipe:
                    self._raw.flush()
        except BrokenPipeError as error:
            _forget(self._raw)
            raise SmartBKGError(f"the reader of the output has gone, after {n_events} events") from error

    def close(self, head: bytes) -> None:
        """Publish the file with its final head, of the length of the first one."""
        try:
            if not self.is_pipe:
                with disk_errors(self.path):
                    self._finish(head)
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        with disk_errors(self.path):
            self._stack.close()

    def _finish(self, head: bytes) -> None:
        if len(head) != self._n_head:
            raise SmartBKGError(f"{self.path}: the head grew from {self._n_head} to {len(head)} bytes")
        if self._compressing is None or self._partial is None:
            self._raw.seek(0)
            self._raw.write(head)
            return
        self._compressing.close()
        self._raw.close()
        with self._partial.open("wb") as whole:
            with _compressor(whole, self.path.name) as stream:
                stream.write(head)
            with self._body.open("rb") as body:
                shutil.copyfileobj(body, whole, 1 << 20)

    def abort(self) -> None:
        """Leave no file; a pipe ends without the line that ends a listing, by which its reader knows."""
        stop = SystemExit()
        with contextlib.suppress(SystemExit, BrokenPipeError):
            self._stack.__exit__(SystemExit, stop, None)
            raise stop


def _forget(stream: IO[bytes]) -> None:
    """Send what is still buffered for a reader that has gone to nowhere, so that Python's exit does not fail on it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


__all__ = ["HepMCOutput"]
