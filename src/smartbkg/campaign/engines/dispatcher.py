"""Who does which chunk next: bundles, failures, lost workers, second attempts at stragglers; engines ask and report."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Final

from smartbkg.campaign.chunk.attempt import Outcome
from smartbkg.errors import SmartBKGError

#: A worker gets about so many bundles in all, so that the end of a campaign is shared evenly.
_BUNDLES_A_WORKER: Final = 10
_LARGEST_BUNDLE: Final = 20
#: Errors of one machine in a row after which it gets no work.
_MACHINE_ERRORS: Final = 3
#: Workers lost with one chunk after which the chunk counts as the cause.
_LOSSES: Final = 3
_LEAST_FOR_MEDIAN: Final = 5


class Dispatcher:
    """The chunks still to do.

    Parameters
    ----------
    chunks : numbers of the chunks that are not done, in order.
    n_failures : failures so far of some of them.
    attempts : failures after which a chunk is set aside.
    bundle : chunks handed out at once; found from the numbers of chunks and workers if not given.
    straggler_factor : times the median after which a chunk is tried a second time, while there is nothing else to do.
    on_outcome : told of each attempt.
    clock : seconds that only grow; a test brings its own.

    Attributes
    ----------
    set_aside : chunks that failed too often, with the last error.
    bad_hosts : machines that get no more work, with their last error.
    is_stopped : hand out nothing more.
    """

    def __init__(
        self,
        chunks: Iterable[int],
        n_failures: dict[int, int],
        *,
        attempts: int,
        n_workers: int = 1,
        bundle: int | None = None,
        straggler_factor: float = 4.0,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = collections.deque(chunks)
        self._n_failures = collections.Counter(n_failures)
        self._n_losses: collections.Counter[int] = collections.Counter()
        self._attempts, self._factor = attempts, straggler_factor
        share = len(self._waiting) // (_BUNDLES_A_WORKER * max(n_workers, 1))
        self._bundle = bundle if bundle is not None else min(max(share, 1), _LARGEST_BUNDLE)
        self._running: dict[int, list[float]] = {}
        self._done: set[int] = set()
        self._seconds: list[float] = []
        self._machine_errors: collections.Counter[str] = collections.Counter()
        self._on_outcome, self._clock = on_outcome, clock
        self.set_aside: dict[int, str] = {}
        self.bad_hosts: dict[str, str] = {}
        self.is_stopped = False

    @property
    def is_finished(self) -> bool:
        """Nothing waits, and nothing runs but second attempts at what is done."""
        return self._running.keys() <= self._done and (not self._waiting or self.is_stopped)

    @property
    def n_running(self) -> int:
        """Attempts that are under way."""
        return sum(len(starts) for starts in self._running.values())

    def next_bundle(self) -> list[int]:
        """Chunks for a worker that has nothing to do; empty where there is nothing for it now."""
        if self.is_stopped:
            return []
        taken: list[int] = []
        while self._waiting and len(taken) < self._bundle:
            chunk = self._waiting.popleft()
            if chunk not in self._done:
                taken.append(chunk)
        if not taken:
            taken = self._straggler()
        now = self._clock()
        for position, chunk in enumerate(taken):
            # Those behind in a bundle begin later: by so many times what a chunk usually takes.
            self._running.setdefault(chunk, []).append(now + position * self._median())
        return taken

    def _median(self) -> float:
        return statistics.median(self._seconds) if self._seconds else 0.0

    def _straggler(self) -> list[int]:
        """A chunk that takes far longer than others and runs once only."""
        if len(self._seconds) < _LEAST_FOR_MEDIAN:
            return []
        limit = self._clock() - self._factor * self._median()
        late = [(starts[0], chunk) for chunk, starts in self._running.items() if len(starts) == 1 and starts[0] < limit]
        return [min(late)[1]] if late else []

    def report(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        self._forget_one(outcome.chunk)
        if outcome.state in ("done", "known"):
            self._done.add(outcome.chunk)
            self.set_aside.pop(outcome.chunk, None)
            self._machine_errors[outcome.host] = 0
            if outcome.state == "done":
                self._seconds.append(outcome.seconds)
        elif outcome.state == "machine":
            self._machine_errors[outcome.host] += 1
            if self._machine_errors[outcome.host] >= _MACHINE_ERRORS:
                self.bad_hosts[outcome.host] = outcome.message
            self._again(outcome.chunk)
        else:
            self._failed(outcome.chunk, outcome.message)
        self._on_outcome(outcome)

    def _failed(self, chunk: int, message: str) -> None:
        self._n_failures[chunk] += 1
        if self._n_failures[chunk] >= self._attempts:
            self.set_aside[chunk] = message
        else:
            self._again(chunk)

    def lost(self, chunks: Iterable[int], reason: str) -> list[int]:
        """A worker has gone with chunks that it had not finished, the first of them under way.

        Returns
        -------
        Chunks that took too many workers with them and now count as failed.
        """
        guilty = []
        for position, chunk in enumerate(chunks):
            self._forget_one(chunk)
            if chunk in self._done:
                continue
            self._n_losses[chunk] += position == 0
            if self._n_losses[chunk] >= _LOSSES:
                self.set_aside[chunk] = reason
                guilty.append(chunk)
            else:
                self._again(chunk)
        return guilty

    def given_back(self, chunks: Iterable[int]) -> None:
        """A worker was asked to stop and gave up chunks cleanly."""
        for chunk in chunks:
            self._forget_one(chunk)
            if chunk not in self._done:
                self._again(chunk)

    def _again(self, chunk: int) -> None:
        if chunk not in self._running and chunk not in self._done:
            self._waiting.append(chunk)

    def _forget_one(self, chunk: int) -> None:
        starts = self._running.get(chunk, [])
        if starts:
            starts.pop(0)
        if not starts:
            self._running.pop(chunk, None)

    def check_hosts(self, hosts: Iterable[str]) -> None:
        """Raise where no machine is left that can work.

        Raises
        ------
        SmartBKGError
            All hosts refuse: the disk is full, or cannot be written.
        """
        bad = [self.bad_hosts[host] for host in hosts if host in self.bad_hosts]
        if bad and len(bad) == len(list(hosts)):
            raise SmartBKGError(f"{bad[0]}; the campaign stops, the same command goes on")
