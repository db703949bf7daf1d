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
from smartbkg.events.columns import EVENT_DTYPES, WEIGHT
from smartbkg.events.totals import Totals
from smartbkg.io.formats import open_events
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventReader, ReadOptions
from smartbkg.io.remote import address_of, expand_address
from smartbkg.io.streams import STANDARD
from smartbkg.storage.kinds import KEPT


def expand(patterns: Sequence[Path], *, allow_twice: bool = False) -> tuple[Path, ...]:
    """The files that names and patterns stand for; a pattern's in the order of their names.

    Parameters
    ----------
    allow_twice : let a file come twice.

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
    if twice and not allow_twice:
        raise UsageError(f"{twice[0]}: comes twice among the files of events")
    return tuple(found)


class SeveralReader(EventReader):
    """The events of several files, one file after the other; skipped events and warnings are those of all.

    Totals are the sum of what the files say of their samples, and of what is counted of generated events in files that
    do not say.

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
        #: Of each file its totals, None where nobody can know them, and whether it states them.
        self._totals: list[tuple[Totals | None, bool]] = []

    @property
    def totals(self) -> Totals | None:
        """Totals of the files read so far together; None where none of them says."""
        if not any(is_stated for _, is_stated in self._totals):
            return None
        if any(totals is None for totals, _ in self._totals):
            raise FileFormatError(f"{self.source}: some files state the totals of their sample, and some do not")
        return reduce(add, (totals for totals, _ in self._totals if totals is not None))

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        self._totals = []
        options, n_before = self.options, 0
        for path in self._paths:
            with open_events(path, options) as reader:
                reader.skipped = self.skipped
                counted = Totals()
                for batch in reader.batches(size):
                    n_before += len(batch)
                    counted += Totals.of(batch.event[WEIGHT], batch.event[WEIGHT])
                    yield _common(batch) if self._is_mixed else batch
                self.warnings += reader.warnings
                self._totals.append(_totals_of(reader, counted))
                self.cross_section = reader.cross_section or self.cross_section
            if self.options.number_from is not None:
                options = replace(options, number_from=self.options.number_from + n_before + len(self.skipped))


def _totals_of(reader: EventReader, counted: Totals) -> tuple[Totals | None, bool]:
    """Totals of a file that was read, and whether it states them; what a filter kept does not tell of the rest."""
    if reader.totals is not None:
        return reader.totals, True
    if reader.metadata.get("kind") == KEPT:
        return None, False
    return counted.with_cross_section(*reader.cross_section) if reader.cross_section else counted, False


def _common(batch: EventBatch) -> EventBatch:
    return replace(
        batch, event={name: column for name, column in batch.event.items() if name in EVENT_DTYPES}, originals=None
    )


def open_all(paths: Sequence[Path], options: ReadOptions | None = None) -> EventReader:
    """A reader of one file, or of several as if they were one; see `expand` for patterns."""
    return open_events(paths[0], options) if len(paths) == 1 else SeveralReader(paths, options)


__all__ = ["SeveralReader", "expand", "open_all"]
