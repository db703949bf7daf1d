"""The record of a chunk: the small file that makes an attempt's files the result.

Two lines: JSON, and its SHA-256, by which damage is seen. What it holds is in docs/campaign.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.publication import read_published
from smartbkg.errors import FileFormatError
from smartbkg.events.totals import exact_sum
from smartbkg.storage.json_content import from_json

KIND: Final = "chunk"
SCHEMA_VERSION: Final = 1
_REMEDY: Final = "remove it, and `smartbkg campaign run` makes the chunk again, the same events"


def as_bytes(content: Mapping[str, Any]) -> bytes:
    """A record as it is published."""
    line = json.dumps({"kind": KIND, "schema_version": SCHEMA_VERSION, **content}, sort_keys=True).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def read_record(path: Path, index: int | None = None) -> dict[str, Any]:
    """The content of a record.

    Parameters
    ----------
    index : number of the chunk that it must be of.

    Raises
    ------
    FileFormatError
        Damaged, of a newer schema, or of another chunk: says what to do.
    """
    try:
        line, _, rest = read_published(path).partition(b"\n")
    except OSError as error:
        raise FileFormatError(f"{path}: cannot read the record: {error.strerror}") from error
    if hashlib.sha256(line).hexdigest().encode() != rest.strip():
        raise FileFormatError(f"{path}: the record is damaged (its checksum does not fit): {_REMEDY}")
    try:
        content = from_json(line)
    except ValueError as error:
        raise FileFormatError(f"{path}: the record is no JSON: {_REMEDY}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise FileFormatError(f"{path}: no record of a chunk: {_REMEDY}")
    if content["schema_version"] > SCHEMA_VERSION:
        raise FileFormatError(
            f"{path}: record of schema {content['schema_version']}, this version reads up to {SCHEMA_VERSION}: "
            "upgrade smartbkg"
        )
    if index is not None and content["chunk"] != index:
        raise FileFormatError(f"{path}: the record of chunk {content['chunk']} under the name of another: {_REMEDY}")
    return content


def skim_sums(
    weight: NDArray[np.float64], keep_probability: NDArray[np.float64], passed: NDArray[np.bool_]
) -> dict[str, Any]:
    """Sums over the simulated events that passed a skim, from which n_eff and speed-up follow with their errors.

    Parameters
    ----------
    weight : (n_kept,) w/q.
    keep_probability : (n_kept,) q.
    passed : (n_kept,) True = passed.

    Returns
    -------
    n and exact sums as text: ``w`` = Σw/q, ``v`` = Σ(w/q)², ``u`` = Σw²/q, which estimates Σw² over all passing events;
    ``uu``, ``uv``, ``vv`` = sums of products of an event's u and v.
    """
    w, q = weight[passed], keep_probability[passed]
    v = w * w
    u = v * q
    columns = {"w": w, "v": v, "u": u, "uu": u * u, "uv": u * v, "vv": v * v}
    return {"n": len(w)} | {name: str(exact_sum(values)) for name, values in columns.items()}
