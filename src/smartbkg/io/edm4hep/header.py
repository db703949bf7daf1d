"""The event header of EDM4hep: which collection it is, numbers of events and runs, and weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events.columns import EVENT_DTYPES, EVENT_NUMBER, RUN, VARIATION_PREFIX, WEIGHT
from smartbkg.io.hepmc.weights import OUR_NAMES, distinct_names, weight_columns

#: The collection that EDM4hep reserves for it; others in the order of the file.
USUAL: Final = "EventHeader"
_NUMBER: Final = "eventNumber"


class Members(Protocol):
    """Members of collections, as `smartbkg.io.edm4hep.reader` reads them."""

    source: str
    names: list[str]

    def has(self, collection: str, member: str) -> bool:
        """Whether there is such a member."""

    def read(self, collection: str, member: str, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Lengths of the lists and their values one after the other."""

    def read_vector(self, name: str, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The same of a branch that is no member of a collection."""


def header_of(members: Members) -> str | None:
    """The collection with the event header: `USUAL`, else the first in the file that is one; None where none is."""
    found = [name.removesuffix(f".{_NUMBER}") for name in members.names if name.endswith(f".{_NUMBER}")]
    headers = [name for name in found if members.has(name, "runNumber")]
    return USUAL if USUAL in headers else next(iter(headers), None)


class EventHeaders:
    """What the headers of a file say of its events.

    Parameters
    ----------
    n_events : entries of the file.
    warn : tells the user.
    weight_names : of the weights of each header, where the file names them.
    """

    def __init__(
        self, members: Members, n_events: int, warn: Callable[[str], None], weight_names: Sequence[str] = ()
    ) -> None:
        self._members = members
        self._weight_names = weight_names
        self._n_events = n_events
        self._name = header_of(members)
        if self._name is not None and not len(self._read(_NUMBER, 0, n_events, is_complete=False)):
            warn(f"its event headers ({self._name}) are empty")
            self._name = None
        if self._name is None:
            warn("has no event header: events are numbered by their position in the file, from 0")
        elif self._has_no_numbers:
            warn("events have no numbers: they are numbered by their position in the file, from 0")

    @functools.cached_property
    def _has_no_numbers(self) -> bool:
        """Whether the numbers of the whole file are missing: negative, or all of them 0."""
        numbers = self._read(_NUMBER, 0, self._n_events, is_complete=False)
        return bool(len(numbers)) and bool(numbers[0] < 0 or (len(numbers) > 1 and not numbers.any()))

    def _read(self, member: str, start: int, stop: int, *, is_complete: bool = True) -> NDArray[Any]:
        counts, values = self._members.read(str(self._name), member, start, stop)
        is_wrong = (counts != 1) if len(counts) == stop - start else np.ones(stop - start, dtype=np.bool_)
        if is_complete and is_wrong.any():
            entry = int(np.flatnonzero(is_wrong)[0])
            number = int(counts[entry]) if entry < len(counts) else 0
            raise FileFormatError(
                f"{self._members.source}: entry {start + entry} has {number} event headers ({self._name}), expected 1"
            )
        return values

    def columns(self, start: int, stop: int, *, is_numbered: bool = True) -> dict[str, NDArray[Any]]:
        """Numbers, runs and weights of some entries, those that the file states.

        Parameters
        ----------
        is_numbered : False to leave the numbers out, whatever they are.

        Raises
        ------
        FileFormatError
            An entry has not one header, or a number does not fit into its column.
        """
        columns: dict[str, NDArray[Any]] = {EVENT_NUMBER: np.arange(start, stop)}
        if self._name is None:
            return columns
        for column, member in ((EVENT_NUMBER, _NUMBER), (RUN, "runNumber")):
            if self._members.has(self._name, member):
                values = self._read(member, start, stop)
                if column == EVENT_NUMBER and (not is_numbered or self._has_no_numbers):
                    continue
                self._refuse_large(values, column, start)
                columns[column] = values
        if self._members.has(self._name, WEIGHT):
            columns[WEIGHT] = self._read(WEIGHT, start, stop).astype(np.float64)
            columns |= self._variations(columns[WEIGHT], start, stop)
        return columns

    def _refuse_large(self, values: NDArray[Any], column: str, start: int) -> None:
        largest = int(np.iinfo(EVENT_DTYPES[column]).max)
        is_large = values > largest
        if is_large.any():
            entry = int(np.flatnonzero(is_large)[0])
            raise FileFormatError(
                f"{self._members.source}: {column} of entry {start + entry} is {int(values[entry])}, the largest that "
                f"can be kept is {largest}"
            )

    def _variations(self, weight: NDArray[np.float64], start: int, stop: int) -> dict[str, NDArray[np.float64]]:
        """The vector member ``weights`` of the headers, where each has as many; the nominal weight comes first."""
        name = f"_{self._name}_weights"
        if not self._members.has(str(self._name), "weights_begin") or name not in self._members.names:
            return {}
        first = self._read("weights_begin", start, stop).astype(np.int64)
        last = self._read("weights_end", start, stop).astype(np.int64)
        counts, values = self._members.read_vector(name, start, stop)
        n_weights = int((last - first)[0]) if stop > start else 0
        if (last - first != n_weights).any() or (first < 0).any() or (last > counts).any():
            raise FileFormatError(
                f"{self._members.source}: entries {start} to {stop - 1}: not the same number of {name} in each event"
            )
        if not n_weights:
            return {}
        at = (np.cumsum(counts) - counts + first)[:, None] + np.arange(n_weights)
        table = values[at].astype(np.float64)
        names = self._weight_names if len(self._weight_names) == n_weights else tuple(map(str, range(n_weights)))
        if set(OUR_NAMES) & set(names):  # a file of ours, whose first weight is the one that counts
            return weight_columns(names, table)
        distinct = distinct_names(["nominal", *names])[1:]
        columns = {f"{VARIATION_PREFIX}{name}": table[:, k] for k, name in enumerate(distinct)}
        return {f"{VARIATION_PREFIX}nominal": weight, **columns}


__all__ = ["USUAL", "EventHeaders", "header_of"]
