"""skim.core: skims and combined skims."""

from __future__ import annotations

from typing import Any

from basf2 import Module, Path, create_path
from data_store import STORE

from skim.registry import Registry


class BaseSkim:
    """A skim; called with a path, it adds its modules."""

    def __init__(self, *, analysisGlobaltag: str | None = None, udstOutput: bool = True, **options: Any) -> None:
        self.analysisGlobaltag = analysisGlobaltag
        self.postskim_path: Path | None = None

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def code(self) -> str:
        return Registry.encode_skim_name(self.name)

    @property
    def flag(self) -> str:
        return f"eventExtraInfo(passes_{self.name})"

    def __call__(self, path: Path) -> None:
        module = _Decision(self)
        self.postskim_path = create_path()
        module.if_true(self.postskim_path, _continue())
        path.add_module(module)

    def passes(self, particles: list[Any]) -> bool:
        """What stands for the selection: of the event's particles alone, so that tests know the answer."""
        return sum(abs(p.getPDG()) in (11, 13) and p.isPrimaryParticle() for p in particles) >= 2


def _continue() -> Any:
    from basf2 import AfterConditionPath

    return AfterConditionPath.CONTINUE


class _Decision(Module):
    """Sets the flag of the skim, and makes one B candidate in passing events."""

    def __init__(self, skim: BaseSkim) -> None:
        super().__init__()
        self.set_name(f"Skim_{skim.name}")
        self._skim = skim

    def initialize(self) -> None:
        STORE.register("EventExtraInfo")

    def event(self) -> None:
        STORE.create("EventExtraInfo")
        passes = self._skim.passes(STORE.objects["MCParticles"])
        STORE.objects["EventExtraInfo"].setExtraInfo(f"passes_{self._skim.name}", float(passes))
        if passes:
            STORE.objects["list B0:generic"] = 1
        self.return_value(int(passes))


class CombinedSkim(BaseSkim):
    """Several skims at once."""

    def __init__(self, *skims: BaseSkim, **options: Any) -> None:
        super().__init__(**options)
        self.Skims = list(skims)

    def __call__(self, path: Path) -> None:
        for skim in self.Skims:
            skim(path)
