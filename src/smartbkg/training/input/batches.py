"""Batches of graphs made in a thread of their own while the network computes; counts the time it waited for them."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import GraphBatch, collate
from smartbkg.training.input.data import TrainingData

#: From the graphs of a group of events and the group's number to the graphs that the network is to see.
Transformation = Callable[[DecayGraphs, int], DecayGraphs]
#: Batches made ahead.
AHEAD: Final = 3


@dataclass(frozen=True)
class Batch:
    """Events as a step takes them.

    Attributes
    ----------
    graphs : on the device.
    events : (n_events,) positions in the data.
    """

    graphs: GraphBatch
    events: NDArray[np.int64]


@dataclass
class LoaderClock:
    """How long the network waited for batches, in seconds."""

    waiting: float = 0.0
    total: float = 0.0

    @property
    def share(self) -> float:
        """Fraction of the time spent waiting."""
        return self.waiting / self.total if self.total > 0 else 0.0


def batches(
    data: TrainingData,
    groups: Sequence[NDArray[np.int64]],
    processes: NDArray[np.int64],
    device: torch.device,
    clock: LoaderClock | None = None,
    transformation: Transformation | None = None,
) -> Generator[Batch, None, None]:
    """The batches of the groups of events, in order.

    Parameters
    ----------
    groups : positions in the data of each batch's events.
    processes : (n_process_names,) position of each process of the data in the network's list, -1 where it is not there.
    transformation : of the graphs, before the network sees them.
    """
    clock = clock or LoaderClock()
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=AHEAD)
    is_abandoned = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not is_abandoned.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.2)
                return

    def produce() -> None:
        try:
            for number, events in enumerate(groups):
                if is_abandoned.is_set():
                    return
                graphs = data.store.fetch(events)
                if transformation is not None:
                    graphs = transformation(graphs, number)
                put(Batch(collate(graphs, processes[data.process[events]]), events))
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put(error)

    thread = threading.Thread(target=produce, name="smartbkg-batches", daemon=True)
    started = time.perf_counter()
    thread.start()
    try:
        while True:
            asked = time.perf_counter()
            item = ready.get()
            clock.waiting += time.perf_counter() - asked
            if item is None:
                break
            if isinstance(item, BaseException):
                raise item
            yield Batch(item.graphs.to(device), item.events)
    finally:
        is_abandoned.set()
        thread.join()
        clock.total += time.perf_counter() - started
