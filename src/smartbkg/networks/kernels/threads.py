"""Events shared among threads: kernels release the interpreter and write each event's result to its own place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray


class EventThreads:
    """Some threads that wait for work, none for one thread.

    Parameters
    ----------
    threads : how many.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="smartbkg") if threads > 1 else None

    def run(self, function: Callable[[int, int], bool], offsets: NDArray[np.int64]) -> bool:
        """Call ``function(first, last)`` on parts of the events that together are all; whether every call said True.

        Parameters
        ----------
        offsets : (n_events + 1,) nodes of each event. Parts have equal numbers of nodes, so that no thread waits for
            one with larger events; a single event is worked on by the caller.
        """
        n_events = len(offsets) - 1
        if self._pool is None or n_events < 2:
            return function(0, n_events)
        shares = np.arange(1, self._threads) * offsets[-1] / self._threads
        bounds = [0, *np.searchsorted(offsets, shares).tolist(), n_events]
        return all(list(self._pool.map(function, bounds[:-1], bounds[1:])))


__all__ = ["EventThreads"]
