"""Pipes: what has come is passed on while nothing more comes; files wait for nothing."""

from __future__ import annotations

import io
import itertools
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from io_events import decay_event, hepmc_text

from smartbkg.errors import FileFormatError
from smartbkg.io import EventReader, open_events
from smartbkg.io.live import Patience, descriptor_of
from smartbkg.io.streams import open_source

TEXT = {version: hepmc_text([decay_event(number) for number in range(1, 6)], version) for version in (2, 3)}


def pieces_of(text: bytes) -> list[bytes]:
    """What stands before the events, each event, and what stands behind them."""
    starts = [at + 1 for at in range(len(text)) if text[at : at + 3] == b"\nE "]
    ends = [*starts, text.rindex(b"HepMC::")]
    return [text[: starts[0]], *(text[a:b] for a, b in itertools.pairwise(ends)), text[ends[-1] :]]


class Pipe:
    """A pipe with both of its ends."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.reading: IO[bytes] = os.fdopen(reading, "rb")
        self.writing: IO[bytes] = os.fdopen(writing, "wb", buffering=0)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.writing.close()
    made.reading.close()


@pytest.fixture
def standard_input(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> Callable[[], EventReader]:
    """Opens standard input, which is the pipe."""
    monkeypatch.setattr("smartbkg.io.live.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe.reading))
    return lambda: open_events("-")


def in_time(function: Callable[[], Any], pipe: Pipe) -> Any:
    """What a function returns; where it waits for what nobody writes, the pipe is closed and the test fails."""
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        pipe.writing.close()

    timer = threading.Timer(60, give_up)
    timer.start()
    try:
        return function()
    finally:
        timer.cancel()
        assert not is_late.is_set(), "waited for more than had been written"


@pytest.mark.parametrize("version", [2, 3])
def test_events_are_passed_on_before_the_next_one_comes(
    version: int, pipe: Pipe, standard_input: Callable[[], EventReader]
) -> None:
    begin, *events, end = pieces_of(TEXT[version])
    pipe.writing.write(begin + events[0])
    with in_time(standard_input, pipe) as reader:
        batches = reader.batches()
        numbers = in_time(lambda: next(batches), pipe).event["evtNum"].tolist()
        for event in events[1:]:
            pipe.writing.write(event)
            numbers += in_time(lambda: next(batches), pipe).event["evtNum"].tolist()
        pipe.writing.write(end)
        pipe.writing.close()
        assert list(batches) == []
    assert numbers == [1, 2, 3, 4, 5]


def test_an_event_that_has_come_in_parts_waits_for_its_rest(
    pipe: Pipe, standard_input: Callable[[], EventReader]
) -> None:
    begin, first, second, *_ = pieces_of(TEXT[3])
    half = second.index(b"\nP 4") + 1
    pipe.writing.write(begin + first + second[:half])
    with standard_input() as reader:
        batches = reader.batches()
        assert len(in_time(lambda: next(batches), pipe)) == 1
        pipe.writing.write(second[half:])
        batch = in_time(lambda: next(batches), pipe)
    whole = next(open_text(begin + first + second))
    np.testing.assert_array_equal(batch.particle["px"], whole.slice(1, 2).particle["px"])


def open_text(text: bytes) -> Iterator[Any]:
    """Batches of events that stand in a text."""
    from smartbkg.io.hepmc import HepMCReader

    return HepMCReader(lambda: io.BytesIO(text + b"HepMC::Asciiv3-END_EVENT_LISTING\n"), "text", 3).batches()


def test_a_line_of_an_event_that_was_passed_on_is_an_error(
    pipe: Pipe, standard_input: Callable[[], EventReader]
) -> None:
    begin, first, second, *_, end = pieces_of(TEXT[3])
    pipe.writing.write(begin + first)
    with standard_input() as reader:
        batches = reader.batches()
        in_time(lambda: next(batches), pipe)
        pipe.writing.write(b"A 3 flow1 501\n" + second + end)
        pipe.writing.close()
        with pytest.raises(FileFormatError, match="came more than a second after all of its particles: 'A 3 flow1"):
            list(batches)


def test_a_run_that_begins_behind_an_event_that_was_passed_on_is_a_run(
    pipe: Pipe, standard_input: Callable[[], EventReader]
) -> None:
    begin, first, second, *_, end = pieces_of(TEXT[3])
    pipe.writing.write(begin + first)
    with standard_input() as reader:
        batches = reader.batches()
        in_time(lambda: next(batches), pipe)
        pipe.writing.write(b"A generator other\n" + second + end)
        pipe.writing.close()
        assert sum(map(len, batches)) == 1


def test_events_with_lines_behind_their_particles_wait_for_the_next_one(
    pipe: Pipe, standard_input: Callable[[], EventReader]
) -> None:
    begin, *events, end = pieces_of(TEXT[3])
    behind = [event + b"A 3 flow1 501\n" for event in events]
    pipe.writing.write(begin + behind[0] + events[1])
    with standard_input() as reader:
        batches = reader.batches()
        assert len(in_time(lambda: next(batches), pipe)) == 1
        pipe.writing.write(b"A 3 flow1 501\n" + b"".join(behind[2:]) + end)
        pipe.writing.close()
        assert sum(map(len, batches)) == 4


def test_packed_events_are_passed_on_as_they_come(pipe: Pipe, standard_input: Callable[[], EventReader]) -> None:
    begin, first, second, *_ = pieces_of(TEXT[3])
    packer = zlib.compressobj(wbits=31)  # gzip
    pipe.writing.write(packer.compress(begin + first) + packer.flush(zlib.Z_SYNC_FLUSH))
    with in_time(standard_input, pipe) as reader:
        batches = reader.batches()
        assert len(in_time(lambda: next(batches), pipe)) == 1
        pipe.writing.write(packer.compress(second) + packer.flush(zlib.Z_SYNC_FLUSH))
        assert len(in_time(lambda: next(batches), pipe)) == 1


def test_a_file_has_nothing_to_wait_for(tmp_path: Path) -> None:
    path = tmp_path / "e.hepmc3"
    path.write_bytes(TEXT[3])
    with path.open("rb") as stream:
        assert descriptor_of(stream) is None
        patience = Patience(stream)
        patience.begin()
        assert not patience.is_over
        assert not patience.is_quiet()
    with open_source(path).stream as stream:
        assert descriptor_of(stream) is None
    assert descriptor_of(io.BytesIO()) is None
    with open_events(path) as reader:
        assert [len(batch) for batch in reader.batches()] == [5]


def test_what_stands_in_a_pipe_at_once_stays_together(pipe: Pipe, standard_input: Callable[[], EventReader]) -> None:
    pipe.writing.write(TEXT[3])
    pipe.writing.close()
    with standard_input() as reader:
        assert [len(batch) for batch in reader.batches()] == [5]
