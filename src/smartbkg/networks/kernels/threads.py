"""Events shared among threads: kernels release the interpreter and write each event's result to its own place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Result = TypeVar("Result")


class EventThreads:
    """Some threads that wait for work; for one thread, the caller's own.

    Parameters
    ----------
    threads : how many.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="smartbkg") if threads > 1 else None

    def run(self, function: Callable[[int, int, int], Result], offsets: NDArray[np.int64]) -> list[Result]:
        """Call ``function(share, first, last)`` on shares of the events that together are all of them.

        Parameters
        ----------
        function : takes the number of the share, from 0, and its events ``first:last``.
        offsets : (n_events + 1,) first node of each event. Shares have about equal numbers of nodes, so that no thread
            waits for one with larger events.

        Returns
        -------
        The results in the order of the shares. A single event is one share, worked on by the caller.
        """
        n_events = len(offsets) - 1
        if self._pool is None or n_events < 2:
            return [function(0, 0, n_events)]
        cuts = np.arange(1, self._threads) * offsets[-1] / self._threads
        bounds = [0, *np.searchsorted(offsets, cuts).tolist(), n_events]
        return list(self._pool.map(function, range(self._threads), bounds[:-1], bounds[1:]))

    def close(self) -> None:
        """Let the threads go; without it they end with the process."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["EventThreads"]
