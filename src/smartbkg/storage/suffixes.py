"""The one rule of names: an output is called by what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from smartbkg.errors import UsageError
from smartbkg.storage.atomic import is_device

MODEL: Final = (".safetensors",)
TABLE: Final = (".parquet", ".pq")
NTUPLE: Final = (".root",)
PAGE: Final = (".html", ".htm")
JSON: Final = (".json",)
YAML: Final = (".yaml", ".yml")
ONNX: Final = (".onnx",)
DRAWING: Final = (".svg",)
PICTURE: Final = (".pdf", ".png", ".svg")


def require_suffix(path: Path, suffixes: Sequence[str], content: str) -> None:
    """Raise `UsageError` unless the name of an output ends as its content demands.

    A device or FIFO may have any name.

    Parameters
    ----------
    suffixes : that fit the content, as in ``(".parquet", ".pq")``; any name fits an empty sequence.
    content : what is written, in a word or two, as in "a model".
    """
    if suffixes and not path.name.endswith(tuple(suffixes)) and not is_device(path):
        raise UsageError(f"{path}: {content} is written, expected a name that ends in {' or '.join(suffixes)}")


__all__ = ["DRAWING", "JSON", "MODEL", "NTUPLE", "ONNX", "PAGE", "PICTURE", "TABLE", "YAML", "require_suffix"]
