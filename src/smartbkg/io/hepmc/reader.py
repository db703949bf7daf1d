"""Reading HepMC: text of events to batches."""

from __future__ import annotations

import bisect
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError, FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, VARIATION_PREFIX
from smartbkg.events.totals import TOTALS_KEY
from smartbkg.io.hepmc.lines import FLAWS
from smartbkg.io.hepmc.parser import ParsedEvents, parse_events
from smartbkg.io.hepmc.state import ListingState, Stated
from smartbkg.io.hepmc.text import LARGEST_HEADER, EventSplitter, EventTexts, RunHeader, version_of
from smartbkg.io.hepmc.weights import OUR_NAMES, names_of_numbers, weight_columns
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventReader, ReadOptions
from smartbkg.io.records import assemble
from smartbkg.io.streams import open_source, source_name
from smartbkg.storage.json_content import from_json
from smartbkg.storage.provenance import METADATA_KEY

_NUMBER: Final = re.compile(rb"E +(-?\d+)")
_OURS: Final = b"\nA 0 smartbkg_"
_END_OF_LISTING: Final = (b"HepMC::Asciiv3-END", b"HepMC::IO_GenEvent-END")
_MOST_HEADER_LINES: Final = 10_000
#: Attribute of the run with the totals, and its key in a reader's metadata.
TOTALS_ATTRIBUTE: Final = "smartbkg_totals"
#: Column by which events of HepMC2 of different numbers of weights are told apart, before a batch leaves the reader.
N_WEIGHTS: Final = "\0weights"
#: Event columns that our writer keeps as attributes, with their types here.
_ATTRIBUTES: Final[dict[str, type]] = {"experiment": int, "run": int, "process": str, "keep_probability": float}


