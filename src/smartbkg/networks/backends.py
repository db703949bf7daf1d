"""Who evaluates a network on decay graphs, compiled kernels or torch: the one choice for filter and training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError, UsageError, nearest
from smartbkg.graphs import DecayGraphs
from smartbkg.networks.architectures import architecture_named
from smartbkg.networks.config import ModelConfig
from smartbkg.networks.kernels.matrix import PANEL
from smartbkg.optional import needed_for

if TYPE_CHECKING:
    import torch
    from torch import nn

#: Events that torch evaluates at once: enough to fill its kernels, few enough to stay in the cache.
TORCH_CHUNK: Final = 256
#: Kinds of devices.
DEVICES: Final = ("cpu", "cuda", "mps")


class Backend(Protocol):
    """What evaluates a network on decay graphs."""

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n_events, n_skims) of graphs; ``process`` (n_events,) as in `GraphBatch`."""


def has_kernels(config: ModelConfig) -> bool:
    """Whether compiled kernels evaluate this configuration: the architecture has some, and they run these widths."""
    architecture = architecture_named(config.architecture)
    if architecture.compiled is None:
        return False
    return architecture.is_supported is None or bool(architecture.load("is_supported")(config))


def trains_in_kernels(inputs: torch.Tensor, head_units: int) -> bool:
    """Whether compiled kernels run GATGAP's layers with gradients; torch's operations do otherwise.

    Parameters
    ----------
    inputs : (n_nodes, n_inputs) of the first layer. Kernels take plain float32 or float64 tensors on the CPU, and
        nothing that torch is tracing.
    head_units : units of an attention head, which must fill whole panels of `PANEL`.
    """
    import torch

    return (
        inputs.device.type == "cpu"
        and inputs.dtype in (torch.float32, torch.float64)
        and head_units % PANEL == 0
        and type(inputs) is torch.Tensor
        and not _is_compiling()
    )


def _is_compiling() -> bool:
    """Whether torch is tracing what runs; before torch 2.3 only a module says so that is loaded for tracing."""
    import torch

    teller = torch.compiler if hasattr(torch.compiler, "is_compiling") else sys.modules.get("torch._dynamo")
    return teller is not None and bool(teller.is_compiling())


def make_backend(
    config: ModelConfig,
    *,
    state: Callable[[], Mapping[str, NDArray[Any]]],
    network: Callable[[], nn.Module],
    device: str = "cpu",
    threads: int | None = None,
) -> Backend:
    """Compiled kernels on the CPU where the configuration has them (`has_kernels`), else torch.

    Parameters
    ----------
    state : makes the weights by name, for kernels.
    network : makes the module, for torch.
    device : ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    threads : on the CPU. None means one for kernels, and leaves torch's number, a setting of the whole process.

    Raises
    ------
    ModelError
        The weights do not fit the architecture.
    UsageError
        The device is unknown or absent, or ``threads`` is not positive.
    MissingDependencyError
        The network has no compiled kernels here, and torch is not installed.
    """
    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise UsageError(f"unknown device '{device}': {nearest(kind, DEVICES)}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads = {threads}, expected 1 or more")
    if kind == "cpu" and has_kernels(config):
        compiled: Backend = architecture_named(config.architecture).load("compiled")(config, state(), threads or 1)
        return compiled
    with needed_for(f"the network '{config.architecture}' on '{device}' has no compiled kernels and"):
        import torch

    is_there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not is_there[kind]:
        raise UsageError(f"device '{device}': this torch ({torch.__version__}) sees no GPU; use 'cpu'")
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchBackend(config, network(), device)


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
    config : of the network.
    network : the module; it is moved to the device, and is in evaluation mode during a call alone.
    device : where it runs.
    """

    def __init__(self, config: ModelConfig, network: nn.Module, device: str = "cpu") -> None:
        self._n_rows = config.num_pdg + 1
        self._n_skims = config.n_skims
        self._device = device
        self._network = network.to(device)

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n_events, n_skims).

        Raises
        ------
        ModelError
            A token has no row in the embedding.
        """
        import torch

        from smartbkg.graphs.collate import collate, select_graphs

        check_tokens(graphs, self._n_rows)
        parts = []
        was_training = self._network.training
        self._network.eval()
        try:
            with torch.inference_mode():
                for start in range(0, graphs.n_events, TORCH_CHUNK):
                    events = np.arange(start, min(start + TORCH_CHUNK, graphs.n_events))
                    batch = collate(select_graphs(graphs, events), process[events]).to(self._device)
                    parts.append(self._network(batch).float().cpu().numpy())
        finally:
            self._network.train(was_training)
        return np.concatenate(parts) if parts else np.zeros((0, self._n_skims), dtype=np.float32)


__all__ = ["Backend", "TorchBackend", "check_tokens", "has_kernels", "make_backend", "trains_in_kernels"]
