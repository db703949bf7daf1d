"""Libraries that an extra brings: what a user reads who calls for one that is not installed.

The core (reading, filtering, scoring, merging, inspecting) needs none of them. Where one is used it is imported inside
`needed_for`, so that a missing one is an error that names the extra, never a traceback.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, NamedTuple

from smartbkg.errors import MissingDependencyError


class Library(NamedTuple):
    """An optional library."""

    name: str
    """As its project and pip call it."""
    extras: tuple[str, ...]
    """Extras of this package that bring it; the first is named where the caller names none."""


#: Module at the top of an optional library → the library.
LIBRARIES: Final[Mapping[str, Library]] = {
    "aiohttp": Library("aiohttp", ("remote",)),
    "dask": Library("dask", ("cluster",)),
    "dask_jobqueue": Library("dask-jobqueue", ("cluster",)),
    "distributed": Library("distributed", ("cluster",)),
    "fsspec": Library("fsspec", ("remote",)),
    "fsspec_xrootd": Library("fsspec-xrootd", ("remote",)),
    "hep_ml": Library("hep_ml", ("train",)),
    "hist": Library("hist", ("report",)),
    "jinja2": Library("jinja2", ("report",)),
    "matplotlib": Library("matplotlib", ("report",)),
    "mplhep": Library("mplhep", ("report",)),
    "onnx": Library("onnx", ("onnx",)),
    "onnxruntime": Library("onnxruntime", ("onnx",)),
    "pandas": Library("pandas", ("basf2",)),
    "pythia8mc": Library("pythia8mc", ("generate",)),
    "scipy": Library("scipy", ("report", "train")),
    "sklearn": Library("scikit-learn", ("train", "report")),
    "tables": Library("tables", ("basf2",)),
    "tensorboard": Library("tensorboard", ("tensorboard",)),
    "torch": Library("torch", ("train",)),
}


def missing_library(error: ImportError, purpose: str, extra: str | None = None) -> MissingDependencyError | None:
    """What to say of a failed import; None where it was not that of an optional library.

    Parameters
    ----------
    purpose : what the library is needed for, as the beginning of a sentence.
    extra : the extra to name where several bring the library.
    """
    library = LIBRARIES.get((error.name or "").partition(".")[0])
    if library is None:
        return None
    return MissingDependencyError(library.name, extra if extra in library.extras else library.extras[0], purpose)


class needed_for:  # noqa: N801 - read as a verb: with needed_for("training"): import torch
    """Import optional libraries: a missing one becomes the error that names its extra.

    >>> with needed_for("drawing"):
    ...     import json

    Parameters
    ----------
    purpose, extra : as in `missing_library`.

    Raises
    ------
    MissingDependencyError
        An optional library is not installed.
    """

    def __init__(self, purpose: str, extra: str | None = None) -> None:
        self._purpose = purpose
        self._extra = extra

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Exchange an import error."""
        if isinstance(error, ImportError):
            missing = missing_library(error, self._purpose, self._extra)
            if missing is not None:
                raise missing from error


def require(modules: Iterable[str], purpose: str, extra: str | None = None) -> None:
    """Import what a work needs, so that it does not begin and stop half-way for want of a library.

    Parameters
    ----------
    modules : keys of `LIBRARIES`.
    purpose, extra : as in `missing_library`.

    Raises
    ------
    MissingDependencyError
        Names all that are not installed and the extras that bring them.
    """
    absent: list[Library] = []
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            library = LIBRARIES.get((error.name or "").partition(".")[0])
            if library is None:
                raise
            if library not in absent:
                absent.append(library)
    if absent:
        extras = [extra if extra in library.extras else library.extras[0] for library in absent]
        raise MissingDependencyError([library.name for library in absent], list(dict.fromkeys(extras)), purpose)


__all__ = ["LIBRARIES", "Library", "missing_library", "needed_for", "require"]
