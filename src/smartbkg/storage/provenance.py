"""What made a file: versions, settings, inputs. Stored in every file this package writes.

No time and no path enters: the same inputs and settings give the same bytes.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from smartbkg._version import __version__
from smartbkg.errors import SchemaError
from smartbkg.storage.atomic import STANDARD

#: Key of the JSON record in the metadata of Parquet, safetensors and ONNX files.
METADATA_KEY = "smartbkg"

_LIBRARIES = ("numpy", "pyarrow", "torch", "pythia8mc")


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_of(settings: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of settings, independent of the order of keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Versions of the libraries that can change a result, those that are installed."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def record(
    kind: str, schema_version: int, settings: Mapping[str, Any], inputs: Sequence[Path] = (), **further: Any
) -> dict[str, Any]:
    """The provenance record of a file.

    Parameters
    ----------
    kind, schema_version : of the file, from `smartbkg.storage.kinds`.
    settings : what the user chose; its digest is stored beside it.
    inputs : files read; name and SHA-256 are stored.
    """
    return {
        "kind": kind,
        "schema_version": schema_version,
        "package_version": __version__,
        "libraries": dict(library_versions()),
        "settings": dict(settings),
        "settings_digest": digest_of(settings),
        "inputs": inputs_of(inputs),
        **further,
    }


def inputs_of(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Name and SHA-256 of each file; what is no file, such as a pipe, is left out."""
    return [
        {"name": path.name, "sha256": sha256_of_file(path)}
        for path in paths
        if path.is_file() and str(path) != STANDARD
    ]


def check_schema(found: Mapping[str, Any], kind: str, newest: int, source: str) -> None:
    """Refuse a record of another kind or of a schema newer than this version knows.

    Raises
    ------
    SchemaError
        Says what was found and what to do.
    """
    if found.get("kind") != kind:
        raise SchemaError(f"{source}: holds '{found.get('kind')}', expected '{kind}'")
    try:
        version = int(found.get("schema_version", 0))
    except (TypeError, ValueError):
        raise SchemaError(f"{source}: schema version {found.get('schema_version')!r}, expected a number") from None
    if version > newest:
        raise SchemaError(
            f"{source}: schema {found['schema_version']} of '{kind}' was written by smartbkg "
            f"{found.get('package_version')}, this version ({__version__}) reads up to {newest}: upgrade smartbkg"
        )
