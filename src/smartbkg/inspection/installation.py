"""What is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from smartbkg._version import __version__
from smartbkg.compilation.cache import MADE_FOR, SHIPPED, user_folder, versions
from smartbkg.compilation.processor import levels_of_this_machine
from smartbkg.compilation.store import SUFFIX
from smartbkg.conditions.location import user_conditions_folder
from smartbkg.optional import needed_for

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


def _requirements() -> list[tuple[str, Requirement]]:
    """(extra, requirement) pairs of the installed distribution, each requirement once."""
    found = []
    for text in metadata.requires("smartbkg") or []:
        requirement = Requirement(text)
        extra = re.search(r"extra == ['\"](\w+)['\"]", str(requirement.marker or ""))
        name = extra.group(1) if extra else ""
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": name})
        if applies and name in PURPOSE_BY_EXTRA and requirement.name.lower() != "smartbkg":
            found.append((name, requirement))
    return found


def _check_requirement(extra: str, requirement: Requirement) -> Finding:
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


def _check_machine() -> list[Finding]:
    version = platform.python_version()
    findings = [
        Finding(
            "Python", sys.version_info >= (3, 11), True, version, "" if sys.version_info >= (3, 11) else "Python 3.11"
        )
    ]
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    findings.append(Finding("processor cores", True, False, str(n_cores), ""))
    folder = user_conditions_folder()
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    is_writable = os.access(parent, os.W_OK)
    remedy = "" if is_writable else "export SMARTBKG_CONDITIONS=<a folder you may write>"
    findings.append(Finding("conditions folder", is_writable, False, str(folder), remedy))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    is_roomy = free > 1
    findings.append(
        Finding("free disk here", is_roomy, False, f"{free:.0f} GB", "" if is_roomy else "make room, or work elsewhere")
    )
    return findings


def _check_accelerator() -> Finding:
    with needed_for("a look for GPUs"):
        import torch

    if torch.cuda.is_available():
        return Finding("GPU", True, False, torch.cuda.get_device_name(0), "")
    return Finding("GPU", True, False, "none: everything works on the CPU", "")


def _check_basf2() -> Finding:
    if importlib.util.find_spec("basf2") is None:
        return Finding("basf2", True, False, "not set up: everything outside it works", "")
    return Finding("basf2", True, False, "set up; see `smartbkg basf2 check`", "")


def _check_machine_code() -> Finding:
    """Whether kernels come with the installation for this processor, Python and numba."""
    levels = levels_of_this_machine()
    shipped = next((level.name for level in levels if list((SHIPPED / level.name).glob(f"*{SUFFIX}"))), None)
    best = levels[0].name if levels else platform.machine()
    remedy = "python -m smartbkg.tools.machine_code"
    if shipped is None:
        detail = f"none shipped for {best}: compiled at first use, kept in {user_folder()}"
        return Finding("compiled kernels", False, False, detail, remedy)
    made_for = (SHIPPED / shipped / MADE_FOR).read_text().strip() if (SHIPPED / shipped / MADE_FOR).is_file() else ""
    if made_for != versions():
        detail = f"shipped for {made_for or 'other versions'}, here is {versions()}: compiled at first use"
        return Finding("compiled kernels", False, False, detail, remedy)
    return Finding("compiled kernels", True, False, f"shipped for {shipped}, {made_for}", "")


def diagnose() -> list[Finding]:
    """Look at the machine and at every library that the package can use."""
    findings = _check_machine()
    findings += [_check_requirement(extra, requirement) for extra, requirement in _requirements()]
    if importlib.util.find_spec("torch") is not None:
        findings.append(_check_accelerator())
    findings += [_check_machine_code(), _check_basf2()]
    return findings


def as_json_text(findings: Iterable[Finding]) -> str:
    """The diagnosis for programs: version, whether all that is needed is there, and every finding with its fields."""
    listed = list(findings)
    is_usable = all(finding.is_good or not finding.is_needed for finding in listed)
    content = {"smartbkg": __version__, "is_usable": is_usable, "findings": [finding._asdict() for finding in listed]}
    return json.dumps(content, indent=2)
