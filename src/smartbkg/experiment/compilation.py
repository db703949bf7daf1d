"""Compiled kernels whose compilation is kept on disk, announced when it takes place, and never out of date.

numba keeps a kernel as long as the file that holds it is unchanged, although the kernel contains code of other files.
Here the digest of all sources that the file imports, directly or not, belongs to the key. The folder is numba's own
choice: beside the source where that can be written, else the user's cache, or ``NUMBA_CACHE_DIR``; where none can be
written the kernel is compiled in each process.
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
_PACKAGE: Final = __name__.rpartition(".")[0]


def _imported(path: Path) -> set[Path]:
    """Files of this package that a file imports, directly or not, and itself."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found or not current.is_file():
            continue
        found.add(current)
        for node in ast.walk(ast.parse(current.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                waiting += [
                    path.parent / f"{name.rpartition('.')[2]}.py" for name in names if name.startswith(_PACKAGE)
                ]
    return found


@functools.cache
def _digest_of_sources(path: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted(_imported(path)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


class _AnnouncedCache(FunctionCache):
    """numba's cache with our sources in the key and a message when nothing is found."""

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return (
            *super()._index_key(signature, codegen),  # type: ignore[no-untyped-call]
            _digest_of_sources(Path(self._py_func.__code__.co_filename)),
        )

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        found = super().load_overload(signature, target_context)  # type: ignore[no-untyped-call]
        if found is None:
            self._started = time.perf_counter()
            _LOGGER.warning("compiling %s: once for this version, up to a minute", self._py_func.__name__.strip("_"))
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        super().save_overload(signature, data)  # type: ignore[no-untyped-call]
        _LOGGER.info("compiled in %.0f s, kept in %s", time.perf_counter() - self._started, self.cache_path)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an entry point that Python calls, and keep the machine code between processes.

    Functions that only compiled code calls take `part`. Messages go to the logger ``smartbkg.experiment.compilation``:
    a warning, which Python prints unless told otherwise, when a compilation begins.
    """
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled._cache = _AnnouncedCache(function)  # type: ignore[no-untyped-call]  # numba's
    except RuntimeError:
        _LOGGER.warning("no folder to keep compiled code: set NUMBA_CACHE_DIR to one that can be written")
    return compiled


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that a `kernel` calls; it becomes part of that kernel's machine code.

    It has no entry from Python (which halves its compilation): tests reach it through a kernel, or its ``py_func``.
    """
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(nogil=True, error_model="numpy", **options)(function)
