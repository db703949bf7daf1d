"""Kinds of processor for which machine code is made ahead of time, and which of them this machine is.

The levels of x86-64 are those of its System V ABI (https://gitlab.com/x86-psABIs/x86-64-ABI, section 3.1.1): v2 is
any server since 2009, v3 adds AVX2 and FMA (2013), v4 AVX-512. Every 64-bit ARM processor has the vectors of ``armv8``.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from typing import Final, NamedTuple


class Level(NamedTuple):
    """A kind of processor."""

    name: str
    """Folder of its machine code."""
    machine: str
    """Of `platform.machine`."""
    cpu: str
    """Name of the processor for LLVM."""
    features: frozenset[str]
    """LLVM's names of the features that a machine must have to run its code; those of lower levels included."""


_V2: Final = frozenset({"cx16", "popcnt", "sahf", "sse3", "ssse3", "sse4.1", "sse4.2"})
_V3: Final = _V2 | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
_V4: Final = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

#: All levels, the best of a machine first.
LEVELS: Final = (
    Level("x86-64-v4", "x86_64", "x86-64-v4", _V4),
    Level("x86-64-v3", "x86_64", "x86-64-v3", _V3),
    Level("x86-64-v2", "x86_64", "x86-64-v2", _V2),
    Level("armv8", "aarch64", "generic", frozenset({"neon"})),
)


def levels_of(machine: str, features: Mapping[str, bool]) -> tuple[Level, ...]:
    """The levels whose code a machine can run, best first.

    Parameters
    ----------
    machine : as `platform.machine` calls it.
    features : LLVM's name of a feature → whether the machine has it.
    """
    present = {name for name, is_there in features.items() if is_there}
    return tuple(level for level in LEVELS if level.machine == machine and level.features <= present)


@functools.cache
def levels_of_this_machine() -> tuple[Level, ...]:
    """The levels whose code can run here, best first; none on other processors."""
    from llvmlite import binding

    return levels_of(platform.machine(), binding.get_host_cpu_features())


__all__ = ["LEVELS", "Level", "levels_of", "levels_of_this_machine"]
