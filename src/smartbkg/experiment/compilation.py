"""Compiled kernels whose compilation is kept on disk, announced when it takes place, and never out of date.

numba keeps a kernel as long as the file that holds it is unchanged, although the kernel contains code of other files.
Here the digest of all sources of this package belongs to the key. The folder is numba's own choice: beside the source
where that can be written, else the user's cache, or ``NUMBA_CACHE_DIR``; where none can be written the kernel is
compiled in each process.
"""

from __future__ import annotations

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


@functools.cache
def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _AnnouncedCache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """numba's cache with our sources in the key and a message when nothing is found."""

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(signature, codegen), _digest_of_sources())

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
    """Compile an entry point that Python calls, and keep the machine code between processes.

    Functions that only compiled code calls take `part`. Messages go to the logger ``smartbkg.experiment.compilation``:
    a warning, which Python prints unless told otherwise, when a compilation begins.
    """
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled._cache = _AnnouncedCache(function)
    except RuntimeError:
        _LOGGER.warning("no folder to keep compiled code: set NUMBA_CACHE_DIR to one that can be written")
    return compiled


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that a `kernel` calls; it becomes part of that kernel's machine code."""
    return numba.njit(nogil=True, error_model="numpy")(function)
