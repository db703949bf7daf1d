"""JSON from files and connections: what cannot be read is a `ValueError`, brackets nested a million times deep too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def from_json(text: str | bytes, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The content of JSON text.

    Parameters
    ----------
    object_pairs_hook : as that of `json.loads`.

    Raises
    ------
    ValueError
        It is no JSON, or nested deeper than Python's stack.
    """
    try:
        return json.loads(text, object_pairs_hook=object_pairs_hook)
    except RecursionError as error:
        raise ValueError("nested too deeply for JSON of this kind") from error


__all__ = ["from_json"]
