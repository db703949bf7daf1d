"""Upstream's data set of graphs: batches of the records in ``preprocessed*.parquet``, for smartbkg's networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
import torch

from smartbkg.graphs.collate import GraphBatch, mothers_in_batch

from .. import DEFAULT_NODE_FEATURES


def get_batched_graph(
    array: Any, node_features: Mapping[str, Any], index_column: tuple[str, str] = ("particles", "motherIndex")
) -> GraphBatch:
    """The graphs of some events.

    Parameters
    ----------
    array : records with ``particles``, as upstream's preprocessing makes them.
    node_features : ``x_pdg`` and ``x_feature`` → columns of the array.
    index_column : column of the mother's position, -1 where it was removed.
    """
    mother = array[index_column]
    counts = ak.to_numpy(ak.num(mother, axis=1))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = ak.unzip(array[node_features["x_feature"]])
    feature = np.stack([ak.to_numpy(ak.flatten(column)) for column in columns], axis=1).astype(np.float32)
    token = ak.to_numpy(ak.flatten(array[node_features["x_pdg"]])).astype(np.int64)
    in_batch = mothers_in_batch(offsets, ak.to_numpy(ak.flatten(mother)).astype(np.int32))
    return GraphBatch(
        torch.from_numpy(offsets),
        torch.from_numpy(token),
        torch.from_numpy(feature),
        torch.from_numpy(in_batch.astype(np.int64)),
        torch.from_numpy(np.repeat(np.arange(len(counts)), counts)),
        torch.full((len(counts),), -1, dtype=torch.int64),
    )


class ArrayDataset(torch.utils.data.IterableDataset[tuple[Any, ...]]):
    """Batches of graphs and labels, and weights where they are wanted.

    Parameters
    ----------
    array : records with ``particles`` and ``label``, and ``weight`` for ``weighted``.
    batch_size, shuffle, seed, weighted : as upstream's; the seed goes up by one with each pass.
    """

    def __init__(
        self, array: Any, batch_size: int = 1024, shuffle: bool = True, seed: int | None = None, weighted: bool = False
    ) -> None:
        self.array, self.batch_size, self.shuffle, self.weighted = array, batch_size, shuffle, weighted
        self.seed = seed if seed is not None else int(np.random.SeedSequence().generate_state(1)[0])

    def __len__(self) -> int:
        """Number of batches."""
        return math.ceil(len(self.array) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Batches; with several workers each takes its share of them."""
        n_events = len(self.array)
        order = np.random.default_rng(self.seed).permutation(n_events) if self.shuffle else np.arange(n_events)
        worker = torch.utils.data.get_worker_info()
        starts = np.array_split(np.arange(0, n_events, self.batch_size), 1 if worker is None else worker.num_workers)
        for start in starts[0 if worker is None else worker.id].tolist():
            part = self.array[order[start : start + self.batch_size]]
            columns = ("label", "weight") if self.weighted else ("label",)
            numbers = [torch.tensor(ak.to_numpy(part[name]), dtype=torch.float32).reshape(-1, 1) for name in columns]
            yield get_batched_graph(part, DEFAULT_NODE_FEATURES), *numbers
        self.seed += 1

    def __getitem__(self, index: Any) -> Any:
        """One batch of one event, or the data set of a slice."""
        whole = isinstance(index, slice)
        chosen = self.array[index] if whole else self.array[index : index + 1]
        part = ArrayDataset(chosen, self.batch_size if whole else 1, self.shuffle, self.seed, self.weighted)
        return part if whole else next(iter(part))


__all__ = ["ArrayDataset", "get_batched_graph"]
