"""The libraries that the package declares: which are there, and the command for each that is not."""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: What each optional extra is for, in words a user looks for.
PURPOSE_BY_EXTRA = {
    "": "the package itself",
    "generate": "generating events with PYTHIA 8",
    "train": "training, .pth files, networks without compiled kernels, GPUs, reweighting",
    "report": "plots and the HTML report",
    "tensorboard": "curves of a training in TensorBoard",
    "cluster": "production on a batch system",
    "onnx": "exporting and running ONNX models",
    "basf2": "HDF5 files of TrainDataSaver",
    "remote": "events at root://, https:// and s3:// addresses",
}

#: Distribution, its name normalised → the module that it brings, where the names differ.
_MODULE_BY_DISTRIBUTION = {"backports-zstd": "backports.zstd", "pyyaml": "yaml", "scikit-learn": "sklearn"}


class Finding(NamedTuple):
    """One line of the diagnosis."""

    subject: str
    """What was looked at."""
    is_good: bool
    """True = nothing to do."""
    is_needed: bool
    """True = without it the package does not work; False = only the named purpose is missing."""
    detail: str
    """Version found, or what is wrong."""
    remedy: str
    """The command that mends it, empty where nothing is to be done."""


def declared_libraries() -> list[tuple[str, Requirement]]:
    """(extra, requirement) pairs of the installed distribution, each once; none where it is not installed."""
    try:
        declared = metadata.requires("smartbkg") or []
    except metadata.PackageNotFoundError:  # it only lies on the path
        return []
    found = []
    for text in declared:
        requirement = Requirement(text)
        extra = re.search(r"extra == ['\"](\w+)['\"]", str(requirement.marker or ""))
        name = extra.group(1) if extra else ""
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": name})
        if applies and name in PURPOSE_BY_EXTRA and requirement.name.lower() != "smartbkg":
            found.append((name, requirement))
    return found


def check_library(extra: str, requirement: Requirement) -> Finding:
    """Whether a library is there in a version that fits, and the command that brings it."""
    needed = extra == ""
    remedy = f"pip install 'smartbkg[{extra}]'" if extra else f"pip install '{requirement.name}{requirement.specifier}'"
    subject = f"{requirement.name} ({PURPOSE_BY_EXTRA[extra]})"
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(subject, False, needed, "not installed", remedy)
    module = _MODULE_BY_DISTRIBUTION.get(canonicalize_name(requirement.name), requirement.name.replace("-", "_"))
    if importlib.util.find_spec(module) is None:
        return Finding(subject, False, needed, f"{version} is installed but cannot be imported", remedy)
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(subject, False, needed, f"{version}, expected {requirement.specifier}", remedy)
    return Finding(subject, True, needed, version, "")


def needed_libraries() -> list[Finding]:
    """Look at the libraries without which the package does not work."""
    return [check_library(extra, requirement) for extra, requirement in declared_libraries() if extra == ""]
