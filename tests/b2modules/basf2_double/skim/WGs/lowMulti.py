"""skim.WGs.lowMulti: a skim that the models do not know."""

from __future__ import annotations

from skim.core import BaseSkim


class LowMassOneTrack(BaseSkim):
    """Code 18530600: skim/scripts/skim/WGs/lowMulti.py:289."""
