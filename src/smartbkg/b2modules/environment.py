"""Is basf2 set up, which ``smartBKG`` would a steering file import, and what is to be done."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple


class Finding(NamedTuple):
    """One thing that was looked at."""

    subject: str
    """What."""
    is_good: bool
    """True = nothing to do."""
    detail: str
    """What was found."""
    remedy: str
    """What to do, empty where nothing is to be done."""


def shim_folder() -> Path:
    """The folder to put first on ``PYTHONPATH`` so that ``import smartBKG`` finds smartbkg."""
    return Path(str(resources.files("smartbkg"))) / "basf2_shim"


def _folder_of(name: str) -> Path | None:
    """Where a package would be imported from, without importing it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ()) or ([spec.origin] if spec.origin else [])
    return Path(places[0]) if places else None


def check_environment() -> list[Finding]:
    """Look at this Python and its path."""
    return [_check_basf2(), _check_shim(), _check_requirements(), _check_libraries()]


def _check_basf2() -> Finding:
    found = _folder_of("basf2")
    release = os.environ.get("BELLE2_RELEASE", "")
    if found is not None:
        return Finding("basf2", True, f"{release or 'set up'}, {found}", "")
    command = shutil.which("basf2")
    if command is not None or release:
        detail = f"{release or command} is set up, but this Python ({sys.executable}) does not see it"
        remedy = "install smartbkg into basf2's Python: b2execute pip3 install --no-deps smartbkg"
        return Finding("basf2", False, detail, remedy)
    remedy = "on a Belle II machine: source /cvmfs/belle.cern.ch/tools/b2setup RELEASE"
    return Finding("basf2", False, "not set up; every command of smartbkg works without it", remedy)


def _check_shim() -> Finding:
    found, ours = _folder_of("smartBKG"), shim_folder()
    remedy = f'export PYTHONPATH="{ours}:$PYTHONPATH"'
    if found is None:
        return Finding("import smartBKG", False, "finds nothing", f"for upstream's steering files: {remedy}")
    if found.resolve() == (ours / "smartBKG").resolve():
        return Finding("import smartBKG", True, f"finds smartbkg's, {found}", "")
    return Finding("import smartBKG", False, f"finds basf2's own, {found}", f"to use smartbkg's: {remedy}")


#: Name of a library, its lowest version and its marker, as in ``backports.zstd>=1.0; python_version < '3.14'``.
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?[^;]*(?:;(.*))?$")


def _check_requirements() -> Finding:
    """Whether all that this package needs is there: ``pip3 install --no-deps`` brings none of it along."""
    subject = "what smartbkg needs"
    try:
        declared = importlib.metadata.requires("smartbkg") or []
    except importlib.metadata.PackageNotFoundError:
        return Finding(subject, True, "not looked at: smartbkg is not installed, it only lies on the path", "")
    absent, old = [], []
    for name, lowest in _needed(declared):
        versions = _versions(name)
        if not versions:
            absent.append(name)
        elif _numbers(versions[0]) < _numbers(lowest):
            old.append(f"{name} {versions[0]} (needed: {lowest})")
    details, remedies = [], []
    if absent:
        details.append(f"absent: {', '.join(absent)}")
        remedies.append(f"pip3 install {' '.join(absent)}, and look below whether that has brought other versions")
    if old:
        details.append(f"too old: {', '.join(old)}")
        remedies.append("take a virtual environment of its own: a newer version here would be one for all of basf2")
    return Finding(subject, not details, "; ".join(details) or "all there", "; ".join(remedies))


def _needed(declared: list[str]) -> list[tuple[str, str]]:
    """Name and lowest version of each library that is needed in any case in this Python."""
    found = []
    for text in declared:
        match = _REQUIREMENT.match(text)
        if match is None:
            continue
        name, lowest, marker = match.groups()
        below = re.search(r"python_version\s*<\s*['\"]([0-9.]+)", marker or "")
        is_for_older = below is not None and sys.version_info[:2] >= _numbers(below[1])
        if "extra" not in (marker or "") and not is_for_older:
            found.append((name, lowest or "0"))
    return found


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


#: Libraries that basf2 itself uses, and that this package could bring along.
_SHARED = ("numpy", "pyarrow", "awkward", "uproot", "pyhepmc", "torch", "dgl", "onnxruntime", "pandas", "numba")


def _check_libraries() -> Finding:
    """Whether a library stands before the release's of the same name: then all of basf2 uses it."""
    subject = "libraries of the release"
    if _folder_of("basf2") is None and not os.environ.get("BELLE2_RELEASE"):
        return Finding(subject, True, "no release is set up", "")
    overridden = []
    for name in _SHARED:
        versions = _versions(name)
        if len(versions) > 1:
            overridden.append(f"{name} {versions[0]} stands before the release's {versions[-1]}")
    if not overridden:
        return Finding(subject, True, "none is overridden", "")
    remedy = (
        "smartbkg needs no other than the release's: install it with `pip install --no-deps smartbkg` into basf2's "
        "Python, and keep commands that need newer libraries in a virtual environment of their own"
    )
    return Finding(subject, False, "; ".join(overridden), remedy)


def _versions(name: str) -> list[str]:
    """Versions of a distribution in the order in which Python would import them."""
    found: list[str] = []
    for place in sys.path:
        for distribution in importlib.metadata.distributions(name=name, path=[place]):
            if distribution.version not in found:
                found.append(distribution.version)
    return found
