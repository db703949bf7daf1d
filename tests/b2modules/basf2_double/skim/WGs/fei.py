"""skim.WGs.fei: the skims that the tests use: skim/scripts/skim/WGs/fei.py of light-2607 and later."""

# ruff: noqa: N801 - names of basf2

from __future__ import annotations

from typing import Any

from basf2 import Path

from skim.core import BaseSkim, conditional_path, need_globaltag


class BaseFEISkim(BaseSkim):
    """fei.py:96: needs an analysis global tag; pre-cuts, then the FEI on a conditional path."""

    def __init__(
        self, *, feiPrefix: str = "FEIv1_2025_MC16ri_aldebaran_200", roundToMdstPrecision: bool = False, **options: Any
    ) -> None:
        """light-2607: the prefix of the training and the rounding to the precision of mDST are arguments."""
        super().__init__(**options)
        self.feiPrefix, self.roundToMdstPrecision = feiPrefix, roundToMdstPrecision

    def additional_setup(self, path: Path) -> None:
        """fei.py:225: pre-cuts (fei.py:118) make the path, run_fei_for_skims (fei.py:176) needs the global tag."""
        if self.roundToMdstPrecision:
            path.add_module("MdstRounder")
        self._conditional_path = conditional_path(path)
        need_globaltag(self.analysisGlobaltag)


class feiHadronic(BaseFEISkim):
    """Code 11180500."""


class feiSL(BaseFEISkim):
    """Code 11180600."""


class feiHadronicB0(BaseFEISkim):
    """Code 11180100, which no model here knows."""
