"""From what a user holds (paths, results, batches, awkward arrays) to files, which is what the library works on."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smartbkg.errors import DatasetError, UsageError
from smartbkg.storage import suffixes
from smartbkg.storage.partial import scratch_folder
from smartbkg.storage.suffixes import require_suffix

if TYPE_CHECKING:
    from smartbkg.events import EventBatch


class TemporaryFolder:
    """A folder that goes when nothing refers to it any more, or at the end of the program.

    `tempfile.TemporaryDirectory` does the same, but warns where it is not closed by hand.
    """

    def __init__(self) -> None:
        stack = contextlib.ExitStack()
        self.path = stack.enter_context(scratch_folder("objects"))
        weakref.finalize(self, stack.close)


class Workplace:
    """A folder for files that nobody named; made when it is first asked for."""

    def __init__(self) -> None:
        self.folder: TemporaryFolder | None = None

    def path(self, name: str) -> Path:
        """A file of that name in the folder."""
        if self.folder is None:
            self.folder = TemporaryFolder()
        return self.folder.path / name

    def output(
        self,
        given: str | os.PathLike[str] | None,
        name: str,
        content: str = "a Parquet table",
        valid: Sequence[str] = suffixes.TABLE,
    ) -> Path:
        """The path that was given, or a file of that name in the folder.

        Parameters
        ----------
        content, valid : what is written, and the suffixes of its name.

        Raises
        ------
        UsageError
            The path is not called by what is in it.
        """
        if given is None:
            return self.path(name)
        require_suffix(Path(given), valid, content)
        return Path(given)

    def events_output(self, given: str | os.PathLike[str] | None, name: str) -> Path:
        """`output` of events, which may have the suffix of any format that is written."""
        if given is None:
            return self.path(name)
        from smartbkg.io.formats import require_writable

        require_writable(Path(given))
        return Path(given)

    def events(self, given: Any, name: str = "events.parquet") -> Path:
        """A file of the events that were given.

        Raises
        ------
        UsageError
            They are neither a path nor events.
        """
        if isinstance(given, (str, os.PathLike)):
            return Path(given)
        path = self.path(name)
        write_batch(as_batch(given), path)
        return path


def as_batch(given: Any) -> EventBatch:
    """Events in memory as a batch.

    Raises
    ------
    UsageError
        They are neither a batch nor an awkward array of events.
    """
    import awkward as ak

    from smartbkg.events import EventBatch

    if isinstance(given, EventBatch):
        return given
    if isinstance(given, ak.Array):
        return EventBatch.from_awkward(given, source="awkward array")
    raise UsageError(
        f"events are a {type(given).__name__}, expected a path, an EventBatch or an awkward array of events"
    )


def write_batch(batch: EventBatch, path: Path) -> None:
    """A native file of a batch."""
    from smartbkg.io import create_events
    from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
    from smartbkg.storage.provenance import record

    with create_events(path, record(EVENTS, SCHEMA_VERSIONS[EVENTS], {})) as writer:
        writer.write(batch)


def write_flags(events: Path, passes: Any, skim: str, output: Path) -> None:
    """A table of flags from truth values in the order of the events.

    Parameters
    ----------
    events : file of the events.
    passes : (n_events,) bool for ``skim``, or a mapping from skims to such arrays.

    Raises
    ------
    DatasetError
        As many values as events were expected, and only 0 and 1.
    """
    from smartbkg.events import EventBatch
    from smartbkg.events.columns import EVENT_ID, PASSES_PREFIX
    from smartbkg.io import open_events
    from smartbkg.io.tables import write_table
    from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS
    from smartbkg.storage.provenance import record

    with open_events(events) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    columns: dict[str, Any] = {name: batch.event[name] for name in EVENT_ID}
    labels = passes if isinstance(passes, Mapping) else {skim: passes}
    for name, values in labels.items():
        flags = np.asarray(values)
        if flags.shape != (len(batch),):
            raise DatasetError(f"passes for '{name}' have shape {flags.shape}, expected ({len(batch)},): one per event")
        if not np.isin(flags, (0, 1)).all():
            raise DatasetError(f"passes for '{name}' hold other values than 0 and 1 or False and True")
        columns[PASSES_PREFIX + name] = flags.astype(np.bool_)
    write_table(output, columns, record(FLAGS, SCHEMA_VERSIONS[FLAGS], {"skims": sorted(labels)}))
