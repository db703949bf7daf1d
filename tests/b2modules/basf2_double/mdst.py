"""mdst: output files."""

from __future__ import annotations

from typing import Any

from basf2 import Module, Path
from root_files import RootInput


def add_mdst_output(
    path: Path,
    mc: bool = True,
    filename: str = "mdst.root",
    additionalBranches: list[str] | None = None,
    dataDescription: dict[str, Any] | None = None,
) -> Module:
    """mdst/scripts/mdst.py:32: the second argument is ``mc``; EventExtraInfo only where it is asked for."""
    inputs = [module for module in path.modules() if isinstance(module, RootInput)]
    sources = inputs[0]._params.get("inputFileNames") if inputs else None
    branches = (["MCParticles"] if mc else []) + list(additionalBranches or ())
    return path.add_module(
        "RootOutput", outputFileName=filename, branchNames=branches, copyOf=sources[0] if sources else None
    )
