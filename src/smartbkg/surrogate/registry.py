"""Surrogates by name: what installed packages offer under the entry-point group ``smartbkg.surrogates``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from smartbkg.errors import ModelError, UsageError, nearest
from smartbkg.storage.provenance import digest_of
from smartbkg.surrogate.protocol import ENTRY_POINTS, Surrogate, SurrogateKind


@functools.cache
def surrogate_kinds() -> Mapping[str, SurrogateKind]:
    """Name → kind, of all installed packages.

    Raises
    ------
    UsageError
        An entry point offers something else.
    """
    found: dict[str, SurrogateKind] = {}
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        kind = entry.load()
        if not isinstance(kind, SurrogateKind):
            raise UsageError(f"plug-in {entry.value}: is a {type(kind).__name__}, expected a SurrogateKind")
        found[entry.name] = kind
    return found


def open_surrogate(text: str) -> Surrogate:
    """The surrogate that a user names.

    Raises
    ------
    UsageError
        No installed kind knows it: says what can be named.
    """
    kinds = surrogate_kinds()
    for kind in kinds.values():
        found = kind.recognise(text)
        if found is not None:
            return found
    choices = "; ".join(kind.syntax for kind in kinds.values()) or "none is installed: install smartbkg again"
    raise UsageError(f"unknown surrogate '{text}', expected {choices}")


def surrogate_digest(surrogate: Surrogate) -> str:
    """SHA-256 of what decides a surrogate's results."""
    return digest_of({"kind": surrogate.kind, "version": surrogate.version, "settings": dict(surrogate.settings)})


def restore_surrogate(kind: str, settings: Mapping[str, Any], digest: str, source: str) -> Surrogate:
    """The surrogate that a model was made with.

    Raises
    ------
    ModelError
        No installed package offers it, or the installed one gives other results: says what to do.
    """
    kinds = surrogate_kinds()
    remedy = (
        "install the package that offers it, make the score again with `smartbkg calibrate`, or leave it out with "
        "--without-surrogate"
    )
    if kind not in kinds:
        raise ModelError(
            f"{source}: needs the surrogate '{kind}', which is not installed ({nearest(kind, kinds)}): {remedy}"
        )
    surrogate = kinds[kind].restore(settings)
    if surrogate_digest(surrogate) != digest:
        raise ModelError(
            f"{source}: its surrogate '{surrogate.name}' (digest {digest[:12]}) is not the installed one (version "
            f"{surrogate.version}, digest {surrogate_digest(surrogate)[:12]}), which would give other scores: {remedy}"
        )
    return surrogate
