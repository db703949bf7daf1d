"""Events that occur twice, found while streaming, with little memory: runs of consecutive numbers take one entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.fields import EVENT_ID


class _Numbers:
    """A set of event numbers of one run, as disjoint ranges ``first..last``."""

    def __init__(self) -> None:
        self.first = np.empty(0, dtype=np.int64)
        self.last = np.empty(0, dtype=np.int64)

    def add(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add distinct numbers in ascending order; returns those that were in the set already."""
        place = np.searchsorted(self.first, numbers, side="right") - 1
        is_known = np.zeros(len(numbers), dtype=np.bool_)
        if len(self.first):
            is_known = (place >= 0) & (numbers <= self.last[place.clip(min=0)])
        fresh = numbers[~is_known]
        if len(fresh):
            breaks = np.flatnonzero(np.diff(fresh) != 1)
            first = np.concatenate([self.first, fresh[np.concatenate([[0], breaks + 1])]])
            last = np.concatenate([self.last, fresh[np.concatenate([breaks, [len(fresh) - 1]])]])
            order = np.argsort(first, kind="stable")
            first, last = first[order], last[order]
            begins = np.concatenate([[True], first[1:] != last[:-1] + 1])
            ends = np.concatenate([begins[1:], [True]])
            self.first, self.last = first[begins], last[ends]
        return numbers[is_known]


class EventIds:
    """The events seen so far, by (experiment, run, evtNum).

    Memory: 16 bytes for each gap in the event numbers of a run, so nothing to speak of where they are consecutive.

    Attributes
    ----------
    n_duplicates : events that were seen before.
    first_duplicate : the first of them, None where there is none.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[int, int], _Numbers] = {}
        self.n_duplicates = 0
        self.first_duplicate: tuple[int, int, int] | None = None

    def add(self, batch: EventBatch) -> int:
        """Add the events of a batch; returns how many of them were seen before."""
        return self.add_columns(*(batch.event[name] for name in EVENT_ID))

    def add_columns(
        self, experiment: NDArray[np.integer], run: NDArray[np.integer], number: NDArray[np.integer]
    ) -> int:
        """Add events by their ids, (n_events,) each; returns how many of them were seen before."""
        n_before = self.n_duplicates
        runs, which = np.unique(np.stack([experiment, run], axis=1), axis=0, return_inverse=True)
        for index, (its_experiment, its_run) in enumerate(runs.tolist()):
            numbers = np.asarray(number)[which.reshape(-1) == index].astype(np.int64)
            distinct, n_times = np.unique(numbers, return_counts=True)
            known = self._runs.setdefault((its_experiment, its_run), _Numbers()).add(distinct)
            repeated = np.concatenate([known, distinct[n_times > 1]])
            self.n_duplicates += len(numbers) - len(distinct) + len(known)
            if len(repeated) and self.first_duplicate is None:
                self.first_duplicate = (its_experiment, its_run, int(repeated[0]))
        return self.n_duplicates - n_before


def unique_events(
    batches: Iterable[EventBatch], *, allow_duplicates: bool = False, seen: EventIds | None = None
) -> Iterator[EventBatch]:
    """The batches as they are, as long as no event comes twice.

    Parameters
    ----------
    allow_duplicates : only count them, in ``seen``.
    seen : shared between files that belong together.

    Raises
    ------
    EventError
        An event comes twice: decisions are drawn per event id, so that copies would share their fate and their weight.
    """
    seen = seen or EventIds()
    for batch in batches:
        if seen.add(batch) and not allow_duplicates:
            raise EventError(
                "occurs twice; give the files their own run numbers with --run, or accept it with --allow-duplicates",
                source=batch.source,
                event=seen.first_duplicate,
            )
        yield batch


__all__ = ["EventIds", "unique_events"]
