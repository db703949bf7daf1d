"""Writing HepMC3: the whole original event, with the weight and what the filter knows of it.

Events that were read from HepMC3 keep their text, byte by byte; a weight and some attributes are added. Those of HepMC2
go through the HepMC3 library. Events of other formats are built from their columns.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import lzma
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from smartbkg._version import __version__
from smartbkg.errors import EventError, SmartBKGError
from smartbkg.events import EventBatch
from smartbkg.io.hepmc.build import FIRST_BODY_LINE, texts_from_columns, texts_from_version_2
from smartbkg.io.hepmc.reader import WEIGHT_NAME, HepMCOriginal
from smartbkg.io.hepmc.text import RunHeader
from smartbkg.io.reader import EventWriter
from smartbkg.io.streams import STANDARD
from smartbkg.io.zstandard import zstandard
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.provenance import METADATA_KEY

#: Name of the generator's weight where the input has weights without names, or none.
DEFAULT_WEIGHT_NAME = "Default"

_OURS = re.compile(rb"^A 0 smartbkg_.*\n", re.MULTILINE)
_START = b"HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
_END = b"HepMC::Asciiv3-END_EVENT_LISTING\n\n"


def _escaped(text: str) -> bytes:
    return text.replace("\\", "\\\\").replace("\n", "\\|").encode()


def _compressor(raw: IO[bytes], final: str) -> IO[bytes]:
    """What compresses into a file, by its final name; the file itself where it is plain."""
    stream: Any = raw
    if final.endswith(".gz"):
        stream = gzip.GzipFile("", "wb", 4, raw, mtime=0)
    elif final.endswith(".xz"):
        stream = lzma.LZMAFile(raw, "wb", preset=1)  # noqa: SIM115 - closed by the caller
    elif final.endswith((".zst", ".zstd")):
        zstd = zstandard()
        stream = zstd.ZstdFile(raw, "wb", options={zstd.CompressionParameter.checksum_flag: 1})
    return cast(IO[bytes], stream)


class HepMCWriter(EventWriter):
    """Writes HepMC3 text to a file, whole or not at all, or as it comes to a FIFO or standard output (``-``)."""

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        self.path = path
        self._provenance = dict(provenance)
        self._skims = [str(skim) for skim in self._provenance.get("settings", {}).get("skims", ())]
        self._stack = contextlib.ExitStack()
        self._input_names: tuple[str, ...] | None = None
        self._is_pipe = str(path) == STANDARD or (path.exists() and not path.is_file() and not path.is_dir())
        if str(path) == STANDARD:
            self._stream: IO[bytes] = sys.stdout.buffer
        elif self._is_pipe:
            self._stream = self._stack.enter_context(path.open("wb"))
        else:
            partial = self._stack.enter_context(atomic_path(path))
            with disk_errors(path):
                raw = self._stack.enter_context(partial.open("wb"))
                self._stream = self._stack.enter_context(_compressor(raw, path.name))

    def describe(self, **further: Any) -> None:
        """The header is written before the events: what is known at the end finds no place."""

    def write(self, batch: EventBatch) -> None:
        if not len(batch):
            return
        header, texts = hepmc3_texts(batch)
        is_filtered = "keep_probability" in batch.event
        if self._input_names is None:
            self._input_names = _weight_names(header, texts[0])
            self._put(self._head(header, self._input_names, is_filtered=is_filtered))
        elif _weight_names(header, texts[0]) != self._input_names:
            raise EventError(
                f"weights {_weight_names(header, texts[0])}, expected those of the first event: {self._input_names}",
                source=batch.source,
            )
        additions = _additions(batch, self._skims)
        numbers = batch.event["evtNum"].tolist()
        weights: list[float] | list[None] = batch.event["weight"].tolist() if is_filtered else [None] * len(batch)
        rows = zip(texts, numbers, weights, additions, strict=True)
        self._put(b"".join(_with_additions(*row, names=self._input_names) for row in rows))
        self.n_written += len(batch)

    def _head(self, header: RunHeader, names: Sequence[str], *, is_filtered: bool) -> bytes:
        """Header of the input, with the name of the weight and the provenance record."""
        if is_filtered:
            names = [*(names or [DEFAULT_WEIGHT_NAME]), *([] if WEIGHT_NAME in names else [WEIGHT_NAME])]
        kept = [line for line in header.lines if not line.startswith((b"W ", b"A smartbkg ", b"T smartbkg\\|"))]
        weights = [b"W " + _escaped("\n".join(names))] if names else []
        about = json.dumps(self._provenance, sort_keys=True)
        tool = _escaped(f"smartbkg\n{__version__}\nfilter of events before their simulation")
        lines = [*weights, *kept, b"T " + tool, b"A " + METADATA_KEY.encode() + b" " + _escaped(about)]
        return _START + b"\n".join(line.rstrip() for line in lines) + b"\n"

    def _put(self, content: bytes) -> None:
        try:
            with disk_errors(self.path):
                self._stream.write(content)
                if self._is_pipe:
                    self._stream.flush()
        except BrokenPipeError as error:
            _forget(self._stream)
            raise SmartBKGError(f"the reader of the output has gone, after {self.n_written} events") from error

    def close(self) -> None:
        try:
            if self._input_names is None:
                self._put(self._head(RunHeader(3), [], is_filtered=True))
            self._put(_END)
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        with disk_errors(self.path):
            self._stack.close()

    def abort(self) -> None:
        """Leave no file; a pipe ends without the line that ends a listing, by which its reader knows."""
        stop = SystemExit()
        with contextlib.suppress(SystemExit, BrokenPipeError):
            self._stack.__exit__(SystemExit, stop, None)
            raise stop


def _forget(stream: IO[bytes]) -> None:
    """Send what is still buffered for a reader that has gone to nowhere, so that Python's exit does not fail on it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _weight_names(header: RunHeader, text: bytes) -> tuple[str, ...]:
    """Names of the weights of an event: the header's, or numbers where it has none."""
    if header.weight_names:
        return header.weight_names
    line = next((line for line in _head_lines(text)[0] if line.startswith(b"W ")), b"")
    return tuple(str(k) for k in range(len(line.split()) - 1))


