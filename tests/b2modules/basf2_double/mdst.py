"""mdst: output files."""

from __future__ import annotations

from basf2 import Path
from root_files import RootInput


def add_mdst_output(path: Path, filename: str = "mdst.root", additionalBranches: list[str] | None = None) -> None:
    inputs = [module for module in path.modules() if isinstance(module, RootInput)]
    source = inputs[0]._params.get("inputFileName") if inputs else None
    path.add_module("RootOutput", outputFileName=filename, copyOf=source)
