"""Is basf2 set up, which ``smartBKG`` would a steering file import, and what is to be done."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from smartbkg.inspection.libraries import needed_libraries


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


def _check_requirements() -> Finding:
    """Whether all that this package needs is there: ``pip3 install --no-deps`` brings none of it along."""
    subject, needed = "what smartbkg needs", needed_libraries()
    if not needed:
        return Finding(subject, True, "not looked at: smartbkg only lies on the path and declares nothing", "")
    lacking = [finding for finding in needed if not finding.is_good]
    details = "; ".join(f"{finding.subject.partition(' ')[0]}: {finding.detail}" for finding in lacking)
    remedies = "; ".join(finding.remedy for finding in lacking)
    if lacking:
        remedies += " (and look below whether that has brought other versions than the release's)"
    return Finding(subject, not lacking, details or "all there", remedies)


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
