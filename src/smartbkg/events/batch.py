"""`EventBatch`: some events in memory, as flat columns. Awkward arrays are a view of it (`to_awkward`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import EventError
from smartbkg.events.columns import EVENT_DTYPES, EVENT_ID, PARTICLE_DTYPES
from smartbkg.events.identity import ids_of

if TYPE_CHECKING:
    import awkward as ak

_EVENT_DEFAULTS: Mapping[str, object] = {"process": "", "weight": 1.0}


@dataclass(frozen=True)
class EventBatch:
    """Events as columns.

    Attributes
    ----------
    offsets : (n_events + 1,) int64; event i owns the particles ``offsets[i]:offsets[i + 1]``.
    event : columns of shape (n_events,): those of `smartbkg.events.columns.EVENT_FIELDS`, and any others (labels,
        scores, generator variables) that travel with the events.
    particle : columns of shape (n_particles,): those of `smartbkg.events.columns.PARTICLE_FIELDS`.
    source : the file they come from, for messages.
    originals : the reader's own record of each event, where a format wants it back on writing (HepMC), else None.
    """

    offsets: NDArray[np.int64]
    event: Mapping[str, NDArray[Any]]
    particle: Mapping[str, NDArray[Any]]
    source: str = ""
    originals: Sequence[object] | None = field(default=None, repr=False)

    @classmethod
    def from_columns(
        cls,
        counts: ArrayLike,
        event: Mapping[str, ArrayLike],
        particle: Mapping[str, ArrayLike],
        *,
        source: str = "",
        originals: Sequence[object] | None = None,
    ) -> EventBatch:
        """Make a batch from columns, in the types of `smartbkg.events.columns`.

        Parameters
        ----------
        counts : (n_events,) particles per event.
        event, particle : columns; ``process`` and ``weight`` may be missing (empty, 1).

        Raises
        ------
        EventError
            A column is missing, its length does not fit, or an event id is no integer.
        """
        n_particles_per_event = np.asarray(counts, dtype=np.int64)
        n_events = len(n_particles_per_event)
        offsets = np.zeros(n_events + 1, dtype=np.int64)
        np.cumsum(n_particles_per_event, out=offsets[1:])
        event_columns: dict[str, NDArray[Any]] = {}
        for name, dtype in EVENT_DTYPES.items():
            if name not in event and name not in _EVENT_DEFAULTS:
                raise EventError(f"event column '{name}' is missing, got {sorted(event)}", source=source)
            values = event[name] if name in event else np.full(n_events, _EVENT_DEFAULTS[name])
            event_columns[name] = ids_of(values, name, source) if name in EVENT_ID else np.asarray(values, dtype=dtype)
        event_columns |= {name: np.asarray(values) for name, values in event.items() if name not in event_columns}
        particle_columns: dict[str, NDArray[Any]] = {}
        for name, dtype in PARTICLE_DTYPES.items():
            if name not in particle:
                raise EventError(f"particle column '{name}' is missing, got {sorted(particle)}", source=source)
            particle_columns[name] = np.ascontiguousarray(particle[name], dtype=dtype)
        for columns, length in ((event_columns, n_events), (particle_columns, int(offsets[-1]))):
            for name, column in columns.items():
                if column.shape[:1] != (length,):
                    raise EventError(
                        f"column '{name}' has {column.shape[:1]} entries, expected {length}", source=source
                    )
        return cls(offsets, event_columns, particle_columns, source, originals)

    @classmethod
    def from_awkward(cls, array: ak.Array, *, source: str = "") -> EventBatch:
        """The batch that `to_awkward` was made from: event fields and jagged particle fields side by side."""
        import awkward as ak

        counts = ak.to_numpy(ak.num(array["PDG"], axis=1))
        event = {name: ak.to_numpy(array[name]) for name in array.fields if name not in PARTICLE_DTYPES}
        particle = {name: ak.to_numpy(ak.flatten(array[name])) for name in PARTICLE_DTYPES if name in array.fields}
        return cls.from_columns(counts, event, particle, source=source)

    @classmethod
    def concatenate(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """All events of several batches, in order; they must have the same columns."""
        if len(batches) == 1:
            return batches[0]
        first = batches[0]
        originals: list[object] | None = None
        if all(batch.originals is not None for batch in batches):
            originals = [original for batch in batches for original in batch.originals or ()]
        return cls.from_columns(
            np.concatenate([batch.counts for batch in batches]),
            {name: np.concatenate([batch.event[name] for batch in batches]) for name in first.event},
            {name: np.concatenate([batch.particle[name] for batch in batches]) for name in first.particle},
            source=first.source,
            originals=originals,
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_particles(self) -> int:
        """Number of particles of all events together."""
        return int(self.offsets[-1])

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n_events,) particles per event."""
        return np.diff(self.offsets)

    @property
    def event_index(self) -> NDArray[np.int64]:
        """(n_particles,) the position in this batch of each particle's event."""
        return np.repeat(np.arange(len(self)), self.counts)

    def event_id(self, index: int) -> tuple[int, int, int]:
        """(experiment, run, evtNum) of the event at that position."""
        experiment, run, number = (int(self.event[name][index]) for name in EVENT_ID)
        return experiment, run, number

    def select(self, chosen: ArrayLike) -> EventBatch:
        """The chosen events.

        Parameters
        ----------
        chosen : (n_events,) bool, True = keep; or (n_chosen,) positions, in the order wanted.
        """
        index = np.asarray(chosen)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        counts = self.counts[index]
        ends = np.cumsum(counts)
        n_chosen_particles = int(ends[-1]) if len(ends) else 0
        particles = np.arange(n_chosen_particles) + np.repeat(self.offsets[index] - (ends - counts), counts)
        offsets = np.zeros(len(index) + 1, dtype=np.int64)
        offsets[1:] = ends
        originals = None if self.originals is None else [self.originals[int(i)] for i in index]
        return EventBatch(
            offsets,
            {name: column[index] for name, column in self.event.items()},
            {name: column[particles] for name, column in self.particle.items()},
            self.source,
            originals,
        )

    def slice(self, start: int, stop: int) -> EventBatch:
        """The events ``start:stop``, without a copy of their columns."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return EventBatch(
            self.offsets[start : stop + 1] - first,
            {name: column[start:stop] for name, column in self.event.items()},
            {name: column[first:last] for name, column in self.particle.items()},
            self.source,
            None if self.originals is None else self.originals[start:stop],
        )

    def chunks(self, size: int) -> Iterator[EventBatch]:
        """The events in batches of at most ``size``."""
        for start in range(0, len(self), size):
            yield self.slice(start, min(start + size, len(self)))

    def with_event_columns(self, **columns: ArrayLike) -> EventBatch:
        """A batch with further (or replaced) event columns of shape (n_events,)."""
        added = {name: np.asarray(values) for name, values in columns.items()}
        for name, column in added.items():
            if column.shape[:1] != (len(self),):
                raise EventError(
                    f"column '{name}' has {column.shape[:1]} entries, expected {len(self)}", source=self.source
                )
        return replace(self, event={**self.event, **added})

    def is_finite(self) -> NDArray[np.bool_]:
        """(n_events,) True where all numbers of an event's particles are finite."""
        good = np.ones(len(self), dtype=bool)
        for column in self.particle.values():
            if column.dtype.kind == "f" and not np.isfinite(column).all():
                good[self.event_index[~np.isfinite(column)]] = False
        return good

    def check_finite(self) -> None:
        """Raise for the first event with a NaN or infinite number in it.

        Raises
        ------
        EventError
            Names file, event, particle and column.
        """
        for name, column in self.particle.items():
            if column.dtype.kind != "f" or np.isfinite(column).all():
                continue
            particle = int(np.flatnonzero(~np.isfinite(column))[0])
            event = int(np.searchsorted(self.offsets, particle, side="right")) - 1
            position = particle - int(self.offsets[event])
            raise EventError(
                f"{name} of particle {position} is {column[particle]}, expected a finite number",
                source=self.source,
                event=self.event_id(event),
            )

    def to_awkward(self) -> ak.Array:
        """An awkward record array: event fields, and particle fields as lists, without a copy of the numbers."""
        import awkward as ak

        offsets = ak.index.Index64(self.offsets)
        fields: dict[str, Any] = {
            name: column.tolist() if column.dtype.kind in "US" else column for name, column in self.event.items()
        }
        for name, column in self.particle.items():
            fields[name] = ak.Array(ak.contents.ListOffsetArray(offsets, ak.contents.NumpyArray(column)))
        return ak.zip(fields, depth_limit=1)
