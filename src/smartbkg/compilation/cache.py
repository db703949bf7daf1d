"""Where a kernel's machine code is looked for and kept.

First in the package itself (`SHIPPED`, made ahead of time for some kinds of processor, only read), then in the user's
folder: what ``NUMBA_CACHE_DIR`` names, else the user's cache. Code that is found nowhere is made and kept there; where
that folder cannot be written, it is made in each process. Machine code is trusted as the sources beside it are: a
folder that others can write is no place for either.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import llvmlite
import numba
import platformdirs
from numba.core import caching, compiler, config, runtime, serialize

from smartbkg.compilation.processor import Level, levels_of_this_machine
from smartbkg.compilation.sources import digest_of_sources
from smartbkg.compilation.store import SUFFIX, mark_used, read_code, remove_unused, write_code

_LOGGER: Final = logging.getLogger("smartbkg.compilation")
#: Machine code that comes with the installation: a folder for each `Level`.
SHIPPED: Final = Path(__file__).resolve().parent / "machine_code"
#: File beside the code of a level that tells for which `versions` it was made.
MADE_FOR: Final = "made-for.txt"
#: Position of the printed types in numba's reduced result. They serve its inspection alone, and are the larger part.
_TYPE_ANNOTATION: Final = 6
# Numba's annotations leave out what is used here.
_NumbaCache: Any = caching._Cache
_CompileResult: Any = compiler.CompileResult
_config: Any = config
_dumps: Any = serialize.dumps
_memory: Any = runtime.rtsys  # type: ignore[attr-defined]


class Place(NamedTuple):
    """A folder with machine code for one kind of processor."""

    folder: Path
    processor: str
    """Name of a level, or LLVM's name and features of this machine."""


class _Destination:
    """Where code that was made is kept, if not in the user's folder: set by a build of what is shipped."""

    place: Place | None = None
    is_unwritable = False


def build_into(folder: Path, level: Level) -> None:
    """Let this process make machine code for a level and keep it in a folder; it can run none of it.

    The environment must have told numba before its import: ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` of the level.
    """
    if level.cpu != _config.CPU_NAME:
        raise RuntimeError(f"numba makes code for '{_config.CPU_NAME}', expected '{level.cpu}'")
    _Destination.place = Place(folder / level.name, level.name)


def versions() -> str:
    """What machine code depends on beside sources, processor and arguments: Python, numba, llvmlite."""
    return f"{sys.implementation.cache_tag}, numba {numba.__version__}, llvmlite {llvmlite.__version__}"


def user_folder() -> Path:
    """The folder where code that does not come with the installation is kept."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(named) if named else Path(platformdirs.user_cache_dir("smartbkg", appauthor=False))
    return base / "kernels"


class KernelCache(_NumbaCache):  # type: ignore[misc]
    """Numba's interface to the cache of one function.

    Parameters
    ----------
    function : the Python function that is compiled.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._source = Path(function.__code__.co_filename)
        self._started = 0.0

    @property
    def cache_path(self) -> str:
        return str(self._own_place(None).folder)

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It never is: code that is not kept would be made in each process."""

    def flush(self) -> None:
        """Nothing is kept in memory."""

    def load_kept(self, argument_types: Any, target_context: Any) -> Any:
        """The compiled function for some types of arguments, None where none is kept.

        Numba's compiler stays asleep, which saves most of a short process's time: its registries of what can be
        compiled are not loaded, only its memory management, which compiled code calls. Raises nothing for a file that
        is damaged.
        """
        _memory.initialize(target_context)
        for place in self._places(target_context.codegen()):
            path = self._path(place, argument_types)
            content = read_code(path)
            if content is None:
                continue
            if place.folder.parent != SHIPPED:
                mark_used(path)
            return _CompileResult._rebuild(target_context, *pickle.loads(content))
        return None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """As `load_kept`; what is not kept is about to be compiled, and the user is told."""
        found = self.load_kept(sig, target_context)
        if found is None:
            self._started = time.perf_counter()
            name = self._name.rpartition(".")[2].strip("_")
            _LOGGER.warning("compiling %s: once for this version, up to a minute", name)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function. A folder that cannot be written is told once in a process."""
        if any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            _LOGGER.warning("%s holds pointers of this process: its code cannot be kept", self._name)
            return
        reduced = list(data._reduce())
        reduced[_TYPE_ANNOTATION] = ""
        place = self._own_place(data.codegen)
        try:
            write_code(self._path(place, sig), _dumps(tuple(reduced)))
        except OSError as error:
            if not _Destination.is_unwritable:
                _Destination.is_unwritable = True
                _LOGGER.warning(
                    "compiled code cannot be kept in %s (%s): set NUMBA_CACHE_DIR to a folder that can be written",
                    place.folder, error.strerror,
                )  # fmt: skip
            return
        if place.folder.parent != SHIPPED:
            remove_unused(place.folder, self._name)
        _LOGGER.info("compiled in %.0f s, kept in %s", time.perf_counter() - self._started, place.folder)

    def _places(self, codegen: Any) -> Iterator[Place]:
        if _Destination.place is None and SHIPPED.is_dir():
            yield from (Place(SHIPPED / level.name, level.name) for level in levels_of_this_machine())
        yield self._own_place(codegen)

    def _own_place(self, codegen: Any) -> Place:
        if _Destination.place is not None:
            return _Destination.place
        processor = "" if codegen is None else "/".join(map(str, codegen.magic_tuple()))
        return Place(user_folder(), processor)

    def _path(self, place: Place, sig: Any) -> Path:
        """The file for the types of some arguments: its name tells all that its content depends on."""
        key = (
            versions(),
            _config.OPT,
            _config.BOUNDSCHECK,
            place.processor,
            digest_of_sources(self._source),
            repr(sig),
        )
        return place.folder / f"{self._name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}{SUFFIX}"


__all__ = ["MADE_FOR", "SHIPPED", "KernelCache", "Place", "build_into", "user_folder", "versions"]
