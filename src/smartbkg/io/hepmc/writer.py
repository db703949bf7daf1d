"""Writing HepMC3 (Asciiv3): the whole original event, with the weights and what the filter knows of it.

Events are written from what was parsed: those of HepMC3 keep the text of their particles, vertices and attributes,
those of HepMC2 that of their numbers, and those of other formats are built from their columns. Units, and a position
once one was stated, stand in every event, for HepMC3's versions differ in what a missing line means. Each run of the
input begins a listing of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from smartbkg._version import __version__
from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import KEEP_PROBABILITY, VARIATION_PREFIX
from smartbkg.events.totals import TOTALS_KEY, Totals, sidecar_of
from smartbkg.io.hepmc.build import parts_of_columns
from smartbkg.io.hepmc.output import HepMCOutput
from smartbkg.io.hepmc.reader import TOTALS_ATTRIBUTE, HepMCOriginal
from smartbkg.io.hepmc.text import NAMES_ATTRIBUTE, RunHeader
from smartbkg.io.hepmc.version2 import EventParts, parts_of_version_2
from smartbkg.io.hepmc.version3 import parts_of_version_3
from smartbkg.io.hepmc.weights import (
    GENERATOR_NAME,
    OUR_NAMES,
    WEIGHT_LAYOUTS,
    WeightLayout,
    filtered_weights,
    layout_names,
    names_of_numbers,
    written_names,
)
from smartbkg.io.reader import EventWriter
from smartbkg.storage.provenance import METADATA_KEY

_START: Final = b"HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
_END: Final = b"HepMC::Asciiv3-END_EVENT_LISTING\n\n"
_OUR_LINES: Final = (b"W ", b"A smartbkg ", b"A smartbkg_", b"T smartbkg\\|")
_CROSS_SECTION: Final = re.compile(rb"^A 0 GenCrossSection (.*)$", re.MULTILINE)
#: Bytes kept free in the head of a file for the totals, which are known at the end.
_TOTALS_BYTES: Final = 4096


def _escaped(text: str) -> bytes:
    return text.replace("\\", "\\\\").replace("\n", "\\|").encode()


class HepMCWriter(EventWriter):
    """Writes Asciiv3 to a file, whole or not at all, or as it comes to a FIFO or standard output (``-``)."""

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        self.path = path
        self._provenance = dict(provenance)
        settings = self._provenance.get("settings", {})
        self._skims = [str(skim) for skim in settings.get("skims", ())]
        layout = settings.get("weight_layout", WEIGHT_LAYOUTS[0])
        self._layout: WeightLayout = next((one for one in WEIGHT_LAYOUTS if one == layout), WEIGHT_LAYOUTS[0])
        self._output = HepMCOutput(path)
        self._first_head: bytes | None = None
        self._run: tuple[RunHeader, tuple[str, ...]] | None = None
        self._had_position = False
        self._totals: Totals | None = None

    def add_totals(self, totals: Totals) -> None:
        self._totals = totals

    def describe(self, **further: Any) -> None:
        """The header is written before the events: of what is known at the end, only the totals find a place."""
        stated = further.get(TOTALS_KEY, {})
        if "exact" in stated:
            self.add_totals(Totals.from_dict(stated, str(self.path)))

    def write(self, batch: EventBatch) -> None:
        for part, header, events in _runs(batch):
            self._write_run(part, header, events)

    def _write_run(self, batch: EventBatch, header: RunHeader, events: Sequence[EventParts]) -> None:
        is_filtered = KEEP_PROBABILITY in batch.event
        n_weights = len(events[0].weights)
        names = header.names
        if not names and n_weights and (is_filtered or header.version == 2):
            names = names_of_numbers(n_weights)
        nominal = next(
            (name.removeprefix(VARIATION_PREFIX) for name in batch.event if name.startswith(VARIATION_PREFIX)), ""
        )
        written = layout_names(names, self._layout, nominal) if is_filtered else names
        self._begin(header, written)
        rows = _weight_rows(batch, events, names, written, self._layout) if is_filtered else [e.weights for e in events]
        additions = _additions(batch, self._skims)
        texts = [
            self._text(number, event, weights, added)
            for number, event, weights, added in zip(
                batch.event["evtNum"].tolist(), events, rows, additions, strict=True
            )
        ]
        self._output.write(b"".join(texts), self.n_written)
        self.n_written += len(batch)

    def _begin(self, header: RunHeader, names: tuple[str, ...]) -> None:
        """Begin a listing, where the events are not of the run before."""
        if self._run == (header, names):
            return
        is_first, self._run = self._run is None, (header, names)
        self._had_position = False
        head = self._head(header, names)
        if is_first:
            self._first_head = head
            self._output.begin(_START + head + self._totals_line())
        else:
            self._output.write(_END + _START + head, self.n_written)

    def _totals_line(self) -> bytes:
        """The totals as an attribute of the run, always of one length; nothing on a pipe, where they come too late."""
        if self._output.is_pipe:
            return b""
        content = json.dumps(self._totals.to_dict(), sort_keys=True) if self._totals is not None else "{}"
        return b"A " + TOTALS_ATTRIBUTE.encode() + b" " + _escaped(content).ljust(_TOTALS_BYTES) + b"\n"

    def _head(self, header: RunHeader, names: tuple[str, ...]) -> bytes:
        """Lines of the input's run, with the names of the weights and the provenance record."""
        lines = []
        plain = written_names(names)
        if names:
            lines.append(b"W " + _escaped("\n".join(plain)))
        for line in header.lines:
            if line[:2] in (b"A ", b"T ") and not line.startswith(_OUR_LINES):
                words = line.split(b" ", 2)
                lines.append(line if len(words) == 3 or line[:1] == b"T" else line + b" ")
        if plain != names:
            lines.append(b"A " + NAMES_ATTRIBUTE.encode() + b" " + _escaped(json.dumps(list(names))))
        lines.append(b"T " + _escaped(f"smartbkg\n{__version__}\nfilter of events before their simulation"))
        lines.append(b"A " + METADATA_KEY.encode() + b" " + _escaped(json.dumps(self._provenance, sort_keys=True)))
        return b"\n".join(lines) + b"\n"

    def _text(self, number: int, event: EventParts, weights: Sequence[bytes], added: bytes) -> bytes:
        """The text of one event, its lines in the order of the format."""
        position = event.position or (b"0 0 0 0" if self._had_position else None)
        self._had_position = position is not None
        at = b" @ " + position if position is not None else b""
        head = b"E %d %d %d%s\nU %s\n" % (number, event.n_vertices, event.n_particles, at, event.units)
        if weights:
            head += b"W " + b" ".join(weights) + b"\n"
        return head + added + event.attributes + event.body

    def close(self) -> None:
        if self._first_head is None:
            self._begin(RunHeader(3), layout_names((), self._layout, ""))
        try:
            self._output.write(_END, self.n_written)
        except BaseException:
            self._output.abort()
            raise
        self._output.close(_START + (self._first_head or b"") + self._totals_line())
        if self._totals is not None and self.path.is_fifo():
            self._totals.write(sidecar_of(self.path))

    def abort(self) -> None:
        self._output.abort()


