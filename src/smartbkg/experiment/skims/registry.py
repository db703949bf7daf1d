"""Skims: which events pass. A registry of name → selection, code, documentation; anyone can add to it.

A selection is a function from `smartbkg.experiment.reconstruction.reconstruct.ReconstructedEvents` to one truth
value per event.
Further skims come from packages by the entry-point group ``smartbkg.skims``, from any file by ``file.py:function`` or
from a module by ``module:function``. The skims here carry the names, codes and published cuts of Belle II (basf2,
`skim` package) as far as they apply to the embedded experiment; `docs/skims.md` says where they do not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError, nearest
from smartbkg.events.columns import PASSES_PREFIX
from smartbkg.experiment.reconstruction.reconstruct import ReconstructedEvents
from smartbkg.plug_ins import load_plug_in

Selection = Callable[[ReconstructedEvents], NDArray[np.bool_]]

#: Entry-point group of skims from other packages: ``name = "module:function or Skim"``.
ENTRY_POINTS: Final = "smartbkg.skims"


@dataclass(frozen=True)
class Skim:
    """A skim."""

    name: str
    """Name; the flag's column is ``passes_<name>``."""
    select: Selection
    """Events → (n_events,) bool, True where the event passes."""
    code: str = ""
    """Belle II's skim code, empty for a skim of one's own."""
    documentation: str = ""
    """What passes, in words."""
    kinds: frozenset[str] | None = None
    """Top kinds of candidates (`smartbkg.experiment.reconstruction.reconstruct.TOP_KINDS`) that it looks
    at; None = all. The oracle reconstructs no others."""

    @property
    def column(self) -> str:
        """Name of its column in a file of flags."""
        return PASSES_PREFIX + self.name


_REGISTRY: Final[dict[str, Skim]] = {}
#: Not empty from the moment at which loading begins: what is loaded registers skims, which asks for loading again.
_LOADING_BEGAN: Final[set[str]] = set()


def register_skim(skim: Skim) -> Skim:
    """Add a skim to the registry.

    Raises
    ------
    UsageError
        There is another skim of that name, or the name is not an identifier.
    """
    if not skim.name.isidentifier():
        raise UsageError(f"skim name '{skim.name}' is not an identifier: letters, digits and _ only")
    _load()
    if _REGISTRY.get(skim.name, skim) != skim:
        raise UsageError(f"there is already a skim '{skim.name}'")
    _REGISTRY[skim.name] = skim
    return skim


def skim(name: str, *, code: str = "", kinds: Iterable[str] | None = None) -> Callable[[Selection], Selection]:
    """Decorator that registers a selection under a name, with its docstring as documentation.

    Examples
    --------
    >>> @skim("twoPhotonsOrMore")
    ... def two_photons(events):
    ...     "At least two photons above 0.1 GeV."
    ...     return events.variables["nPhotons"] >= 2
    >>> find_skim("twoPhotonsOrMore").column
    'passes_twoPhotonsOrMore'
    """

    def add(select: Selection) -> Selection:
        wanted = None if kinds is None else frozenset(kinds)
        register_skim(Skim(name, select, code, (select.__doc__ or "").strip(), wanted))
        return select

    return add


def _load() -> None:
    """Register the skims of this package and of others that are installed, once."""
    if _LOADING_BEGAN:
        return
    _LOADING_BEGAN.add(ENTRY_POINTS)
    try:
        importlib.import_module("smartbkg.experiment.skims.belle2")
        for entry in metadata.entry_points(group=ENTRY_POINTS):
            if entry.name not in _REGISTRY:
                register_skim(_as_skim(entry.load(), entry.name))
    except BaseException:
        _LOADING_BEGAN.clear()
        raise


def _as_skim(loaded: Any, name: str) -> Skim:
    if isinstance(loaded, Skim):
        return loaded
    if callable(loaded):
        return Skim(name, loaded, "", (loaded.__doc__ or "").strip())
    raise UsageError(f"skim '{name}' is a {type(loaded).__name__}, expected a function of events or a Skim")


def skim_names() -> tuple[str, ...]:
    """Names of all registered skims, those of installed packages included."""
    _load()
    return tuple(_REGISTRY)


def skims_of_module(module: str) -> tuple[str, ...]:
    """Names of the skims that a module has registered so far, in its order."""
    return tuple(name for name, known in _REGISTRY.items() if known.select.__module__ == module)


def find_skim(name: str) -> Skim:
    """The skim of that name, or of ``file.py:function`` or ``module:function``.

    Raises
    ------
    UsageError
        There is none: names the nearest; or the file or module cannot be used.
    """
    if ":" in name:
        return _skim_of_plug_in(name)
    if name not in skim_names():
        raise UsageError(f"unknown skim '{name}': {nearest(name, skim_names())}; or give file.py:function")
    return _REGISTRY[name]


def _skim_of_plug_in(name: str) -> Skim:
    loaded = load_plug_in(name, "skim")
    for known in _REGISTRY.values():
        if known.select is loaded:
            return known
    return _as_skim(loaded, name.rpartition(":")[2])


def apply_skim(skim: Skim, events: ReconstructedEvents) -> NDArray[np.bool_]:
    """(n_events,) bool, True where an event passes.

    Raises
    ------
    UsageError
        The selection did not return one truth value per event.
    """
    passes = np.asarray(skim.select(events))
    if passes.shape != (len(events),) or passes.dtype != np.bool_:
        got = f"{passes.dtype} of shape {passes.shape}"
        raise UsageError(f"skim '{skim.name}' returned {got}, expected bool of shape ({len(events)},)")
    return passes
