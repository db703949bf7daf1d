"""How many events files hold, without reading them: as they say, or estimated from their size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from smartbkg.errors import SmartBKGError
from smartbkg.io.formats import open_events
from smartbkg.io.hepmc.text import version_of
from smartbkg.io.reader import ReadOptions
from smartbkg.io.several import expand
from smartbkg.io.streams import open_source, read_some
from smartbkg.storage.atomic import STANDARD

#: Text that is looked at for an estimate.
_LOOKED_AT: Final = 1 << 20


class EventCount(NamedTuple):
    """A number of events."""

    n_events: int
    """Of all files together."""
    is_exact: bool
    """Whether the files say so; else it is estimated from sizes."""


def count_events(sources: Sequence[Path], options: ReadOptions | None = None) -> EventCount | None:
    """Events of files, for a display of progress.

    Parameters
    ----------
    sources : files and patterns.

    Returns
    -------
    count : None where nobody can know, as of pipes and of packed text, or where a file cannot be read: reading it will
        say why.
    """
    n_events, is_exact = 0, True
    try:
        for path in expand(sources, allow_twice=True):
            if str(path) == STANDARD or not path.is_file():
                return None
            found = _of_text(path)
            if found is None:
                with open_events(path, options) as reader:
                    if reader.n_events is None:
                        return None
                    n_events += reader.n_events
                continue
            is_exact = False
            if not found:
                return None
            n_events += found
    except (SmartBKGError, OSError):
        return None
    return EventCount(n_events, is_exact) if n_events else None


def _of_text(path: Path) -> int | None:
    """Events of HepMC text, estimated from the size of the first ones; 0 where it is packed, None where it is none."""
    source = open_source(path)
    with source.stream as stream:
        if version_of(source.head) is None:
            return None
        if not source.is_plain_file:
            return 0
        text = b""
        while len(text) < _LOOKED_AT and (block := read_some(stream, _LOOKED_AT, str(path))):
            text += block
    first = text.find(b"\nE ")
    n_whole = text.count(b"\nE ", first + 1)
    if first < 0:
        return 0
    if not n_whole:
        return 1
    size = text.rfind(b"\nE ") - first
    return max(round((path.stat().st_size - first) * n_whole / size), 1)


__all__ = ["EventCount", "count_events"]
