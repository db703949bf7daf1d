"""Build hook of the wheel: machine code of the kernels, where ``SMARTBKG_MACHINE_CODE`` asks for it.

Without it the wheel is pure Python, for every machine and version. With it the wheel fits one version of Python, and
its code the numba of the environment in which it is built; under others it works too, and compiles at first use.
``SMARTBKG_MACHINE_CODE`` holds names of parts (``smartbkg.tools.warm_up``) and of levels, or ``all``.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "smartbkg/compilation/machine_code"


class MachineCodeHook(BuildHookInterface):
    """Compiles the kernels into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling what to include."""
        wanted = os.environ.get("SMARTBKG_MACHINE_CODE", "").split()
        if version == "editable" or not wanted:
            return
        self._folder = tempfile.TemporaryDirectory()
        options = [
            item
            for name in wanted
            if name != "all"
            for item in ("--level" if name.startswith(("x86-64", "armv8")) else "--part", name)
        ]
        environment = os.environ | {"PYTHONPATH": str(Path(self.root) / "src")}
        subprocess.run(
            [sys.executable, "-m", "smartbkg.tools.machine_code", "--output", self._folder.name, *options],
            env=environment, check=True,
        )  # fmt: skip
        build_data["force_include"][self._folder.name] = TARGET
        build_data["pure_python"] = False
        interpreter = f"cp{sys.version_info.major}{sys.version_info.minor}"
        build_data["tag"] = f"{interpreter}-none-manylinux_2_28_{platform.machine()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was compiled."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
