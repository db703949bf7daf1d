"""Which source files a kernel's machine code was made of: its own, and all of this package that it imports.

A kernel contains the code of functions of other files, so that all of them belong to the key under which it is kept.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).resolve().parents[1]
#: The options under which every kernel is compiled.
_OPTIONS: Final = Path(__file__).resolve().with_name("kernels.py")


_NAME: Final = re.compile(r"\w+")
#: ``from smartbkg.a.b import c, d``, over several lines where the names stand in brackets.
_IMPORT: Final = re.compile(rb"^[ \t]*from[ \t]+smartbkg\.([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)", re.MULTILINE)


@functools.cache
def _content_of(path: Path) -> bytes:
    return path.read_bytes()


@functools.cache
def _imports_of(path: Path) -> frozenset[Path]:
    """The modules of this package that a file imports from; packages' own files left out."""
    found = set()
    for module, names in _IMPORT.findall(_content_of(path)):
        origin = _FOLDER.joinpath(*module.decode().split("."))
        candidates = [origin, *(origin / name for name in _NAME.findall(names.decode()))]
        found |= {source for candidate in candidates if (source := candidate.with_suffix(".py")).is_file()}
    return frozenset(found)


def imported_sources(path: Path) -> frozenset[Path]:
    """The modules of this package that a file imports, directly or not, and itself."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(_imports_of(current))
    return frozenset(found)


@functools.cache
def digest_of_sources(path: Path) -> str:
    """SHA-256 of the sources of a file: the same wherever the package is installed."""
    digest = hashlib.sha256()
    sources = imported_sources(path) | {_OPTIONS}
    for name, source in sorted((_name(source), source) for source in sources):
        content = _content_of(source)
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _name(source: Path) -> str:
    return source.relative_to(_FOLDER).as_posix() if source.is_relative_to(_FOLDER) else source.name


__all__ = ["digest_of_sources", "imported_sources"]
