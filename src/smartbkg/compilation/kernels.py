"""The kinds of compiled function: `kernel`, which Python calls, and `part`, of which kernels are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
from numba.core.compiler_lock import global_compiler_lock

from smartbkg.compilation.cache import KernelCache

# Numba's annotations leave out what is used here.
_njit: Any = numba.njit

#: Every kernel of the modules that were imported, for the build of what is shipped.
KERNELS: Final[list[Any]] = []


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and keep the machine code between processes; it releases the GIL.

    When a compilation begins, the logger of this package says so with a warning, which Python prints unless told
    otherwise: a first run must not wait without a word.
    """
    compiled = _njit(nogil=True, error_model="numpy")(function)
    if compiled is not function:  # as it is under NUMBA_DISABLE_JIT
        cache = KernelCache(function)
        compiled._cache = cache
        compiled._compile_for_args = _loading_first(compiled, cache)
        KERNELS.append(compiled)
    return compiled


def _loading_first(compiled: Any, cache: KernelCache) -> Callable[..., Any]:
    """What numba calls for types of arguments that are new to a function: load kept code, or compile as numba does."""
    compile_for_args = compiled._compile_for_args

    def load_or_compile(*arguments: Any, **named: Any) -> Any:
        if named:
            return compile_for_args(*arguments, **named)
        argument_types = tuple(map(compiled.typeof_pyval, arguments))
        with global_compiler_lock:
            if argument_types not in compiled.overloads:
                found = cache.load_kept(argument_types, compiled.targetctx)
                if found is None:
                    return compile_for_args(*arguments)
                compiled.targetctx.insert_user_function(found.entry_point, found.fndesc, [found.library])
                compiled.add_overload(found)
            return compiled.overloads[argument_types].entry_point

    return load_or_compile


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only a `kernel` calls; it becomes part of that kernel's machine code."""
    return _njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def borrowing_part(function: Callable[..., Any]) -> Any:
    """As `part`, for functions of many small arrays that allocate none: inlined, and what they are given is borrowed.

    Counting the references of an array is an atomic operation each time one is touched, and a tuple of arrays is some
    ninety words that every call copies. Without both the reconstruction takes 0.4 of the time. A function that
    allocates does not compile.
    """
    return _njit(
        nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, forceinline=True
    )(function)


__all__ = ["KERNELS", "borrowing_part", "kernel", "part"]
