"""Reading HepMC: text of events to batches."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError, FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.io.hepmc.lines import FLAWS
from smartbkg.io.hepmc.parser import ParsedEvents, parse_events
from smartbkg.io.hepmc.text import EventSplitter, EventTexts, RunHeader, version_of
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventReader, ReadOptions
from smartbkg.io.records import assemble
from smartbkg.io.streams import open_source
from smartbkg.storage.provenance import METADATA_KEY

_NAMES_2: Final = re.compile(rb'^N \d+ (".*")\s*$', re.MULTILINE)
_NUMBER: Final = re.compile(rb"E (-?\d+)")
_OURS: Final = re.compile(rb"^A 0 smartbkg_(\w+) (.*?)\r?$", re.MULTILINE)
#: Name of the weight that makes sums over kept events unbiased.
WEIGHT_NAME: Final = "smartbkg"
#: Event columns that our writer keeps as attributes, with their types here.
_ATTRIBUTES: Final[dict[str, type]] = {"experiment": int, "run": int, "process": str, "keep_probability": float}


@dataclass(frozen=True)
class HepMCOriginal:
    """The text of one event and the header it was read under."""

    header: RunHeader
    text: bytes


class HepMCReader(EventReader):
    """Streams the events of HepMC text.

    Parameters
    ----------
    open_stream : opens the text from its beginning; a pipe can be opened once.
    """

    def __init__(
        self, open_stream: Callable[[], IO[bytes]], source: str, version: int, options: ReadOptions | None = None
    ) -> None:
        super().__init__(source, options)
        self.metadata = {"format": f"HepMC{version}"}
        self._open_stream = open_stream
        self._stream: IO[bytes] | None = None
        self._weight_names: tuple[str, ...] | None = None
        self._assigns_numbers: bool | None = None
        self._n_seen = 0

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        self.close()
        self._stream = self._open_stream()
        self._weight_names, self._assigns_numbers, self._n_seen = None, None, 0
        splitter = EventSplitter(self._stream, self.source, is_tolerant=self.options.skip_corrupt)
        for texts in splitter.groups(size):
            batch = self._batch(texts)
            self._n_seen += len(texts.starts)
            if len(batch):
                yield batch
        for error in splitter.lost:
            self.skip(error)
        if splitter.failure is not None:
            self.warn(f"cannot be read after {self._n_seen} events: {splitter.failure}")
        elif not splitter.is_ended:
            message = (
                f"ends after {self._n_seen} events without END_EVENT_LISTING: the program that wrote it stopped early, "
                "or the file is truncated"
            )
            if not self.options.skip_corrupt:
                raise FileFormatError(f"{self.source}: {message}")
            self.warn(message)

    def _batch(self, texts: EventTexts) -> EventBatch:
        parsed = parse_events(texts.text, texts.starts, texts.stops, texts.header.version)
        weights, flaws = self._weights(texts, parsed)
        is_good = parsed.flaw == 0
        for index in np.flatnonzero(~is_good):
            self.skip(self._flaw(texts, parsed, int(index)))
        kept = np.flatnonzero(is_good)
        number = self._numbers(parsed.number, is_good)
        if not parsed.has_units[kept].all():
            self.warn("states no units: GeV and mm are assumed")
        event: dict[str, Any] = {"evtNum": number[kept], **self._weight_columns(weights)}
        event |= self._attributes(texts, kept)
        for name, missing in (("experiment", 0), ("run", 0), ("process", "")):
            given = getattr(self.options, name)
            if given is not None or name not in event:
                event[name] = np.full(len(kept), missing if given is None else given)
        momentum, place = parsed.momentum, parsed.place
        counts = parsed.counts[kept]
        ends = np.cumsum(counts)
        n_particles = len(parsed.code)
        particle: dict[str, NDArray[Any]] = {
            "arrayIndex": np.arange(n_particles) - np.repeat(ends - counts, counts),
            "PDG": parsed.code, "motherIndex": parsed.mother, "status": parsed.status,
            "px": momentum[:, 0], "py": momentum[:, 1], "pz": momentum[:, 2], "energy": momentum[:, 3],
            "mass": momentum[:, 4], "x": place[:, 0], "y": place[:, 1], "z": place[:, 2], "prodTime": place[:, 3],
        }  # fmt: skip
        originals = None
        if self.options.keep_originals:
            originals = [
                HepMCOriginal(texts.header, texts.text[texts.starts[index] : texts.stops[index]]) for index in kept
            ]
        return assemble(self, counts, event, particle, originals=originals, flaws=flaws)

    def _flaw(self, texts: EventTexts, parsed: ParsedEvents, index: int) -> EventError:
        position = int(parsed.flaw_position[index])
        line = texts.text[position : texts.stops[index]].split(b"\n", 1)[0][:60].decode(errors="replace")
        found = _NUMBER.match(texts.text, int(texts.starts[index]))
        return EventError(
            f"{FLAWS[int(parsed.flaw[index])]}, at byte {texts.offset + position}: '{line}'",
            source=self.source,
            event=int(found[1]) if found else f"at position {self._n_seen + index}",
        )

    def _numbers(self, stated: NDArray[np.int64], is_good: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Event numbers; where the generator states none (negative, or 0 for all), the position in the file."""
        known = stated[is_good]
        if self._assigns_numbers is None and len(known):
            self._assigns_numbers = bool(known[0] < 0 or (len(known) > 1 and not known.any()))
            if self._assigns_numbers:
                self.warn("events have no numbers: they are numbered by their position in the file, from 0")
        if self._assigns_numbers:
            return self._n_seen + np.arange(len(stated))
        return stated

    def _weights(self, texts: EventTexts, parsed: ParsedEvents) -> tuple[NDArray[np.float64], dict[int, str]]:
        """(n_good, n_weights), and what is wrong with some: a run has as many as its header or first event says."""
        counts = parsed.weight_counts[parsed.flaw == 0]
        if self._weight_names is None and len(counts):
            names = texts.header.weight_names
            if texts.header.version == 2 and (found := _NAMES_2.search(texts.text)):
                names = tuple(re.findall(r'"([^"]*)"', found[1].decode(errors="replace")))
            self._weight_names = names if names else tuple(str(k) for k in range(int(counts[0])))
            self.metadata = {**self.metadata, **_record(texts.header), "weights": list(self._weight_names)}
        n_weights = len(self._weight_names or ())
        is_other = (counts != n_weights) & (counts != 0)
        owner = np.repeat(np.arange(len(counts)), counts)
        column = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        fits = ~is_other[owner]
        weights = np.ones((len(counts), n_weights))
        weights[owner[fits], column[fits]] = parsed.weights[fits]
        wrong = {int(k): f"{counts[k]} weights, the run has {n_weights}" for k in np.flatnonzero(is_other)}
        return weights, wrong

    def _weight_columns(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The first weight is the generator's; in a filtered file the one that makes sums unbiased is ``weight``."""
        names = self._weight_names or ()
        if not names:
            return {"weight": np.ones(len(weights))}
        columns = {"weight": weights[:, 0]}
        if WEIGHT_NAME in names:
            columns = {"weight": weights[:, names.index(WEIGHT_NAME)], "generator_weight": weights[:, 0]}
        others = [k for k, name in enumerate(names) if name != WEIGHT_NAME]
        if len(others) > 1:
            columns |= {f"weight_{names[k]}": weights[:, k] for k in others}
        return columns

    def _attributes(self, texts: EventTexts, kept: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Event columns that our writer stored as attributes of the events."""
        columns: dict[str, NDArray[Any]] = {}
        if b"\nA 0 smartbkg_" not in texts.text:
            return columns
        found: dict[str, dict[int, Any]] = {}
        for match in _OURS.finditer(texts.text):
            name = match[1].decode()
            kind = float if name.startswith("score") else _ATTRIBUTES.get(name)
            if kind is None:
                continue
            index = int(np.searchsorted(texts.starts, match.start(), side="right")) - 1
            try:
                found.setdefault(name, {})[index] = kind(match[2].decode())
            except ValueError:
                raise EventError(
                    f"attribute smartbkg_{name} is {match[2][:40]!r}, expected {kind.__name__}",
                    source=self.source, event=f"at position {self._n_seen + index}",
                ) from None  # fmt: skip
        for name, values in found.items():
            missing: Any = "" if _ATTRIBUTES.get(name) is str else (0 if name in EVENT_ID else np.nan)
            columns[name] = np.array([values.get(int(index), missing) for index in kept])
        return columns

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _record(header: RunHeader) -> dict[str, Any]:
    """The provenance record that our writer put into the header, empty where there is none."""
    mark = b"A " + METADATA_KEY.encode() + b" "
    for line in header.lines:
        if line.startswith(mark):
            try:
                found = json.loads(line.removeprefix(mark).replace(b"\\\\", b"\\"))
            except ValueError:
                return {}
            return dict(found) if isinstance(found, dict) else {}
    return {}


class _Once:
    """Gives a stream once."""

    def __init__(self, stream: IO[bytes], source: str) -> None:
        self._stream: IO[bytes] | None = stream
        self._source = source

    def __call__(self) -> IO[bytes]:
        if self._stream is None:
            raise UsageError(f"{self._source}: a pipe can be read only once")
        stream, self._stream = self._stream, None
        return stream


def open_path(path: Path, options: ReadOptions) -> EventReader:
    """A reader of a file, plain or compressed, that can be read again."""
    source = open_source(path)
    source.stream.close()
    reader = HepMCReader(lambda: open_source(path).stream, str(path), version_of(source.head) or 3, options)
    if source.is_unproven:
        reader.warn("is compressed without a checksum: damage may give other numbers without an error (zstd --check)")
    return reader


def open_pipe(version: int, stream: IO[bytes], source: str, options: ReadOptions) -> EventReader:
    """A reader of a pipe."""
    return HepMCReader(_Once(stream, source), source, version, options)


__all__ = ["WEIGHT_NAME", "HepMCOriginal", "HepMCReader", "open_path", "open_pipe"]
