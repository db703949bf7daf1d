"""Zstandard: of the standard library from Python 3.14 on, before that of its backport, which is a dependency there.

It is imported when compressed data is met, so that an installation made without dependencies (``pip install --no-deps``
into a release that has most of them) reads everything else.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, Final

from smartbkg.errors import SmartBKGError

_NAME: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def zstandard() -> ModuleType:
    """The module with ``open``, ``ZstdFile``, ``CompressionParameter`` and ``ZstdError``.

    Raises
    ------
    SmartBKGError
        The backport is not installed.
    """
    try:
        return importlib.import_module(_NAME)
    except ImportError as error:
        raise SmartBKGError(f"Zstandard data needs {_NAME}, which is not installed: pip install {_NAME}") from error


def zstandard_errors() -> tuple[type[Exception], ...]:
    """What the module raises for damaged data; nothing where it was not imported."""
    module: Any = sys.modules.get(_NAME)
    return () if module is None else (module.ZstdError,)


__all__ = ["zstandard", "zstandard_errors"]
