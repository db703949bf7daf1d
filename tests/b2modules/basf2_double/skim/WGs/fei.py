"""skim.WGs.fei: the skims that the tests use."""

# ruff: noqa: N801 - names of basf2

from __future__ import annotations

from skim.core import BaseSkim


class feiHadronic(BaseSkim):
    """Code 11180500."""


class feiSL(BaseSkim):
    """Code 11180600."""


class feiHadronicB0(BaseSkim):
    """Code 11180100, which no model here knows."""