def _head_lines(text: bytes) -> tuple[list[bytes], bytes]:
    """The lines E, U and W of an event, and the rest of its text."""
    found = FIRST_BODY_LINE.search(text)
    position = found.end() if found else len(text)
    return text[:position].splitlines(), text[position:]


def hepmc3_texts(batch: EventBatch) -> tuple[RunHeader, list[bytes]]:
    """Header and text of each event: the original where there is one, else built."""
    originals = [original for original in batch.originals or () if isinstance(original, HepMCOriginal)]
    if len(originals) != len(batch):
        return texts_from_columns(batch)
    if any(original.header != originals[0].header for original in originals):
        raise EventError("events of different runs' headers in one batch", source=batch.source)
    texts = [original.text for original in originals]
    if originals[0].header.version == 2:
        return texts_from_version_2(texts, batch.source)
    return originals[0].header, texts


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


def _with_additions(text: bytes, number: int, weight: float | None, added: bytes, *, names: Sequence[str]) -> bytes:
    """An event's text with its number, the weight, and our attributes in place of older ones."""
    head, rest = _head_lines(text)
    first = head[0].split(b" ", 2)
    first[1] = str(number).encode()
    lines = [b" ".join(first), *(line for line in head[1:] if not line.startswith(b"W "))]
    weights = next((line.split()[1:] for line in head if line.startswith(b"W ")), [b"1.0"] * len(names))
    if weight is not None:
        weights = weights or [b"1.0"]
        if WEIGHT_NAME in names:
            weights[list(names).index(WEIGHT_NAME)] = repr(weight).encode()
        else:
            weights.append(repr(weight).encode())
    if weights:
        lines.append(b"W " + b" ".join(weights))
    if b"A 0 smartbkg_" in rest:
        rest = _OURS.sub(b"", rest)
    return b"\n".join(lines) + b"\n" + added + rest


def create(path: Path, provenance: Mapping[str, Any]) -> EventWriter:
    """A writer to a path or to standard output (``-``)."""
    return HepMCWriter(path, provenance)


__all__ = ["HepMCWriter", "create", "hepmc3_texts"]
