"""Several files read as one: a name, a pattern such as ``run*.hepmc3``, or several of them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES
from smartbkg.events.totals import Totals
from smartbkg.io.formats import open_events
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventReader, ReadOptions
from smartbkg.io.remote import address_of, expand_address
from smartbkg.io.streams import STANDARD


def expand(patterns: Sequence[Path]) -> tuple[Path, ...]:
    """The files that names and patterns stand for; a pattern's in the order of their names.

    Raises
    ------
    FileFormatError
        A pattern that no file matches.
    UsageError
        A file comes twice.
    """
    found: list[Path] = []
    for pattern in patterns:
        address = address_of(pattern)
        if address is not None and not pattern.exists():
            found += [Path(one) for one in expand_address(address)]
            continue
        if pattern.exists() or not glob.has_magic(str(pattern)):
            found.append(pattern)
            continue
        matching = [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True))]  # noqa: PTH207 - absolute patterns too
        if not matching:
            raise FileFormatError(f"{pattern}: no file matches this pattern")
        found += matching
    twice = sorted({str(path) for path in found if found.count(path) > 1})
    if twice:
        raise UsageError(f"{twice[0]}: comes twice among the files of events")
    return tuple(found)


class SeveralReader(EventReader):
    """The events of several files, one file after the other; skipped events and warnings are those of all.

    Files of different formats keep the event columns that all formats have (`EVENT_FIELDS`).
    """

    def __init__(self, paths: Sequence[Path], options: ReadOptions | None = None) -> None:
        super().__init__(", ".join(map(str, paths)), options)
        if any(str(path) == STANDARD for path in paths):
            raise UsageError("standard input is read alone, not among several files of events")
        self._paths = paths
        with open_events(paths[0], self.options) as first:
            self.metadata = first.metadata
        kinds = set()
        for path in paths:
            with open_events(path, self.options) as reader:
                kinds.add(type(reader))
                if reader.metadata.get("draws") != self.metadata.get("draws"):
                    raise UsageError(
                        f"{path}: its events came through other draws than those of {paths[0]}: filter them one by one"
                    )
        self._is_mixed = len(kinds) > 1
        self._totals: list[Totals | None] = []

    @property
    def totals(self) -> Totals | None:
        """Totals of the files read so far together; None where none of them says."""
        known = [totals for totals in self._totals if totals is not None]
        if known and len(known) < len(self._totals):
            raise FileFormatError(f"{self.source}: some files state the totals of their sample, and some do not")
        return reduce(add, known) if known else None

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        self._totals = []
        for path in self._paths:
            with open_events(path, self.options) as reader:
                reader.skipped = self.skipped
                for batch in reader.batches(size):
                    yield _common(batch) if self._is_mixed else batch
                self.warnings += reader.warnings
                self._totals.append(reader.totals)
                self.cross_section = reader.cross_section or self.cross_section


def _common(batch: EventBatch) -> EventBatch:
    return replace(
        batch, event={name: column for name, column in batch.event.items() if name in EVENT_DTYPES}, originals=None
    )


def open_all(paths: Sequence[Path], options: ReadOptions | None = None) -> EventReader:
    """A reader of one file, or of several as if they were one; see `expand` for patterns."""
    return open_events(paths[0], options) if len(paths) == 1 else SeveralReader(paths, options)


__all__ = ["SeveralReader", "expand", "open_all"]
