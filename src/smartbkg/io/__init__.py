"""Reading and writing events in the formats of the field. `open_events` finds the format by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartbkg.errors import FileFormatError, UsageError, nearest
from smartbkg.io.interface import EventFormat, EventReader, EventWriter, ReadOptions
from smartbkg.io.mdst import MDST
from smartbkg.io.parquet import PARQUET

FORMATS: tuple[EventFormat, ...] = (PARQUET, MDST)

HEAD_BYTES = 4096


def open_events(path: str | Path, options: ReadOptions | None = None) -> EventReader:
    """A reader of a file of events, its format found from content first, then suffix.

    Raises
    ------
    FileFormatError
        The file is missing, empty, or of no known format.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such file") from error
    except OSError as error:
        raise FileFormatError(f"{path}: cannot read: {error.strerror}") from error
    if not head:
        raise FileFormatError(f"{path}: the file is empty")
    for candidate in FORMATS:
        if candidate.recognises(head, path):
            return candidate.open(path, options or ReadOptions())
    known = ", ".join(f"{known.name} ({' '.join(known.suffixes)})" for known in FORMATS)
    raise FileFormatError(f"{path}: no known event format; readable are {known}")


def create_events(path: str | Path, provenance: Mapping[str, Any]) -> EventWriter:
    """A writer of events, its format chosen by the suffix.

    Raises
    ------
    UsageError
        No format that can be written has this suffix.
    """
    path = Path(path)
    by_suffix = {suffix: known for known in FORMATS if known.create is not None for suffix in known.suffixes}
    for suffix, known in by_suffix.items():
        if path.name.endswith(suffix) and known.create is not None:
            return known.create(path, provenance)
    raise UsageError(f"{path}: cannot write events as '{path.suffix}': {nearest(path.suffix, by_suffix)}")


__all__ = ["EventFormat", "EventReader", "EventWriter", "ReadOptions", "create_events", "open_events"]
