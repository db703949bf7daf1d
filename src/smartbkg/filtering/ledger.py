"""Which events of many files are the same, and which only carry the same id: in linear time and bounded memory.

An event is the same as another where id and content (`smartbkg.events.content`) agree. Ids are put into drawers by
their hash, on disk once they are many, and each drawer is looked through by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.events.content import content_digests
from smartbkg.events.identity import keys_of
from smartbkg.storage.partial import partial_folder

#: Drawers on disk; one of them is in memory at a time.
N_DRAWERS: Final = 128
#: Entries held in memory before they are put on disk: some 40 MB.
_ROOM: Final = 1_000_000

_ENTRY: Final = np.dtype(
    [(name, "<i8") for name in EVENT_ID] + [("key", "<u8"), ("content", "<u8"), ("file", "<u4"), ("row", "<u8")]
)


class Repeats(NamedTuple):
    """Events that share their id with an earlier one."""

    file: NDArray[np.int64]
    """(n,) which file each is in."""
    row: NDArray[np.int64]
    """(n,) its position there."""
    is_same: NDArray[np.bool_]
    """(n,) True = also the content is that of an earlier one: the same event once more."""
    earlier_file: NDArray[np.int64]
    """(n,) the file of the first event of that id."""
    event_id: NDArray[np.int64]
    """(n, 3) experiment, run, event."""


class EventLedger:
    """All events of some files by id and content.

    Parameters
    ----------
    folder : where drawers are kept if there are many events; a folder of its own is made there, and removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[NDArray[np.void]] = []
        self._n_waiting = 0
        self._disk: Path | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, batch: EventBatch, file: int, first_row: int) -> None:
        """Note the events of a batch, which begins at a row of a file."""
        entries = np.empty(len(batch), dtype=_ENTRY)
        for name in EVENT_ID:
            entries[name] = batch.event[name]
        entries["key"], entries["content"] = keys_of(batch.event), content_digests(batch)
        entries["file"], entries["row"] = file, first_row + np.arange(len(batch))
        self._waiting.append(entries)
        self._n_waiting += len(entries)
        if self._n_waiting >= _ROOM:
            self._put_away()

    def repeats(self) -> Iterator[Repeats]:
        """Events that share their id with one before, drawer by drawer."""
        if self._disk is None:
            yield _repeats(np.concatenate([np.empty(0, dtype=_ENTRY), *self._waiting]))
            return
        self._put_away()
        for drawer in range(N_DRAWERS):
            path = self._path(drawer)
            if path.is_file():
                yield _repeats(np.fromfile(path, dtype=_ENTRY))

    def _path(self, drawer: int) -> Path:
        return (Path() if self._disk is None else self._disk) / f"{drawer}.ids"

    def _put_away(self) -> None:
        if not self._waiting:
            return
        if self._disk is None:
            self._disk = self._stack.enter_context(partial_folder(self._folder / "merge"))
        entries = np.concatenate(self._waiting)
        drawers = (entries["key"] % np.uint64(N_DRAWERS)).astype(np.int64)
        order = np.argsort(drawers, kind="stable")
        ends = np.searchsorted(drawers[order], np.arange(N_DRAWERS + 1))
        for drawer in range(N_DRAWERS):
            with self._path(drawer).open("ab") as file:
                entries[order[ends[drawer] : ends[drawer + 1]]].tofile(file)
        self._waiting, self._n_waiting = [], 0


def _repeats(entries: NDArray[np.void]) -> Repeats:
    order = np.lexsort((entries["row"], entries["file"], entries["key"]))
    ordered = entries[order]
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered["key"][1:] != ordered["key"][:-1]
    earlier = ordered["file"][np.maximum.accumulate(np.where(is_first, np.arange(len(ordered)), 0))]
    by_content = np.lexsort((ordered["row"], ordered["file"], ordered["content"], ordered["key"]))
    same = np.zeros(len(ordered), dtype=bool)
    twins = ordered[by_content]
    is_twin = np.zeros(len(ordered), dtype=bool)
    is_twin[1:] = (twins["key"][1:] == twins["key"][:-1]) & (twins["content"][1:] == twins["content"][:-1])
    same[by_content] = is_twin
    chosen = ~is_first
    found = ordered[chosen]
    return Repeats(
        found["file"].astype(np.int64),
        found["row"].astype(np.int64),
        same[chosen],
        earlier[chosen].astype(np.int64),
        np.stack([found[name] for name in EVENT_ID], axis=1) if len(found) else np.empty((0, 3), dtype=np.int64),
    )


__all__ = ["EventLedger", "Repeats"]
