"""Decay graphs as torch tensors: what every network of this package takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from smartbkg.graphs.decay_tree import DecayGraphs


class GraphBatch(NamedTuple):
    """Decay graphs of some events, nodes of all graphs one after the other, no padding."""

    offsets: torch.Tensor
    """(n_events + 1,) int64: event i owns the nodes ``offsets[i]:offsets[i + 1]``; an event may have none."""
    token: torch.Tensor
    """(n_nodes,) int64 token of the PDG code."""
    feature: torch.Tensor
    """(n_nodes, n_features) float, columns and units of the graph rule."""
    mother: torch.Tensor
    """(n_nodes,) int64 position of the mother among the nodes of the whole batch, -1 where there is none."""
    event: torch.Tensor
    """(n_nodes,) int64 position of the node's event in the batch."""
    process: torch.Tensor
    """(n_events,) int64 position of the event's process in the model's list of processes, -1 where unknown."""

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.offsets) - 1

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all events together."""
        return len(self.token)

    def to(self, device: torch.device | str) -> GraphBatch:
        """The batch on another device."""
        return GraphBatch(*(tensor.to(device) for tensor in self))


def select_graphs(graphs: DecayGraphs, events: ArrayLike) -> DecayGraphs:
    """The graphs of the chosen events, in the order wanted.

    Parameters
    ----------
    events : (n_chosen,) positions of events.
    """
    index = np.asarray(events, dtype=np.int64)
    counts = np.diff(graphs.offsets)[index]
    offsets = np.zeros(len(index) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    nodes = np.arange(offsets[-1]) + np.repeat(graphs.offsets[index] - offsets[:-1], counts)
    return DecayGraphs(
        offsets,
        graphs.token[nodes],
        graphs.feature[nodes],
        graphs.mother[nodes],
        graphs.particle[nodes],
        graphs.n_unknown_codes,
    )


def mothers_in_batch(offsets: NDArray[np.int64], mother: NDArray[np.int32]) -> NDArray[np.int64]:
    """Positions of mothers among all nodes, from their positions within each event.

    Parameters
    ----------
    offsets : (n_events + 1,) first node of each event.
    mother : (n_nodes,) position within the event's nodes, -1 where there is none.

    Returns
    -------
    (n_nodes,) position among all nodes, -1 where there is none; a particle that is its own mother has none.
    """
    first = np.repeat(offsets[:-1], np.diff(offsets))
    in_batch = mother + first
    return np.where((mother < 0) | (in_batch == np.arange(len(mother))), np.int64(-1), in_batch)


def collate(graphs: DecayGraphs, process: ArrayLike | None = None) -> GraphBatch:
    """Tensors of decay graphs.

    Parameters
    ----------
    graphs : of `smartbkg.graphs.build_graphs`; a part of them by `select_graphs`.
    process : (n_events,) int position of each event's process in the model's list; None = unknown for all.
    """
    counts = np.diff(graphs.offsets)
    processes = np.full(graphs.n_events, -1) if process is None else np.asarray(process)
    return GraphBatch(
        torch.from_numpy(graphs.offsets),
        torch.from_numpy(graphs.token.astype(np.int64)),
        torch.from_numpy(graphs.feature),
        torch.from_numpy(mothers_in_batch(graphs.offsets, graphs.mother)),
        torch.from_numpy(np.repeat(np.arange(graphs.n_events), counts)),
        torch.from_numpy(processes.astype(np.int64)),
    )


__all__ = ["GraphBatch", "collate", "mothers_in_batch", "select_graphs"]
