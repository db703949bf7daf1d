"""Slopes of the leaky ReLUs, for torch's operations and compiled kernels alike."""

from __future__ import annotations

from typing import Final

#: Inside the attention (arXiv:1710.10903, section 2.1).
ATTENTION_SLOPE: Final = 0.2
#: After each layer of GATGAP: torch's default, which upstream uses.
LEAKY_SLOPE: Final = 0.01

__all__ = ["ATTENTION_SLOPE", "LEAKY_SLOPE"]