def _runs(batch: EventBatch) -> Iterator[tuple[EventBatch, RunHeader, list[EventParts]]]:
    """The events of each run: parts of the batch whose events have one header."""
    originals = [original for original in batch.originals or () if isinstance(original, HepMCOriginal)]
    if len(originals) != len(batch):
        header, parts = parts_of_columns(batch)
        if parts:
            yield batch, header, parts
        return
    first = 0
    for index in range(1, len(originals) + 1):
        if index < len(originals) and originals[index].header == originals[first].header:
            continue
        chosen = originals[first:index]
        if chosen:
            yield batch.slice(first, index), chosen[0].header, _parts_of(chosen, batch.source)
        first = index


def _parts_of(originals: Sequence[HepMCOriginal], source: str) -> list[EventParts]:
    if originals[0].header.version == 2:
        return parts_of_version_2([original.text for original in originals], source)
    try:
        return [
            parts_of_version_3(original.text, original.units, original.position, is_plain=original.is_plain)
            for original in originals
        ]
    except EventError as error:
        raise EventError(str(error), source=source) from error


def _weight_rows(
    batch: EventBatch,
    events: Sequence[EventParts],
    names: Sequence[str],
    written: Sequence[str],
    layout: WeightLayout,
) -> list[list[bytes]]:
    """Weights of kept events as text, in the order of ``written``; the generator's own stays the text it was."""
    n_generators = len(written) - (len(OUR_NAMES) if layout == "nominal" else 1)
    values = filtered_weights(batch, n_generators, layout)
    rows = [[repr(value).encode() for value in row] for row in values.tolist()]
    is_first_filter = not set(OUR_NAMES) & set(names)
    own = GENERATOR_NAME if GENERATOR_NAME in names else written[0]
    if batch.originals is None or own not in names:
        return rows
    places = [list(names).index(name) for name in written[:n_generators] if name in names]
    at, kept = list(names).index(own), batch.event[KEEP_PROBABILITY].tolist()
    for index, (row, event) in enumerate(zip(rows, events, strict=True)):
        if len(event.weights) != len(names):
            continue
        if layout == "nominal":
            generator = float(event.weights[at])
            row[-2] = event.weights[at]
            ratio = float(row[0]) / generator if generator != 0 else 1 / kept[index]
            row[-1] = repr(ratio).encode()
        elif is_first_filter:
            row[:n_generators] = [event.weights[place] for place in places]
    return rows


def _additions(batch: EventBatch, skims: Sequence[str]) -> list[bytes]:
    """Lines of attributes of each event."""
    columns = {name: column for name, column in batch.event.items() if name in ("keep_probability", "process")}
    columns |= {name: column for name, column in batch.event.items() if name == "score" or name.startswith("score_")}
    columns |= {name: batch.event[name] for name in ("experiment", "run") if batch.event[name].any()}
    names = skims or [name.removeprefix("score_") for name in columns if name.startswith("score_")]
    constant = f"A 0 smartbkg_skims {','.join(names)}\n".encode() if names else b""
    lines = [[constant] for _ in range(len(batch))]
    for name, column in columns.items():
        for row, value in zip(lines, column.tolist(), strict=True):
            if value != "":
                row.append(b"A 0 smartbkg_" + name.encode() + b" " + _escaped(str(value)) + b"\n")
    return [b"".join(row) for row in lines]


__all__ = ["HepMCWriter", "create"]


def create(path: Path, provenance: Mapping[str, Any]) -> EventWriter:
    """A writer to a path or to standard output (``-``)."""
    return HepMCWriter(path, provenance)
