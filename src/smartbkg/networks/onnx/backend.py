"""Running ONNX models of Belle II's signature: inputs ``x, pdg, mother, c``, output ``output`` (logits).

``x (N, 8) float32, pdg (N) int32, mother (N) int32, c () int32`` take one event; the batched variant that this package
also writes has a leading dimension of events and a further input ``n (B) int32``, the number of particles of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError
from smartbkg.graphs import DecayGraphs
from smartbkg.networks.digests import SEALED_KEY, check_seal
from smartbkg.networks.onnx.config import OnnxConfig, belle2_onnx_config, parse_onnx_config, read_onnx_config
from smartbkg.networks.scorer import Scorer
from smartbkg.optional import needed_for
from smartbkg.storage.bounds import ALWAYS_ALLOWED
from smartbkg.storage.json_content import from_json
from smartbkg.storage.provenance import METADATA_KEY
from smartbkg.storage.sidecar import check_sidecar

INPUTS: Final = {"x": "tensor(float)", "pdg": "tensor(int32)", "mother": "tensor(int32)", "c": "tensor(int32)"}
OUTPUT: Final = "output"
BATCHED_INPUT: Final = "n"

#: Of ONNX Runtime: bytes of what it computes of constants when it loads a model, 1 GiB unless said.
_FOLDING: Final = "optimization.constant_folding_max_output_size_in_bytes"
#: Events that the batched variant takes at once.
_CHUNK: Final = 64


class OnnxBackend:
    """An ONNX model, evaluated by ONNX Runtime on the CPU.

    Parameters
    ----------
    content : the model file's bytes.
    source : its name, for messages.
    threads : CPU threads, 1 unless given.
    """

    def __init__(self, content: bytes, source: str, threads: int | None = None) -> None:
        with needed_for("running an ONNX model"):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry(_FOLDING, str(ALWAYS_ALLOWED))
        is_sealed = check_seal(content, source)
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises errors of its own, without a common base
            raise ModelError(f"{source}: not an ONNX model that ONNX Runtime reads: {str(error)[:200]}") from error
        self._source = source
        try:
            self._check_signature(source)
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.embedded_config: dict[str, Any] | None = (
                dict(from_json(metadata[METADATA_KEY])) if METADATA_KEY in metadata else None
            )
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise ModelError(f"{source}: damaged metadata of an ONNX model: {error}") from error
        if SEALED_KEY in metadata and not is_sealed:
            raise ModelError(f"{source}: its seal (SHA-256) is missing: the file is damaged, fetch it again")

    def _run(self, feed: Mapping[str, Any]) -> NDArray[np.float32]:
        try:
            return np.asarray(self._session.run([OUTPUT], feed)[0], dtype=np.float32)
        except Exception as error:  # ONNX Runtime raises errors of its own, without a common base
            raise ModelError(f"{self._source}: ONNX Runtime cannot run it: {str(error)[:200]}") from error

    def _check_signature(self, source: str) -> None:
        inputs = {entry.name: entry.type for entry in self._session.get_inputs()}
        self.is_batched = BATCHED_INPUT in inputs
        expected = INPUTS | ({BATCHED_INPUT: "tensor(int32)"} if self.is_batched else {})
        outputs = [entry.name for entry in self._session.get_outputs()]
        if inputs != expected or outputs != [OUTPUT]:
            raise ModelError(
                f"{source}: has inputs {inputs} and outputs {outputs}, expected {expected} and ['{OUTPUT}']"
            )
        self.n_outputs = self._session.get_outputs()[0].shape[-1]
        self.event_types: Mapping[str, int] | None = None

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.event_types is not None and (process < 0).any():
            raise ModelError(
                f"{int((process < 0).sum())} events are of no process that the model knows: say which with --process; "
                f"valid: {', '.join(sorted(self.event_types))}"
            )
        return self._padded(graphs, process) if self.is_batched else self._one_by_one(graphs, process)

    def _one_by_one(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = []
        for event in range(graphs.n_events):
            nodes = slice(graphs.offsets[event], graphs.offsets[event + 1])
            feed = {
                "x": graphs.feature[nodes],
                "pdg": graphs.token[nodes],
                "mother": graphs.mother[nodes],
                "c": np.array(process[event], dtype=np.int32),
            }
            rows.append(self._run(feed))
        n_outputs = self.n_outputs if isinstance(self.n_outputs, int) else 1
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0, n_outputs), dtype=np.float32)

    def _padded(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:
        counts = np.diff(graphs.offsets)
        result = np.zeros((graphs.n_events, int(self.n_outputs)), dtype=np.float32)
        order = np.argsort(counts, kind="stable")
        for events in np.array_split(order, range(_CHUNK, len(order), _CHUNK)) if len(order) else ():
            length = max(int(counts[events].max()), 1)
            slots = np.arange(length)
            is_particle = slots < counts[events, None]
            index = np.where(is_particle, graphs.offsets[events, None] + slots, 0)
            feed = {
                "x": np.where(
                    is_particle[..., None],
                    graphs.feature[index] if len(graphs.feature) else np.float32(0),
                    np.float32(0),
                ),
                "pdg": np.where(is_particle, graphs.token[index] if len(graphs.token) else 0, 0).astype(np.int32),
                "mother": np.where(is_particle, graphs.mother[index] if len(graphs.mother) else -1, -1).astype(
                    np.int32
                ),
                "c": process[events].astype(np.int32),
                "n": counts[events].astype(np.int32),
            }
            result[events] = self._run(feed)
        return result


def _config_of(backend: OnnxBackend, model_config: str | Path | Mapping[str, Any] | None, source: str) -> OnnxConfig:
    if model_config is not None:
        return read_onnx_config(model_config)
    if backend.embedded_config is not None:
        return parse_onnx_config(backend.embedded_config, source)
    config = belle2_onnx_config()
    if backend.n_outputs != len(config.skims):
        raise ModelError(
            f"{source}: {backend.n_outputs} outputs and no configuration inside: give --model-config config.json "
            f"(Belle II's own, with {len(config.skims)} outputs, is known)"
        )
    return config


def load_onnx_scorer(
    path: str | Path, *, model_config: str | Path | Mapping[str, Any] | None = None, threads: int | None = None
) -> Scorer:
    """A scorer of an ONNX model: upstream's own, or one that this package exported.

    Parameters
    ----------
    model_config : JSON of `smartbkg.networks.onnx.config`; by default what the file carries, or Belle II's.

    Raises
    ------
    ModelError
        Damaged, of another signature, or a configuration that does not fit.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from error
    check_sidecar(Path(path))
    backend = OnnxBackend(content, str(path), threads)
    config = _config_of(backend, model_config, str(path))
    if isinstance(backend.n_outputs, int) and backend.n_outputs != len(config.skims):
        raise ModelError(f"{path}: {backend.n_outputs} outputs, the configuration names {len(config.skims)} skims")
    if not config.takes_unknown_process:
        backend.event_types = config.event_types
    return Scorer(
        backend,
        skims=config.skims,
        graph_rule=config.graph_rule,
        processes=_process_order(config.event_types),
        calibration=config.calibration,
        policy=config.policy(),
        source=str(path),
    )


def _process_order(event_types: Mapping[str, int]) -> tuple[str, ...]:
    """Names so that their position is the model's number; gaps get a name that no event has."""
    by_number = {number: name for name, number in event_types.items()}
    return tuple(by_number.get(number, f"\0{number}") for number in range(max(by_number, default=-1) + 1))


__all__ = ["BATCHED_INPUT", "INPUTS", "OUTPUT", "OnnxBackend", "load_onnx_scorer"]
