"""udst: output of the events that a skim selects.

Each function names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

from basf2 import AfterConditionPath, CppModule, Path, create_path
from data_store import STORE
from mdst import add_mdst_output


class SkimFilter(CppModule):
    """analysis/modules/SkimFilter/src/SkimFilterModule.cc: 1 where one of some lists is not empty."""

    def event(self) -> None:
        """SkimFilterModule.cc:46."""
        lists = [STORE.object(name) for name in self._params["particleLists"]]
        self.return_value(int(any(found is not None and found.getListSize() > 0 for found in lists)))


def add_skimmed_udst_output(
    path: Path,
    skimDecayMode: str,
    skimParticleLists: list[str] | None = None,
    outputParticleLists: list[str] | None = None,
    additionalBranches: list[str] | None = None,
    outputFile: str | None = None,
) -> None:
    """analysis/scripts/udst.py:90: the suffix of the file, the filter, and a path for what it selects.

    basf2 adds that path as an independent one, with a data store of its own; nothing follows it here.
    """
    name = outputFile or skimDecayMode
    name = name if name.endswith(".udst.root") else f"{name}.udst.root"
    module = path.add_module("SkimFilter", particleLists=skimParticleLists or [])
    module.set_name(f"SkimFilter_{skimDecayMode}")
    chosen = create_path()
    module.if_value("=1", chosen, AfterConditionPath.CONTINUE)
    # udst.py:61: EventExtraInfo is part of every uDST
    add_mdst_output(chosen, filename=name, additionalBranches=["EventExtraInfo", *(additionalBranches or ())])
