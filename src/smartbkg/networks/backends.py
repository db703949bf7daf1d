"""What evaluates a network on decay graphs: compiled kernels, or torch."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError, UsageError
from smartbkg.graphs import DecayGraphs
from smartbkg.networks.bundle import ModelBundle

#: Events that torch evaluates at once: enough to fill its kernels, few enough to stay in the cache.
TORCH_CHUNK: Final = 256


class Backend(Protocol):
    """What evaluates a network on decay graphs."""

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n_events, n_skims) of graphs; ``process`` (n_events,) as in `GraphBatch`."""


def check_tokens(graphs: DecayGraphs, n_rows: int) -> None:
    """Refuse tokens that have no row in an embedding.

    Raises
    ------
    ModelError
        Names the token and the size of the embedding.
    """
    if len(graphs.token) and not 0 <= int(graphs.token.min()) <= int(graphs.token.max()) < n_rows:
        wrong = graphs.token[(graphs.token < 0) | (graphs.token >= n_rows)][0]
        raise ModelError(f"token {wrong}, expected 0 to {n_rows - 1}: the graph was made with another token table")


class TorchBackend:
    """Any architecture, evaluated by torch.

    Parameters
    ----------
    bundle : the model.
    device : ``cpu``, ``cuda``, ``cuda:1``...
    threads : of torch, a setting of the whole process; None leaves it.
    """

    def __init__(self, bundle: ModelBundle, device: str = "cpu", threads: int | None = None) -> None:
        import torch

        if device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError(f"device '{device}': this torch ({torch.__version__}) sees no GPU; use 'cpu'")
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = device
        self._n_rows = bundle.config.num_pdg + 1
        self._n_skims = bundle.config.n_skims
        self._model = bundle.build().to(device)

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        from smartbkg.graphs.collate import collate, select_graphs

        check_tokens(graphs, self._n_rows)
        parts = []
        with torch.inference_mode():
            for start in range(0, graphs.n_events, TORCH_CHUNK):
                events = np.arange(start, min(start + TORCH_CHUNK, graphs.n_events))
                batch = collate(select_graphs(graphs, events), process[events]).to(self._device)
                parts.append(self._model(batch).cpu().numpy().astype(np.float32))
        return np.concatenate(parts) if parts else np.zeros((0, self._n_skims), dtype=np.float32)
