"""Constants that turn other programs' units into ours: GeV, cm, ns, c = 1."""

from __future__ import annotations

from typing import Final

#: cm/ns, exact (SI).
SPEED_OF_LIGHT: Final = 29.9792458
