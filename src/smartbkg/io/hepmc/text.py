"""The text of a HepMC file cut into events, from any stream, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.io.hepmc.completeness import is_complete
from smartbkg.io.hepmc.weights import distinct_names
from smartbkg.io.live import Patience
from smartbkg.io.streams import read_blocks
from smartbkg.storage.json_content import from_json

#: Larger events are taken for a damaged file.
LARGEST_EVENT: Final = 1 << 26
#: Bytes of what stands before the first event of a run.
LARGEST_HEADER: Final = 1 << 24
#: Bytes of text in one batch, whatever the number of events that was asked for: numbers take some times as much memory.
LARGEST_BATCH: Final = 1 << 25
#: Attribute of the run in which our writer keeps names of weights that HepMC3's readers would not take.
NAMES_ATTRIBUTE: Final = "smartbkg_weight_names"

_BOUNDARY: Final = re.compile(rb"\n(?=E |HepMC::)")
#: An attribute of the run: one of an event says first whose it is, by a number.
_RUN_ATTRIBUTE: Final = re.compile(rb"A +(?!-?\d+\s)")
#: A line of a header: tools, names of weights, attributes of the run.
_RUN_LINE: Final = re.compile(rb"[TW] |" + _RUN_ATTRIBUTE.pattern)
_START: Final = {b"HepMC::Asciiv3-START_EVENT_LISTING": 3, b"HepMC::IO_GenEvent-START_EVENT_LISTING": 2}


@dataclass(frozen=True)
class RunHeader:
    """What holds for the events of a run.

    Attributes
    ----------
    version : 2 or 3.
    lines : the lines after the one that starts the listing: weight names, tools, attributes of the run (version 3).
    names : names of the weights, distinct; none where nothing says them.
    """

    version: int
    lines: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of_listing(cls, version: int, lines: Sequence[bytes]) -> RunHeader:
        """From the lines after the one that starts a listing."""
        clean = tuple(line.rstrip(b"\r") for line in lines)
        names: tuple[str, ...] = ()
        for line in clean:
            if line.startswith(b"W "):
                text = line[2:].decode(errors="replace")
                unescaped = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "|" else match[1], text)
                names = distinct_names(unescaped.split("\n"))
        return cls(version, clean, _original_names(clean, names))

    def attribute(self, name: str) -> str | None:
        """An attribute of the run as text, None where there is none."""
        begin = b"A " + name.encode() + b" "
        line = next((line for line in self.lines if line.startswith(begin)), None)
        if line is None:
            return None
        text = line[len(begin) :].decode(errors="replace").rstrip()
        return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "|" else match[1], text)


def _original_names(lines: Sequence[bytes], names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they were before our writer took out what HepMC3 cannot read."""
    stated = RunHeader(3, tuple(lines)).attribute(NAMES_ATTRIBUTE)
    try:
        original = from_json(stated) if stated else None
    except ValueError:
        return names
    if isinstance(original, list) and len(original) == len(names) and all(isinstance(one, str) for one in original):
        return tuple(original)
    return names


@dataclass(frozen=True)
class EventTexts:
    """Some whole events.

    Attributes
    ----------
    header : of the listing they are in.
    text : their lines.
    starts, stops : (n_events,) where each event begins and ends in the text.
    offset : where the text begins in the (decompressed) file.
    """

    header: RunHeader
    text: bytes
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    offset: int

    def part(self, first: int, last: int, header: RunHeader) -> EventTexts:
        """The events ``first:last``, under a header of their own."""
        begin, end = int(self.starts[first]), int(self.stops[last - 1])
        return EventTexts(
            header,
            self.text[begin:end],
            self.starts[first:last] - begin,
            self.stops[first:last] - begin,
            self.offset + begin,
        )


def version_of(head: bytes) -> int | None:
    """2 or 3, None if these first bytes are not those of a HepMC file."""
    return next((version for line, version in _START.items() if line in head[:4096]), None)


