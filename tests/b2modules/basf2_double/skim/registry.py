"""skim.registry: names and codes of skims."""

from __future__ import annotations

from typing import ClassVar


class SkimRegistryClass:
    """Names and codes."""

    codes: ClassVar[dict[str, str]] = {
        "feiHadronic": "11180500",
        "feiSL": "11180600",
        "feiHadronicB0": "11180100",
        "LowMassOneTrack": "18020300",
    }

    def encode_skim_name(self, name: str) -> str:
        return self.codes[name]

    def decode_skim_code(self, code: str) -> str:
        return next(name for name, known in self.codes.items() if known == code)


Registry = SkimRegistryClass()
