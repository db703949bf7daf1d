"""What is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from smartbkg._version import __version__
from smartbkg.compilation.cache import MADE_FOR, SHIPPED, user_folder, versions
from smartbkg.compilation.processor import levels_of_this_machine
from smartbkg.compilation.store import SUFFIX
from smartbkg.conditions.location import user_conditions_folder
from smartbkg.inspection.libraries import Finding, check_library, declared_libraries
from smartbkg.optional import needed_for


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
    findings += [check_library(extra, requirement) for extra, requirement in declared_libraries()]
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
