"""Whether flags were made from the events that they are joined with: jobs that number alike make files of equal ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.flags import FlagBlock, FlagFiles
from smartbkg.errors import DatasetError
from smartbkg.events import EventBatch
from smartbkg.events.columns import CONTENT
from smartbkg.events.content import content_digests
from smartbkg.io import open_events
from smartbkg.io.parquet import metadata_of_file, open_parquet
from smartbkg.storage.provenance import sha256_of_file

#: In the record of flags: name and SHA-256 of the files of all events that they were made from (`smartbkg flag`).
ALL_EVENTS_KEY: Final = "all_events"

_REMEDY: Final = "give the flags of these events, or accept them with --allow-other-events"


def check_content(batch: EventBatch, row: NDArray[np.int64], flags: FlagBlock) -> None:
    """Compare what was generated with what the flags were made from, event by event.

    Parameters
    ----------
    row : (n_events,) the row of each event in the flags, -1 where it has none.

    Raises
    ------
    DatasetError
        An event is another one than the event of its id that the flags are of.
    """
    if CONTENT not in flags.ids:
        return
    is_other = row >= 0
    is_other[is_other] = flags.ids[CONTENT][row[is_other]] != content_digests(batch)[is_other]
    if is_other.any():
        first = batch.event_id(int(np.flatnonzero(is_other)[0]))
        raise DatasetError(
            f"{batch.source}: for {int(is_other.sum())} of {len(batch)} events the flags were made from another event "
            f"of the same id, first {first}: {_REMEDY}"
        )


def check_files(flags: FlagFiles, events: Sequence[Path]) -> None:
    """Compare files by SHA-256 where flags say from which files of events they were made, and not from which events.

    Raises
    ------
    DatasetError
        A file of events is none of those, and was not made from one of them.
    """
    made_from: set[str] = set()
    for path in flags.paths:
        with open_parquet(path) as file:
            listed = metadata_of_file(file).get(ALL_EVENTS_KEY)
        if not listed:  # a list of passing events alone, or flags of another program: nothing is known
            return
        made_from |= {str(one["sha256"]) for one in listed}
    for path in events:
        if path.is_file() and not made_from & set(_digests(path)):
            raise DatasetError(
                f"{path}: none of the files of events that {flags.paths[0]} was made from, although ids coincide: "
                + _REMEDY
            )


def _digests(path: Path) -> Iterator[str]:
    """SHA-256 of a file, and of the files that it was made from, as its record says."""
    yield sha256_of_file(path)
    with open_events(path) as reader:
        next(iter(reader.batches(1)), None)  # a stream tells its record with its first event
        inputs: Sequence[Mapping[str, Any]] = reader.metadata.get("inputs", ())
    yield from (str(one["sha256"]) for one in inputs)


__all__ = ["ALL_EVENTS_KEY", "check_content", "check_files"]
