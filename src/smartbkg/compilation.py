"""Compiled kernels whose machine code is kept on disk, never out of date, and announced when it must be made.

Numba keeps the code of a kernel as long as the file that holds it is unchanged, although the code contains functions of
other files. Here the sources of all modules of this package that the file imports, directly or not, belong to the key.
The folder is numba's own choice: beside the source where that can be written, else the user's cache, or what
``NUMBA_CACHE_DIR`` names; where none can be written the kernel is compiled in each process.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba
from numba.core.caching import FunctionCache

_LOGGER: Final = logging.getLogger(__name__)
_FOLDER: Final = Path(__file__).resolve().parent


def imported_sources(path: Path) -> frozenset[Path]:
    """The modules of this package that a file imports, directly or not, and itself; packages' own files left out."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found or not current.is_file():
            continue
        found.add(current)
        for node in ast.walk(ast.parse(current.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    package, *parts = name.split(".")
                    if package == _FOLDER.name and parts:
                        waiting.append(_FOLDER.joinpath(*parts).with_suffix(".py"))
    return frozenset(found)


@functools.cache
def _digest_of_sources(path: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted(imported_sources(path)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


# Numba's annotations leave out what is used here.
_FunctionCache: Any = FunctionCache
_njit: Any = numba.njit


class _AnnouncedCache(_FunctionCache):  # type: ignore[misc]
    """Numba's cache with all sources in the key, and a message when it holds nothing."""

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(signature, codegen), _digest_of_sources(Path(self._py_func.__code__.co_filename)))

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        found = super().load_overload(signature, target_context)
        if found is None:
            self._started = time.perf_counter()
            _LOGGER.warning("compiling %s: once for this version, up to a minute", self._py_func.__name__.strip("_"))
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        super().save_overload(signature, data)
        _LOGGER.info("compiled in %.0f s, kept in %s", time.perf_counter() - self._started, self.cache_path)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and keep the machine code between processes; it releases the GIL.

    When a compilation begins, the logger of this module says so with a warning, which Python prints unless told
    otherwise: a first run must not wait without a word.
    """
    compiled = _njit(nogil=True, error_model="numpy")(function)
    try:
        compiled._cache = _AnnouncedCache(function)
    except RuntimeError:
        _LOGGER.warning("no folder to keep compiled code: set NUMBA_CACHE_DIR to one that can be written")
    return compiled


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only a `kernel` calls; it becomes part of that kernel's machine code."""
    return _njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


__all__ = ["imported_sources", "kernel", "part"]
