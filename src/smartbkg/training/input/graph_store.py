"""Decay graphs of many events with random access, in memory while they are few, else in a file beside the output.

Batches are drawn at random from all events, which no shuffle buffer over a stream can do, and the memory it takes does
not grow with the sample: a graph that is not in memory is one read of a few kilobytes at a known place.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import DatasetError
from smartbkg.graphs import DecayGraphs
from smartbkg.storage.atomic import disk_errors

_LARGEST_INT16: Final = 32767


class GraphStore:
    """Append graphs, `finish`, then `fetch` any of them."""

    def __init__(self, n_features: int, folder: Path, memory_bytes: int) -> None:
        """An empty store.

        Parameters
        ----------
        n_features : features per node.
        folder : where the file is made once the graphs outgrow the memory; it has no name there and goes with the
            process.
        memory_bytes : largest size in memory.
        """
        node = [("feature", "<f4", (n_features,)), ("token", "<i2"), ("mother", "<i2")]
        self.node_dtype: np.dtype[Any] = np.dtype(node)
        self.offsets: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._parts: list[NDArray[Any]] = []
        self._counts: list[NDArray[np.int64]] = []
        self._n_bytes = 0
        self._nodes: NDArray[Any] = np.empty(0, dtype=self.node_dtype)
        self._file: Any = None

    @property
    def is_in_memory(self) -> bool:
        """Whether no file was needed."""
        return self._file is None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def append(self, graphs: DecayGraphs) -> None:
        """Add the graphs of some events.

        Raises
        ------
        DatasetError
            An event of more than 32767 nodes.
        """
        counts = np.diff(graphs.offsets)
        if len(counts) and (counts.max() > _LARGEST_INT16 or graphs.token.max(initial=0) > _LARGEST_INT16):
            raise DatasetError(f"an event has {counts.max()} particles in its decay graph, at most {_LARGEST_INT16}")
        nodes = np.empty(len(graphs.token), dtype=self.node_dtype)
        nodes["feature"], nodes["token"], nodes["mother"] = graphs.feature, graphs.token, graphs.mother
        self._counts.append(counts)
        self._n_bytes += nodes.nbytes
        if self._file is None and self._n_bytes > self._memory_bytes:
            with disk_errors(self._folder):
                self._file = tempfile.TemporaryFile(prefix=".smartbkg-graphs-", dir=self._folder)  # noqa: SIM115
                for part in self._parts:
                    self._file.write(part)
            self._parts.clear()
        if self._file is None:
            self._parts.append(nodes)
        else:
            with disk_errors(self._folder):
                self._file.write(nodes)

    def finish(self) -> None:
        """No further graphs: make ready for `fetch`."""
        counts = np.concatenate(self._counts) if self._counts else np.empty(0, dtype=np.int64)
        self.offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        self._counts = []
        if self._file is None:
            # part after part, so that the graphs are never in memory twice
            self._nodes = np.empty(int(self.offsets[-1]), dtype=self.node_dtype)
            stop = len(self._nodes)
            while self._parts:
                part = self._parts.pop()
                self._nodes[stop - len(part) : stop] = part
                stop -= len(part)
        else:
            with disk_errors(self._folder):
                self._file.flush()

    def fetch(self, events: NDArray[np.int64]) -> DecayGraphs:
        """The graphs of the wanted events, in that order.

        Parameters
        ----------
        events : (n_wanted,) positions in the order of appending.
        """
        first, counts = self.offsets[events], self.offsets[events + 1] - self.offsets[events]
        offsets = np.zeros(len(events) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        if self._file is None:
            nodes = self._nodes[np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)]
        else:
            size, handle = self.node_dtype.itemsize, self._file.fileno()
            content = b"".join(
                os.pread(handle, n * size, start * size)
                for start, n in zip(first.tolist(), counts.tolist(), strict=True)
            )
            nodes = np.frombuffer(content, dtype=self.node_dtype)
        return DecayGraphs(
            offsets,
            nodes["token"].astype(np.int32),
            np.ascontiguousarray(nodes["feature"]),
            nodes["mother"].astype(np.int32),
            np.full(len(nodes), -1, dtype=np.int64),  # which particle a node was is not stored
            0,
        )

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
