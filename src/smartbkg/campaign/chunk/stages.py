"""CPU seconds of the stages of a chunk, those of programs that it started included."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

Item = TypeVar("Item")

#: Stages in their order; ``bookkeeping`` is checksums, sums for alarms and the record.
STAGES: Final = ("generate", "filter", "write", "simulate", "bookkeeping")


def cpu_seconds() -> float:
    """CPU seconds of this process, its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class StageClock:
    """Adds up CPU seconds a stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside for a stage."""
        before = cpu_seconds()
        try:
            yield
        finally:
            self.seconds[name] += cpu_seconds() - before

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with what it takes to make them counted for a stage."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
