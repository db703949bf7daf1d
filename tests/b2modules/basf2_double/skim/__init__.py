"""skim: skims and combined skims; there is no ``skim.smartbkg`` in this release."""

from skim.core import BaseSkim, CombinedSkim

__all__ = ["BaseSkim", "CombinedSkim"]
