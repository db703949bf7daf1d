"""From a model file of any kind to a scorer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartbkg.errors import ModelError, UsageError
from smartbkg.networks.bundle import load_bundle
from smartbkg.networks.scorer import Scorer, scorer_of


def model_suffix(path: Path) -> str:
    """The kind of a model file, ``.safetensors``, ``.pth`` or ``.onnx``: by its suffix, else by its first bytes.

    Files from a conditions database have names such as ``GATGAPgen.pth_r1.root``. What is neither a zip archive or
    pickle (PyTorch) nor begins with a protobuf's field 1 (ONNX) is left to the reader of safetensors.
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
    without_surrogate: bool = False,
) -> Scorer:
    """A scorer of a model file.

    Parameters
    ----------
    path : ``.safetensors`` of this package, ``.pth`` of upstream's trainer, or ``.onnx``; compared with
        ``<path>.sha256`` where that is there.
    model_config : for ``.pth`` the hyper-parameters, for ``.onnx`` the JSON of Belle II's module (a path);
        a ``.safetensors`` file has its own.
    threads : CPU threads, 1 unless given.
    device : ``cpu`` or ``cuda``.
    without_surrogate : leave out the model's surrogate, where it has one: the network alone with its own policy.

    Raises
    ------
    ModelError
        The file is missing, damaged, unsafe, or not a model.
    """
    path = Path(path)
    suffix = model_suffix(path)
    if suffix == ".onnx":
        from smartbkg.networks.onnx.backend import load_onnx_scorer

        return load_onnx_scorer(path, model_config=model_config, threads=threads)
    if suffix == ".pth":
        from smartbkg.networks.upstream import load_state_dict_file

        bundle = load_state_dict_file(path, model_config=model_config)
    elif model_config is not None:
        raise UsageError(f"{path}: a .safetensors model carries its own configuration; leave model_config out")
    else:
        bundle = load_bundle(path)
    try:
        return scorer_of(bundle, threads=threads, device=device, source=str(path), without_surrogate=without_surrogate)
    except ModelError as error:
        message = str(error)
        raise ModelError(message if message.startswith(f"{path}: ") else f"{path}: {message}") from error
