"""skim.registry: names and codes of skims: skim/scripts/skim/registry.py."""

from __future__ import annotations

from typing import ClassVar


class SkimRegistryClass:
    """registry.py:290."""

    codes: ClassVar[dict[str, str]] = {
        "feiHadronic": "11180500",
        "feiSL": "11180600",
        "feiHadronicB0": "11180100",
        "LowMassOneTrack": "18530600",
    }

    def encode_skim_name(self, name: str) -> str:
        """registry.py:379: the code as text; LookupError for unknown names."""
        if name not in self.codes:
            raise LookupError(f"Unrecognised skim name: {name}")
        return self.codes[name]

    def decode_skim_code(self, code: str) -> str:
        """registry.py:398."""
        for name, known in self.codes.items():
            if known == code:
                return name
        raise LookupError(f"Unrecognised skim code: {code}")


Registry = SkimRegistryClass()
