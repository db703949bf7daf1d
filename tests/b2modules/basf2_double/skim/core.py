"""skim.core: skims and combined skims.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

from typing import Any

from basf2 import B2FATAL, AfterConditionPath, Module, Path
from data_objects import ParticleList
from data_store import STORE
from variables import variables as manager

from skim.registry import Registry


class BaseSkim:
    """skim/scripts/skim/core.py:33: a skim; called with a path, it adds its modules."""

    #: Name of the list that the skim fills.
    list_name = "B0:generic"

    def __init__(
        self,
        *,
        OutputFileName: str | None = None,
        additionalDataDescription: dict[str, Any] | None = None,
        udstOutput: bool = True,
        validation: bool = False,
        mc: bool = True,
        analysisGlobaltag: str | None = None,
        pidGlobaltag: str | None = None,
    ) -> None:
        """core.py:134: keywords alone."""
        self.name = type(self).__name__
        self.OutputFileName, self.analysisGlobaltag = OutputFileName, analysisGlobaltag
        self._udstOutput = udstOutput
        self._main_path: Path | None = None
        self._conditional_path: Path | None = None

    def __str__(self) -> str:
        """core.py:400."""
        return self.name

    @property
    def code(self) -> str:
        """core.py:130: eight digits as text."""
        return Registry.encode_skim_name(self.name)

    @property
    def flag(self) -> str:
        """core.py:354: the name of the extra info, and an alias of the variable, not a cut."""
        return f"passes_{self}"

    @property
    def postskim_path(self) -> Path:
        """core.py:251: the conditional path, where the skim has one."""
        if self._main_path is None:
            raise ValueError("Skim has not been added to the path yet!")
        return self._conditional_path or self._main_path

    def additional_setup(self, path: Path) -> None:
        """core.py:183."""

    def __call__(self, path: Path) -> None:
        """core.py:221: the flag is 0 first, and set to 1 where the list is not empty."""
        self._main_path = path
        path.add_module(InitialiseSkimFlag(self))
        self.additional_setup(path)
        self.add_lists(self._conditional_path or path)
        if self._udstOutput:
            self.output_udst(self._conditional_path or path)

    def output_udst(self, path: Path) -> None:
        """core.py:240 and 432."""
        import udst

        udst.add_skimmed_udst_output(
            skimDecayMode=self.code, skimParticleLists=[self.list_name], outputFile=self.OutputFileName, path=path
        )

    def add_lists(self, path: Path) -> None:
        """core.py:235 and 238."""
        path.add_module(_Lists(self))
        path.add_module(UpdateSkimFlag(self))

    def passes(self, particles: list[Any]) -> bool:
        """What stands for the selection: of the event's particles alone, so that tests know the answer."""
        leptons = [p for p in particles if abs(p._values["pdg"]) in (11, 13) and p._values["status"] & 1]
        return len(leptons) >= 2


class InitialiseSkimFlag(Module):
    """skim/scripts/skim/utils/flags.py:19."""

    def __init__(self, *skims: BaseSkim) -> None:
        """flags.py:45: an alias of each flag."""
        super().__init__()
        self._skims = skims
        for skim in skims:
            manager.addAlias(skim.flag, f"eventExtraInfo({skim.flag})")

    def event(self) -> None:
        """flags.py:55: addExtraInfo, which throws where the flag is there already."""
        from ROOT import Belle2

        info = Belle2.PyStoreObj("EventExtraInfo")
        if not info.isValid():
            info.create()
        for skim in self._skims:
            info.addExtraInfo(skim.flag, 0)


class UpdateSkimFlag(Module):
    """skim/scripts/skim/utils/flags.py:65."""

    def __init__(self, skim: BaseSkim) -> None:
        super().__init__()
        self._skim = skim

    def event(self) -> None:
        """flags.py:104."""
        passes = STORE.object(self._skim.list_name).getListSize() > 0
        STORE.object("EventExtraInfo").setExtraInfo(self._skim.flag, int(passes))


class _Lists(Module):
    """Stands for the reconstruction of the skim: one candidate in passing events."""

    def __init__(self, skim: BaseSkim) -> None:
        super().__init__()
        self.set_name(f"Skim_{skim.name}")
        self._skim = skim

    def initialize(self) -> None:
        STORE.register(self._skim.list_name, ParticleList, is_array=False)

    def event(self) -> None:
        STORE.create(self._skim.list_name, ParticleList(), replace=True)
        STORE.object(self._skim.list_name).size = int(self._skim.passes(STORE.object("MCParticles")))


class CombinedSkim(BaseSkim):
    """core.py:471: several skims at once."""

    def __init__(
        self,
        *skims: BaseSkim,
        udstOutput: bool | None = None,
        CombinedSkimName: str = "CombinedSkim",
        analysisGlobaltag: str | None = None,
    ) -> None:
        """core.py:507: settings given here override those of the skims."""
        if not all(isinstance(skim, BaseSkim) for skim in skims):
            raise NotImplementedError("Must pass only `BaseSkim` type objects to `CombinedSkim`.")
        self.Skims = skims
        self.name = CombinedSkimName
        if analysisGlobaltag is not None:
            for skim in skims:
                skim.analysisGlobaltag = analysisGlobaltag

    def __call__(self, path: Path) -> None:
        """core.py:595."""
        for skim in self.Skims:
            skim._main_path = path
        path.add_module(InitialiseSkimFlag(*self.Skims))
        for skim in self.Skims:
            skim.additional_setup(path)
        for skim in self.Skims:
            skim.add_lists(skim._conditional_path or path)


class PreCut(Module):
    """VariableToReturnValue of a skim's event-level cuts: here all events pass."""

    def event(self) -> None:
        self.return_value(1)


def conditional_path(path: Path) -> Path:
    """core.py:279: what follows runs on a path of its own, after which the main path goes on."""
    own = Path()
    module = path.add_module(PreCut())
    module.if_value("=1", own, AfterConditionPath.CONTINUE)
    return own


def need_globaltag(tag: str | None) -> None:
    """skim/scripts/skim/WGs/fei.py:187: B2FATAL without."""
    import basf2

    if tag is None:
        B2FATAL("The analysis globaltag is not set in the FEI skim.")
    basf2.conditions.prepend_globaltag(tag)
