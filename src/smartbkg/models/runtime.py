"""Scores of events, as fast as the CPU allows: the one way in which filters, productions and basf2 run a model.

`load_scorer` opens any model file (``.safetensors``, upstream's ``.pth``, ``.onnx``). Architectures with compiled
kernels run without torch; the others, and every model on a GPU, run in torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import EventError, ModelError, UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.graphs import DecayGraphs, GraphRule, build_graphs
from smartbkg.models.build import architecture_named
from smartbkg.models.bundle import ModelBundle, load_bundle
from smartbkg.models.calibration import Calibration, Identity

#: Events that torch evaluates at once: enough to fill its kernels, few enough to stay in the cache.
TORCH_CHUNK: Final = 256


class Backend(Protocol):
    """What evaluates a network on decay graphs."""

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n_events, n_skims) of graphs; ``process`` (n_events,) as in `GraphBatch`."""


class Scorer:
    """A model ready to score events.

    Parameters
    ----------
    backend : evaluates the network.
    skims, graph_rule, processes, calibration, policy : as in `smartbkg.models.bundle.ModelBundle`.
    source : file of the model, for messages.

    Attributes
    ----------
    n_unknown_codes : particles so far whose PDG code was not in the token table.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        skims: tuple[str, ...],
        graph_rule: GraphRule,
        processes: tuple[str, ...] = (),
        calibration: Calibration | None = None,
        policy: Mapping[str, Any] | None = None,
        source: str = "",
    ) -> None:
        self.backend = backend
        self.skims = skims
        self.graph_rule = graph_rule
        self.processes = processes
        self.calibration: Calibration = Identity() if calibration is None else calibration
        self.policy = policy
        self.source = source
        self.n_unknown_codes = 0

    def logits(self, batch: EventBatch) -> NDArray[np.float32]:
        """The network's outputs.

        Returns
        -------
        (n_events, n_skims) float32. An event of which the graph rule keeps no particle is scored as an empty graph.

        Raises
        ------
        EventError
            A kept particle has a number that is not finite, or mothers are ambiguous.
        """
        graphs = build_graphs(batch, self.graph_rule)
        self.n_unknown_codes += graphs.n_unknown_codes
        if not np.isfinite(graphs.feature).all():
            raise _not_finite(batch, graphs, self.graph_rule)
        return self.backend(graphs, process_index(batch, self.processes))

    def scores(self, batch: EventBatch) -> NDArray[np.float64]:
        """Calibrated probabilities to pass each skim: (n_events, n_skims) float64 in (0, 1)."""
        return self.calibrate(self.logits(batch), batch.event["process"])

    def calibrate(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:
        """Scores of logits (n_events, n_skims) that were computed before."""
        return self.calibration.apply(logits, process)


def process_index(batch: EventBatch, processes: tuple[str, ...]) -> NDArray[np.int64]:
    """(n_events,) position of each event's process in a model's list, -1 where it is not there."""
    index = np.full(len(batch), -1, dtype=np.int64)
    for position, name in enumerate(processes):
        index[batch.event["process"] == name] = position
    return index


def _not_finite(batch: EventBatch, graphs: DecayGraphs, rule: GraphRule) -> EventError:
    node, column = (int(i) for i in np.argwhere(~np.isfinite(graphs.feature))[0])
    event = int(np.searchsorted(graphs.offsets, node, side="right")) - 1
    particle = int(graphs.particle[node])
    name = rule.features[column]
    return EventError(
        f"{name} of particle {particle - int(batch.offsets[event])} is {batch.particle[name][particle]}, "
        "expected a finite number",
        source=batch.source,
        event=batch.event_id(event),
    )


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


def scorer_of(bundle: ModelBundle, *, threads: int | None = None, device: str = "cpu", source: str = "") -> Scorer:
    """A scorer of a model in memory: compiled kernels on the CPU where the architecture has them, else torch.

    Kernels may not run every width (`Architecture.is_supported`): torch runs the others.

    Raises
    ------
    ModelError
        The weights do not fit the architecture.
    UsageError
        The device is unknown or absent.
    """
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise UsageError(f"unknown device '{device}': {nearest(kind, ['cpu', 'cuda'])}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads = {threads}, expected 1 or more")
    architecture = architecture_named(bundle.config.architecture)
    backend: Backend
    is_compiled = architecture.compiled is not None and (
        architecture.is_supported is None or architecture.load("is_supported")(bundle.config)
    )
    if kind == "cpu" and is_compiled:
        backend = architecture.load("compiled")(bundle.config, bundle.state, threads or 1)
    else:
        backend = TorchBackend(bundle, device, threads)
    return Scorer(
        backend,
        skims=bundle.skims,
        graph_rule=bundle.graph_rule,
        processes=bundle.processes,
        calibration=bundle.calibration,
        policy=bundle.policy,
        source=source,
    )


def model_suffix(path: Path) -> str:
    """The kind of a model file, ``.safetensors``, ``.pth`` or ``.onnx``: by its suffix, else by its first bytes.

    Files from a conditions database have names such as ``GATGAPgen.pth_r1.root``. What is neither a zip archive or
    pickle (PyTorch) nor begins with a protobuf's field 1 (ONNX) is left to the reader of safetensors to judge.
    """
    if path.suffix in (".safetensors", ".onnx", ".pth", ".pt"):
        return ".pth" if path.suffix == ".pt" else path.suffix
    try:
        with path.open("rb") as handle:
            head = handle.read(9)
    except OSError:
        return ".safetensors"
    if head[8:9] == b"{":
        return ".safetensors"
    return ".pth" if head[:2] in (b"PK", b"\x80\x02") else ".onnx" if head[:1] == b"\x08" else ".safetensors"


def load_scorer(
    path: str | Path,
    *,
    model_config: str | Path | Mapping[str, Any] | None = None,
    threads: int | None = None,
    device: str = "cpu",
) -> Scorer:
    """A scorer of a model file.

    Parameters
    ----------
    path : ``.safetensors`` of this package, ``.pth`` of upstream's trainer, or ``.onnx``.
    model_config : for ``.pth`` the hyper-parameters, for ``.onnx`` the JSON of Belle II's module (a path);
        a ``.safetensors`` file has its own.
    threads : CPU threads, 1 unless given.
    device : ``cpu`` or ``cuda``.

    Raises
    ------
    ModelError
        The file is missing, damaged, unsafe, or not a model.
    """
    path = Path(path)
    suffix = model_suffix(path)
    if suffix == ".onnx":
        from smartbkg.models.onnx import load_onnx_scorer

        return load_onnx_scorer(path, model_config=model_config, threads=threads)
    if suffix == ".pth":
        from smartbkg.models.upstream import load_state_dict_file

        bundle = load_state_dict_file(path, model_config=model_config)
    elif model_config is not None:
        raise UsageError(f"{path}: a .safetensors model carries its own configuration; leave model_config out")
    else:
        bundle = load_bundle(path)
    try:
        return scorer_of(bundle, threads=threads, device=device, source=str(path))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


__all__ = [
    "Backend",
    "Scorer",
    "TorchBackend",
    "check_tokens",
    "load_scorer",
    "model_suffix",
    "process_index",
    "scorer_of",
]
