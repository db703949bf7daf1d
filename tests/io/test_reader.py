"""What every reader and writer shares: warnings once, events left out on request alone, whole outputs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.io.reader import EventReader, ReadOptions


class Toy(EventReader):
    """Closes visibly."""

    is_closed = False

    def batches(self, size: int = 1) -> Iterator[EventBatch]:
        return iter(())

    def close(self) -> None:
        self.is_closed = True


def test_a_warning_is_given_once(caplog: pytest.LogCaptureFixture) -> None:
    reader = Toy("f")
    with caplog.at_level(logging.WARNING):
        for message in ("a", "b", "a"):
            reader.warn(message)
    assert reader.warnings == ["a", "b"]
    assert [record.getMessage() for record in caplog.records] == ["f: a", "f: b"]


def test_a_broken_event_stops_the_reading_unless_leaving_out_was_asked_for() -> None:
    error = EventError("is cyclic", source="f", event=(1, 2, 3))
    with pytest.raises(EventError):
        Toy("f").skip(error)
    reader = Toy("f", ReadOptions(skip_corrupt=True))
    reader.skip(error)
    reader.skip(FileFormatError("f: lost"), n_events=40)
    assert len(reader.skipped) == 41
    assert reader.skipped.messages == [str(error), "f: lost"]


def test_a_reader_is_closed_by_its_block_also_after_an_error() -> None:
    reader = Toy("f")
    with pytest.raises(ZeroDivisionError), reader:
        raise ZeroDivisionError
    assert reader.is_closed


def test_a_file_that_says_nothing_has_no_totals() -> None:
    assert Toy("f").totals is None
