"""What a format offers: a reader that streams `EventBatch`es, and a writer where it can be written."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from smartbkg.errors import SmartBKGError

if TYPE_CHECKING:  # numpy's, for options of a verb that --help shows
    import numpy as np
    from numpy.typing import NDArray

    from smartbkg.events import EventBatch
    from smartbkg.events.totals import Totals

DEFAULT_BATCH_SIZE = 4096

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadOptions:
    """How to read."""

    skip_corrupt: bool = False
    """Leave out events that cannot be read, and count and name them, where the default is an error."""
    experiment: int | None = None
    """Experiment number of formats that have none."""
    run: int | None = None
    """Run number of formats that have none."""
    process: str | None = None
    """Process of formats that have none."""
    collection: str | None = None
    """Name of the particle collection where a file may hold several (EDM4hep)."""
    number_from: int | None = None
    """Number events by their place in the file, the first with this; None: as the file says."""
    keep_originals: bool = False
    """Keep each event's own record in the batch, so that a writer of the same format can write it back whole."""
    written_as: str = ""
    """Name of the format that the events go to, so that a reader can say what that does not hold; empty = none."""


@dataclass
class SkippedEvents:
    """Events left out because they could not be read: what was wrong with each, or with some that are lost together."""

    messages: list[str] = field(default_factory=list)
    n_events: int = 0

    def __len__(self) -> int:
        return self.n_events


class EventReader(abc.ABC):
    """A stream of events from one file.

    Attributes
    ----------
    source : the file, for messages.
    options : how it is read.
    n_events : number of events where the format knows it without reading all, else None.
    metadata : what the file says of itself (provenance record, generator, units).
    skipped : events left out under ``skip_corrupt``.
    cross_section : what the generator states last of the events read so far, and its error, in pb; None where nothing.
    warnings : what the user should know of this file; each is also logged once, by the logger of this module.
    """

    source: str
    n_events: int | None = None
    metadata: Mapping[str, Any]
    skipped: SkippedEvents
    cross_section: tuple[float, float] | None = None

    def __init__(self, source: str, options: ReadOptions | None = None) -> None:
        self.source = source
        self.options = options or ReadOptions()
        self.metadata = {}
        self.skipped = SkippedEvents()
        self.warnings: list[str] = []

    @abc.abstractmethod
    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        """The events from the beginning, at most ``size`` at a time, in the order of the file."""

    @property
    def totals(self) -> Totals | None:
        """Totals of the sample that the events are of, where the file says: those of a filter, a merge, a conversion.

        Raises
        ------
        FileFormatError
            They contradict each other.
        """
        from smartbkg.events.totals import TOTALS_KEY, Totals

        stated = self.metadata.get(TOTALS_KEY)
        return None if stated is None or "exact" not in stated else Totals.from_dict(stated, self.source)

    def place_numbers(self, first: int, stop: int) -> NDArray[np.int64] | None:
        """Numbers of the events ``first:stop`` of the file, where they are asked to be those of their places."""
        import numpy as np

        start = self.options.number_from
        return None if start is None else np.arange(start + first, start + stop, dtype=np.int64)

    def warn(self, message: str) -> None:
        """Tell the user once."""
        if message not in self.warnings:
            self.warnings.append(message)
            LOGGER.warning("%s: %s", self.source, message)

    def skip(self, error: SmartBKGError, n_events: int = 1) -> None:
        """Note events that are left out, or raise the error where leaving out was not asked for."""
        if not self.options.skip_corrupt:
            raise error
        self.skipped.messages.append(str(error))
        self.skipped.n_events += n_events

    def close(self) -> None:  # noqa: B027 - most formats hold nothing open
        """Release the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EventWriter(abc.ABC):
    """Writes events to one file, whole or not at all: `close` publishes the file, `abort` leaves nothing."""

    n_written: int = 0

    @abc.abstractmethod
    def write(self, batch: EventBatch) -> None:
        """Append the events of a batch."""

    def describe(self, **further: Any) -> None:  # noqa: B027 - not every format has room for it
        """Add to the provenance record what is known only at the end: counts, fractions."""

    def add_totals(self, totals: Totals) -> None:
        """Keep the totals of the sample that the events are of in the file; see `EventReader.totals`."""
        from smartbkg.events.totals import TOTALS_KEY

        self.describe(**{TOTALS_KEY: totals.to_dict()})

    @abc.abstractmethod
    def close(self) -> None:
        """Finish the file and give it its final name."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Remove what was written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


@dataclass(frozen=True)
class EventFormat:
    """A file format, found by content first and by suffix second; plug-ins register one by entry point."""

    name: str
    """Name in messages and options: ``parquet``, ``hepmc3``..."""
    description: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes, Path], bool]
    """Whether a file of this beginning (first 4096 bytes, decompressed) and path is of this format."""
    open: Callable[[Path, ReadOptions], EventReader]
    open_stream: Callable[[IO[bytes], str, ReadOptions], EventReader] | None = None
    """Reader of a pipe that cannot seek, where the format allows it."""
    keeps_originals: bool = False
    """Whether its writer takes more of an event than its columns, where the reader of the events kept it."""
    create: Callable[[Path, Mapping[str, Any]], EventWriter] | None = None
    """Writer to a path (``-`` is stdout where the format allows it) with the provenance record to store."""