class EventSplitter:
    """Cuts a stream into events.

    Of a pipe, events that have come are passed on after a second (`smartbkg.io.live`), also the last one where all of
    its particles are there: nobody knows when the next event will come.

    Parameters
    ----------
    is_tolerant : stop where the data cannot be read any further, as at an end, and keep the error in ``failure``.

    Attributes
    ----------
    is_ended : whether the line that ends a listing was the last one.
    failure : why reading stopped, None at a normal end.
    lost : events of which nothing but remains in a header was found, one error each (only where it is tolerant).
    """

    def __init__(self, stream: IO[bytes], source: str, *, is_tolerant: bool = False) -> None:
        self.source = source
        self.is_ended = False
        self.failure: FileFormatError | None = None
        self.lost: list[FileFormatError] = []
        self._is_tolerant = is_tolerant
        self._blocks = read_blocks(stream, source)
        self._header: RunHeader | None = None
        self._patience = Patience(stream)
        self._has_lines_behind = False
        """Whether an event had lines behind its last particle: then the last particle is not its end."""
        self._is_early = False
        """Whether the last event was passed on before the beginning of the next one."""

    def groups(self, size: int) -> Iterator[EventTexts]:
        """The events, at most ``size`` and `LARGEST_BATCH` bytes together and all of one listing."""
        waiting: list[bytes] = []
        offset, n_bytes = 0, 0
        for segment, begin in self._segments():
            is_event = segment.startswith(b"E ")
            if waiting and (not is_event or len(waiting) == size or n_bytes + len(segment) > LARGEST_BATCH):
                self._patience.end()
                yield self._group(waiting, offset)
                waiting, n_bytes = [], 0
            n_bytes += len(segment)
            self._patience.begin()
            if is_event:
                offset = offset if waiting else begin
                size_of_event = self._end_of_event(segment)
                waiting.append(segment[:size_of_event])
                self.is_ended = False
                if size_of_event < len(segment):
                    yield self._group(waiting, offset)
                    waiting, n_bytes = [], 0
                    lines = segment[size_of_event:].splitlines()
                    self._header = RunHeader.of_listing(3, self._header_lines(3, lines))
            elif self._is_early and segment.strip() and not segment.startswith(b"HepMC::"):
                self._header = self._late_header(segment)
            elif segment.strip():
                self._begin_or_end(segment)
        if waiting:
            yield self._group(waiting, offset)

    def _end_of_event(self, segment: bytes) -> int:
        """Where an event ends; behind it another run may begin without a line of its own (``ReaderAscii.cc``).

        Its lines come after the particles: names of weights where the event has its weights, tools, and attributes
        without the number of what they belong to.
        """
        last = max(segment.rfind(b"\nP "), segment.rfind(b"\nV "))
        end = segment.find(b"\n", last + 1) + 1
        if last < 0 or end in (0, len(segment)) or self._header is None or self._header.version != 3:
            return len(segment)
        self._has_lines_behind = True
        has_weights = b"\nW " in segment[:end]
        while end < len(segment):
            stop = segment.find(b"\n", end) + 1 or len(segment)
            line = segment[end:stop]
            if line.startswith(b"T ") or (line.startswith(b"W ") and has_weights) or _RUN_ATTRIBUTE.match(line):
                return end
            has_weights = has_weights or line.startswith(b"W ")
            end = stop
        return len(segment)

    def _late_header(self, segment: bytes) -> RunHeader:
        """The header of another run that comes without a line of its own, behind an event that was passed on."""
        lines = segment.splitlines()
        if self._header is None or self._header.version != 3 or not _RUN_LINE.match(segment):
            raise FileFormatError(
                f"{self.source}: a line of an event came more than a second after all of its particles: "
                f"'{lines[0][:60].decode(errors='replace')}'; write whole events, or a file"
            )
        return RunHeader.of_listing(3, self._header_lines(3, lines))

    def _group(self, events: list[bytes], offset: int) -> EventTexts:
        if self._header is None:
            raise FileFormatError(f"{self.source}: events before the line HepMC::...-START_EVENT_LISTING")
        stops = np.cumsum([len(event) for event in events])
        starts = np.concatenate([[0], stops[:-1]])
        return EventTexts(self._header, b"".join(events), starts, stops, offset)

    def _begin_or_end(self, segment: bytes) -> None:
        if len(segment) > LARGEST_HEADER:
            raise FileFormatError(f"{self.source}: {len(segment)} bytes without an event, expected a header")
        lines = segment.splitlines()
        name = lines[0].strip()
        self.is_ended = name.endswith(b"-END_EVENT_LISTING")
        if name in _START:
            self._header = RunHeader.of_listing(_START[name], self._header_lines(_START[name], lines[1:]))
        elif not self.is_ended and not name.startswith(b"HepMC::Version"):
            raise FileFormatError(f"{self.source}: unknown line '{name[:60].decode(errors='replace')}'")
        elif any(line.strip() for line in lines[1:]):
            raise FileFormatError(
                f"{self.source}: unknown line '{lines[1][:60].decode(errors='replace')}' after {name.decode()}"
            )

    def _header_lines(self, version: int, lines: list[bytes]) -> tuple[bytes, ...]:
        """The lines of a header; others are what is left of an event whose first line was lost."""
        letters = (b"W ", b"T ", b"A ") if version == 3 else ()
        for number, line in enumerate(lines):
            if line.strip() and not line.startswith(letters):
                error = FileFormatError(
                    f"{self.source}: unknown line '{line[:60].decode(errors='replace')}' before the first event: the "
                    "line with which an event begins is damaged"
                )
                if not self._is_tolerant:
                    raise error
                self.lost.append(error)
                return tuple(lines[:number])
        return tuple(lines)

    def _next_block(self) -> bytes | None:
        try:
            return next(self._blocks, None)
        except FileFormatError as error:
            if not self._is_tolerant:
                raise
            self.failure = error
            return None

    def _segments(self) -> Iterator[tuple[bytes, int]]:
        """Pieces that begin with ``E `` or ``HepMC::`` at the beginning of a line, and where they begin.

        An empty one says that what has come is to be passed on.
        """
        buffer, searched = bytearray(), 0
        offset = 0
        while True:
            if self._patience.is_quiet() and self._is_whole(buffer):
                yield bytes(buffer), offset
                self._is_early = True
                offset += len(buffer)
                buffer, searched = bytearray(), 0
            if self._patience.is_over:
                yield b"", offset
                self._patience.end()
            block = self._next_block()
            if block is None:
                break
            self._patience.begin()
            buffer += block
            begin = 0
            for match in _BOUNDARY.finditer(buffer, searched):
                if match.end() > begin:
                    yield bytes(buffer[begin : match.end()]), offset + begin
                    begin = match.end()
                    self._is_early = False
            del buffer[:begin]
            offset += begin
            searched = max(len(buffer) - len(b"\nHepMC::"), 1)
            if len(buffer) > LARGEST_EVENT:
                raise FileFormatError(f"{self.source}: no event ends in {LARGEST_EVENT} bytes from byte {offset}")
        if buffer.strip():
            yield bytes(buffer), offset

    def _is_whole(self, buffer: bytearray) -> bool:
        """Whether an event has come with all that its first line announces."""
        return (
            self._header is not None and not self._has_lines_behind and is_complete(bytes(buffer), self._header.version)
        )


__all__ = ["LARGEST_HEADER", "NAMES_ATTRIBUTE", "EventSplitter", "EventTexts", "RunHeader", "version_of"]