@dataclass(frozen=True)
class HepMCOriginal:
    """The text of one event, and what holds for it that it may not say itself."""

    header: RunHeader
    text: bytes
    units: bytes
    position: bytes | None
    is_plain: bool
    """Whether its lines of particles and vertices are as HepMC3 itself writes them."""


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
        self._nominal: str | None = None
        self._n_weights: int | None = None
        self._had_weights = False
        self._assigns_numbers = False
        self._n_seen = 0

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        self.close()
        self._stream = self._open_stream()
        self._nominal, self._n_weights, self._n_seen, self._had_weights = None, None, 0, False
        splitter = EventSplitter(self._stream, self.source, is_tolerant=self.options.skip_corrupt)
        state = ListingState(self.warn)
        header: RunHeader | None = None
        for texts in self._numbered(splitter.groups(size)):
            if texts.header is not header:
                header, self._n_weights = texts.header, None
                self._describe(texts.header)
            for run in state.runs(texts):
                batch = self._batch(run)
                self._n_seen += len(run.texts.starts)
                yield from self._of_one_run(batch)
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

    def _numbered(self, groups: Iterator[EventTexts]) -> Iterator[EventTexts]:
        """The groups as they are, once the first events have said whether the file numbers its events.

        One with a number says it; of one with 0 the second event does.
        """
        waiting: list[EventTexts] = []
        numbers: list[int] = []
        for texts in groups:
            waiting.append(texts)
            found = [_NUMBER.match(texts.text, start) for start in texts.starts[: 2 - len(numbers)].tolist()]
            numbers += [int(match[1]) if match else 0 for match in found]
            if any(numbers) or len(numbers) >= 2:
                break
        is_asked = self.options.number_from is not None
        has_none = bool(numbers) and (numbers[0] < 0 or (len(numbers) > 1 and not any(numbers)))
        self._assigns_numbers = is_asked or has_none
        if self._assigns_numbers and not is_asked:
            self.warn("events have no numbers: they are numbered by their position in the file, from 0")
        yield from waiting
        yield from groups

    def _note_cross_section(self, texts: EventTexts) -> None:
        """Remember the last one stated; generators correct it from event to event."""
        mark, begin = (b"\nC ", 1) if texts.header.version == 2 else (b"\nA 0 GenCrossSection ", 3)
        at = texts.text.rfind(mark)
        if at < 0:
            return
        words = texts.text[at + 1 : texts.text.find(b"\n", at + 1)].split()[begin : begin + 2]
        with contextlib.suppress(ValueError):
            value, error = map(float, words)
            if np.isfinite([value, error]).all():
                self.cross_section = value, error

    def _batch(self, run: Stated) -> EventBatch:
        texts = run.texts
        self._note_cross_section(texts)
        parsed = parse_events(texts.text, texts.starts, texts.stops, texts.header.version, run.state)
        is_good = parsed.flaw == 0
        for index in np.flatnonzero(~is_good):
            self.skip(self._flaw(texts, parsed, int(index)))
        kept = np.flatnonzero(is_good)
        columns, flaws = self._weights(texts.header, parsed, kept)
        event: dict[str, Any] = {"evtNum": self._numbers(parsed.number)[kept], **columns}
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
                HepMCOriginal(
                    texts.header, texts.text[texts.starts[k] : texts.stops[k]], run.units[k], run.positions[k],
                    bool(parsed.is_plain[k]),
                )
                for k in kept
            ]  # fmt: skip
        return assemble(self, counts, event, particle, originals=originals, flaws=flaws)

    def _of_one_run(self, batch: EventBatch) -> Iterator[EventBatch]:
        """The events cut where the number of weights changes: HepMC2 without names states it in each event."""
        if not len(batch):
            return
        if N_WEIGHTS not in batch.event:
            yield batch
            return
        counts = batch.event[N_WEIGHTS]
        starts = np.flatnonzero(np.diff(counts, prepend=counts[0] - 1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(batch)], strict=True):
            part = batch.slice(start, stop)
            names = names_of_numbers(int(counts[start]))
            unused = [f"{VARIATION_PREFIX}{k}" for k in range(len(names) if len(names) > 1 else 0, int(counts.max()))]
            event = {name: column for name, column in part.event.items() if name not in (N_WEIGHTS, *unused)}
            yield replace(part, event=event)

    def look_at_header(self) -> None:
        """Take what the first header says into the metadata, before any event is read; not for pipes."""
        lines: list[bytes] = []
        n_bytes = 0
        with contextlib.closing(self._open_stream()) as stream:
            while n_bytes < LARGEST_HEADER and (line := stream.readline(LARGEST_HEADER)):
                if line.startswith(b"E ") or len(lines) > _MOST_HEADER_LINES or line.startswith(_END_OF_LISTING):
                    break
                n_bytes += len(line)
                lines.append(line.rstrip(b"\r\n"))
        self._describe(RunHeader.of_listing(3, lines))

    def _describe(self, header: RunHeader) -> None:
        """Keep what the run says of itself: names of weights, and the record of our writer."""
        if header.names:
            self._nominal = self._nominal or next((name for name in header.names if name not in OUR_NAMES), None)
            self.metadata = {**self.metadata, "weights": list(header.names)}
        for key in (METADATA_KEY, TOTALS_ATTRIBUTE):
            stated = header.attribute(key)
            try:
                content = from_json(stated) if stated else None
            except ValueError:
                self.warn(f"its record '{key}' cannot be read")
                continue
            if isinstance(content, dict) and content:
                further = content if key == METADATA_KEY else {TOTALS_KEY: content}
                self.metadata = {**further, **self.metadata}

    def _flaw(self, texts: EventTexts, parsed: ParsedEvents, index: int) -> EventError:
        position = int(parsed.flaw_position[index])
        line = texts.text[position : texts.stops[index]].split(b"\n", 1)[0][:60].decode(errors="replace")
        found = _NUMBER.match(texts.text, int(texts.starts[index]))
        return EventError(
            f"{FLAWS[int(parsed.flaw[index])]}, at byte {texts.offset + position}: '{line}'",
            source=self.source,
            event=int(found[1]) if found else f"at position {self._n_seen + index}",
        )

    def _numbers(self, stated: NDArray[np.int64]) -> NDArray[np.int64]:
        """Event numbers; where the generator states none (negative, or 0 for all), the position in the file."""
        if not self._assigns_numbers:
            return stated
        numbers = self.place_numbers(self._n_seen, self._n_seen + len(stated))
        if numbers is not None:
            return numbers
        late = np.flatnonzero(stated > 0)
        if len(late):
            raise EventError(
                "has a number, but the first events have none (0 or negative): numbers by position would hide it",
                source=self.source,
                event=int(stated[late[0]]),
            )
        return self._n_seen + np.arange(len(stated))

    def _weights(
        self, header: RunHeader, parsed: ParsedEvents, kept: NDArray[np.int64]
    ) -> tuple[dict[str, NDArray[Any]], dict[int, str]]:
        """Weight columns of the good events, and what is wrong with some: one has as many weights as its run."""
        counts = parsed.weight_counts[kept]
        if self._n_weights is None and len(counts):
            self._n_weights = int(counts[0])
        expected = len(header.names) or self._n_weights or 0
        is_free = header.version == 2 and not header.names  # each event states its number
        if is_free and (counts > 0).any():
            expected = int(counts.max())
            self._n_weights = max(self._n_weights or 0, expected)
        is_wrong = np.zeros(len(counts), dtype=np.bool_) if is_free else counts != expected
        self._had_weights = self._had_weights or bool(counts.any())
        if is_free and self._had_weights and not counts.all():
            number = int(parsed.number[kept[int(np.flatnonzero(counts == 0)[0])]])
            self.warn(f"event {number} has no weights in a run that has them: 1 is taken, as HepMC3 does")
        n_columns = max(expected, 1)
        owner = np.repeat(np.arange(len(counts)), counts)
        column = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        fits = ~is_wrong[owner]
        weights = np.ones((len(counts), n_columns))
        weights[owner[fits], column[fits]] = parsed.weights[fits]
        names = header.names or names_of_numbers(n_columns)
        columns: dict[str, NDArray[Any]] = dict(weight_columns(names, weights, self._nominal))
        if is_free and len(np.unique(counts[~is_wrong])) > 1:
            columns[N_WEIGHTS] = counts
        return columns, {
            int(k): f"{counts[k]} weights, the run has {expected}"
            if counts[k]
            else f"no weights, the run has {expected}"
            for k in np.flatnonzero(is_wrong)
        }

    def _attributes(self, texts: EventTexts, kept: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Event columns that our writer stored as attributes of the events."""
        columns: dict[str, NDArray[Any]] = {}
        found: dict[str, dict[int, Any]] = {}
        starts = texts.starts.tolist()
        for at, stated, content in _our_attributes(texts.text):
            name = stated.decode(errors="replace")
            kind = float if name.startswith("score") else _ATTRIBUTES.get(name)
            if kind is None:
                continue
            index = bisect.bisect_right(starts, at) - 1
            try:
                found.setdefault(name, {})[index] = kind(content.decode())
            except ValueError:
                raise EventError(
                    f"attribute smartbkg_{name} is {content[:40]!r}, expected {kind.__name__}",
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


def _our_attributes(text: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Attributes of events that our writer made: where each stands, its name and its content."""
    at = text.find(_OURS)
    while at >= 0:
        end = text.find(b"\n", at + 1)
        line = text[at + len(_OURS) : end if end >= 0 else len(text)]
        name, blank, content = line.partition(b" ")
        if blank:
            yield at, name, content.rstrip(b"\r")
        at = text.find(_OURS, at + 1)


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
    reader = HepMCReader(lambda: open_source(path).stream, source_name(path), version_of(source.head) or 3, options)
    reader.look_at_header()
    if source.is_unproven:
        reader.warn("is compressed without a checksum: damage may give other numbers without an error (zstd --check)")
    return reader


def open_pipe(version: int, stream: IO[bytes], source: str, options: ReadOptions) -> EventReader:
    """A reader of a pipe."""
    return HepMCReader(_Once(stream, source), source, version, options)


__all__ = ["TOTALS_ATTRIBUTE", "HepMCOriginal", "HepMCReader", "open_path", "open_pipe"]
