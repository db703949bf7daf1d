"""Pipes into which somebody still writes: what has come is passed on after a second, whatever else is waited for."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import time
from typing import IO, Any, Final

#: Events that have come wait so long for others, to be worked on together.
PATIENCE_SECONDS: Final = 1.0


def descriptor_of(stream: IO[bytes]) -> int | None:
    """The descriptor of the pipe, socket or terminal that a stream reads from, through what unpacks it.

    None for files, whose bytes are all there, and for what is in memory.
    """
    below: Any = stream
    while below is not None:
        lowest, below = below, getattr(below, "origin", None) or getattr(getattr(below, "raw", None), "origin", None)
    try:
        descriptor = int(lowest.fileno())
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    is_live = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
    return descriptor if is_live and hasattr(select, "poll") else None


class Patience:
    """When to stop waiting for more of a stream.

    Parameters
    ----------
    stream : of which something is waited for. Of a file there is nothing to wait for.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._descriptor = descriptor_of(stream)
        self._due: float | None = None

    def begin(self) -> None:
        """Something has come: the time begins, where it does not run already."""
        if self._descriptor is not None and self._due is None:
            self._due = time.monotonic() + PATIENCE_SECONDS

    def end(self) -> None:
        """What had come was passed on."""
        self._due = None

    def is_quiet(self) -> bool:
        """Wait for more, at most until the time is over; whether nothing has come."""
        return self._due is not None and not self._has_more(max(self._due - time.monotonic(), 0.0))

    @property
    def is_over(self) -> bool:
        """Whether what has come is to be passed on."""
        return self._due is not None and time.monotonic() >= self._due

    def _has_more(self, seconds: float) -> bool:
        """Whether there is something to read, or the end, within some seconds."""
        if self._descriptor is None:
            return True
        poll = select.poll()
        with contextlib.suppress(OSError):
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(1000 * seconds))
        return True


__all__ = ["PATIENCE_SECONDS", "Patience", "descriptor_of"]
