"""basf2: modules, paths and the event loop.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

import enum
import operator
import secrets
from collections.abc import Callable
from typing import Any

from data_objects import EventExtraInfo
from data_store import STORE
from database import DATABASE, conditions
from logging_system import (
    B2DEBUG,
    B2ERROR,
    B2FATAL,
    B2INFO,
    B2WARNING,
    COUNTERS,
    LOG,
    FatalError,
    LogLevel,
)

__all__ = [
    "LOG", "AfterConditionPath", "B2DEBUG", "B2ERROR", "B2FATAL", "B2INFO", "B2WARNING", "FatalError", "LogLevel",
    "Module", "ModuleNotCreatedError", "ModulePropFlags", "Path", "conditions", "create_path", "find_file",
    "get_random_seed", "list_available_modules", "process", "register_module", "set_log_level", "set_random_seed",
    "statistics",
]  # fmt: skip


def set_log_level(level: LogLevel) -> None:
    """framework/scripts/basf2/core.py:247; the double keeps all messages."""


_seed = secrets.token_hex(32)


def set_random_seed(seed: int | str) -> None:
    """framework/core/src/RandomNumbers.cc:79 and 139: anything, as text."""
    global _seed
    _seed = str(seed)


def get_random_seed() -> str:
    """RandomNumbers.cc:24: the text that was set, or a random one."""
    return _seed


def find_file(filename: str, data_type: str = "", silent: bool = False) -> str:
    """framework/pybasf2/src/Framework.cc:239."""
    return filename


class AfterConditionPath(enum.Enum):
    """framework/core/src/Module.cc:317."""

    END = 0
    CONTINUE = 1


class ModulePropFlags(enum.IntFlag):
    """framework/core/include/Module.h:74."""

    INPUT = 1
    OUTPUT = 2
    PARALLELPROCESSINGCERTIFIED = 4
    HISTOGRAMMANAGER = 8
    INTERNALSERIALIZER = 16
    TERMINATEINALLPROCESSES = 32


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "=": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt,
    ">": operator.gt,
}  # fmt: skip


class Module:
    """Belle2::Module: framework/core/src/Module.cc; a Python module derives from it and must call its constructor."""

    def __init__(self) -> None:
        """framework/core/include/PyModule.h:28: the name is that of the class."""
        self._name = type(self).__name__
        self._return_value: int | None = None
        self._conditions: list[tuple[Callable[[int], bool], Path, AfterConditionPath]] = []
        self._params: dict[str, Any] = {}
        self._properties = 0

    def initialize(self) -> None:
        """PyModule.h:78."""

    def beginRun(self) -> None:
        """PyModule.h:84."""

    def event(self) -> None:
        """PyModule.h:90."""

    def endRun(self) -> None:
        """PyModule.h:96."""

    def terminate(self) -> None:
        """PyModule.h:102."""

    def name(self) -> str:
        """Module.cc:400."""
        return self._name

    def type(self) -> str:
        """PyModule.h:33: "PyModule" for those of Python."""
        return "PyModule"

    def set_name(self, name: str) -> None:
        """Module.cc:404."""
        self._name = name

    def param(self, name: str | dict[str, Any], value: Any = None) -> None:
        """Module.cc:233 and 249: a Python module has no parameters; C++ modules override this."""
        names = name if isinstance(name, dict) else {name: value}
        raise RuntimeError(f"Cannot set parameter '{next(iter(names))}' for module '{self._name}'")

    def set_property_flags(self, flags: int) -> None:
        """Module.cc:208."""
        self._properties = int(flags)

    def has_properties(self, flags: int) -> bool:
        """Module.cc:160: all of the flags."""
        return self._properties & int(flags) == int(flags)

    def set_log_level(self, level: LogLevel) -> None:
        """Module.cc:55."""

    def return_value(self, value: int) -> None:
        """Module.cc:220, exposed for int alone: True and False are ints, numpy's numbers are not."""
        if not isinstance(value, int):
            raise TypeError(f"return_value(Module, {type(value).__name__}) did not match C++ signature")
        self._return_value = int(value)

    def if_value(self, expression: str, path: Path, after: AfterConditionPath = AfterConditionPath.END) -> None:
        """Module.cc:79 and framework/core/src/ModuleCondition.cc:23: spaces do not matter, "=" is "=="."""
        text = expression.replace(" ", "")
        symbol = text.rstrip("-0123456789")
        if symbol not in _COMPARISONS:
            raise RuntimeError(f"Invalid condition: could not parse condition: '{text}'!")
        number = int(text[len(symbol) :])
        self._conditions.append((lambda value: _COMPARISONS[symbol](value, number), path, after))

    def if_false(self, path: Path, after: AfterConditionPath = AfterConditionPath.END) -> None:
        """Module.cc:85."""
        self.if_value("<1", path, after)

    def if_true(self, path: Path, after: AfterConditionPath = AfterConditionPath.END) -> None:
        """Module.cc:90."""
        self.if_value(">=1", path, after)

    def _branch(self) -> tuple[Path, AfterConditionPath] | None:
        """Module.cc:96 and 113: B2FATAL where a condition was set and no return value."""
        if self._conditions and self._return_value is None:
            B2FATAL(f"A condition was set for '{self._name}', but the module did not set a return value!")
        for holds, path, after in self._conditions:
            if holds(self._return_value):  # type: ignore[arg-type]
                return path, after
        return None


class CppModule(Module):
    """A module that stands for one of C++: it takes parameters."""

    def param(self, name: str | dict[str, Any], value: Any = None) -> None:
        """Module.cc:233 and 249."""
        self._params.update(name if isinstance(name, dict) else {name: value})

    def type(self) -> str:
        """framework/core/include/Module.h:187: the name of the class of C++ without "Module"."""
        return type(self).__name__


class Path:
    """Belle2::Path: framework/core/src/Path.cc."""

    def __init__(self) -> None:
        self._elements: list[Module | Path] = []

    def add_module(self, module: Module | str, **params: Any) -> Module:
        """framework/scripts/basf2/core.py:303."""
        added = register_module(module, **params)
        self._elements.append(added)
        return added

    def add_path(self, path: Path) -> None:
        """Path.cc:37: modules that are added to that path later on are part of it."""
        self._elements.append(path)

    def modules(self) -> list[Module]:
        """Path.cc:50."""
        return [
            module
            for element in self._elements
            for module in (element.modules() if isinstance(element, Path) else [element])
        ]

    def _all(self) -> list[Module]:
        """Path.cc:67: those of the conditions behind their module."""
        found: dict[Module, None] = {}
        for module in self.modules():
            found[module] = None
            for _, path, _ in module._conditions:
                found |= dict.fromkeys(path._all())
        return list(found)


def create_path() -> Path:
    """framework/scripts/basf2/core.py:172."""
    return Path()


class ModuleNotCreatedError(RuntimeError):
    """framework/pybasf2/src/Framework.cc:315."""


class NoOperation(CppModule):
    """Stands for a module of basf2 that does nothing here."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.set_name(name)


#: Modules of basf2 whose work nothing here depends on.
IDLE_MODULES = {
    "ProgressBar", "Gearbox", "Geometry", "FullSim", "Reconstruction", "BestCandidateSelection", "Rejected",
    "MdstRounder",
}  # fmt: skip


def register_module(name_or_module: str | Module, **kwargs: Any) -> Module:
    """framework/scripts/basf2/core.py:54; ModuleManager.cc:99: B2ERROR and an exception for unknown names."""
    if isinstance(name_or_module, Module):
        module = name_or_module
    else:
        import modularAnalysis
        import root_files
        import source_modules
        import udst

        for place in (root_files, source_modules, modularAnalysis, udst):
            kind = getattr(place, name_or_module, None)
            if isinstance(kind, type) and issubclass(kind, CppModule):
                module = kind()
                break
        else:
            if name_or_module not in IDLE_MODULES:
                B2ERROR(f"Could not create module {name_or_module}: The module is not known to the framework!")
                raise ModuleNotCreatedError(name_or_module)
            module = NoOperation(name_or_module)
    if kwargs:
        module.param(kwargs)
    return module


def list_available_modules() -> dict[str, str]:
    """framework/pybasf2/src/Framework.cc:273: names of modules, with the library that each is in."""
    import modularAnalysis
    import root_files
    import source_modules
    import udst

    names = {
        name
        for place in (root_files, source_modules, modularAnalysis, udst)
        for name, kind in vars(place).items()
        if isinstance(kind, type) and issubclass(kind, CppModule) and not name.startswith("_") and kind is not CppModule
    }
    return dict.fromkeys(names | IDLE_MODULES, "library")


class Statistics:
    """basf2.statistics: framework/pybasf2/src/ProcessStatisticsPython.cc.

    ``calls`` is the double's own: how often ``event`` of each module was called, whether statistics were asked for or
    not.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.is_collecting = self.was_printed = self.has_run = False

    def __str__(self) -> str:
        """ProcessStatisticsPython.cc:33: B2ERROR before process(); a table once, then nothing."""
        if not self.has_run:
            B2ERROR("ProcessStatistics data object is not available")
            return ""
        if self.was_printed:
            return ""
        self.was_printed = True
        counted = self.calls if self.is_collecting else dict.fromkeys(self.calls, 0)
        return "\n".join(f"{name}: {calls} calls" for name, calls in counted.items())


statistics = Statistics()
_errors_before = [0]


def process(path: Path, max_event: int = 0, calculateStatistics: bool = False) -> None:
    """framework/scripts/basf2/core.py:179 and framework/pybasf2/src/Framework.cc:88."""
    if COUNTERS.n_errors != _errors_before[0]:
        B2FATAL(f"{COUNTERS.n_errors} ERROR(S) occurred! The processing of events will not be started.")
    COUNTERS.n_errors = 0
    statistics.is_collecting = statistics.is_collecting or calculateStatistics
    statistics.has_run, statistics.was_printed = True, False
    STORE.reset()
    STORE.is_initializing = True
    try:
        _EventProcessor(path).process(max_event)
        _errors_before[0] = COUNTERS.n_errors
        DATABASE.reset()
    except Exception as error:
        # Framework.cc:155
        B2ERROR(f"Uncaught exception encountered: {error}")
        STORE.reset()
        DATABASE.reset()
        raise
    if calculateStatistics:
        print(statistics)


class _EventProcessor:
    """framework/core/src/EventProcessor.cc."""

    def __init__(self, path: Path) -> None:
        self._path, self._modules = path, path._all()
        self._master: Module | None = None
        self._run: tuple[int, int] | None = None

    def process(self, max_event: int) -> None:
        """EventProcessor.cc:123: no event loop where an error appeared in initialize."""
        self._initialize()
        if self._master is None:
            B2ERROR("There is no module that provides event and run numbers (EventMetaData).")
        if COUNTERS.n_errors:
            B2FATAL(f"{COUNTERS.n_errors} ERROR(S) occurred! The processing of events will not be started.")
        self._loop(max_event)
        # EventProcessor.cc:451: from the end; an exception keeps the rest from writing
        for module in reversed(self._modules):
            module.terminate()

    def _initialize(self) -> None:
        """EventProcessor.cc:242: EventExtraInfo is registered first; the source's first event is made right there."""
        STORE.register("EventExtraInfo", EventExtraInfo, is_array=False)
        for module in self._modules:
            module.initialize()
            if self._master is None and "EventMetaData" in STORE.entries:
                self._master = module
                self._call(module)
                if STORE.object("EventMetaData") is not None:
                    DATABASE.update()

    def _call(self, module: Module) -> None:
        """EventProcessor.cc:226."""
        statistics.calls[module.name()] = statistics.calls.get(module.name(), 0) + 1
        module.event()

    def _loop(self, max_event: int) -> None:
        """EventProcessor.cc:409: the first event is there already."""
        STORE.is_initializing = False
        n_events = 0
        is_at_end = False
        while not is_at_end:
            is_at_end = self._event(skips_master=n_events == 0)
            STORE.invalidate()
            n_events += 1
            if 0 < max_event <= n_events:
                is_at_end = True
        if self._run is not None:
            for module in self._modules:
                module.endRun()

    def _event(self, *, skips_master: bool) -> bool:
        """EventProcessor.cc:324; True at the end of the data. A condition with END leaves all paths for its own."""
        open_paths = [iter(self._path.modules())]
        while open_paths:
            module = next(open_paths[-1], None)
            if module is None:
                open_paths.pop()
                continue
            if not (skips_master and module is self._master):
                self._call(module)
            meta = STORE.object("EventMetaData")
            if module is self._master:
                if meta is None:
                    return True
                self._change_run((meta.getExperiment(), meta.getRun()), updates=not skips_master)
            branch = module._branch()
            if branch is not None:
                going_on = iter(branch[0].modules())
                open_paths = [going_on] if branch[1] is AfterConditionPath.END else [*open_paths, going_on]
        return False

    def _change_run(self, run: tuple[int, int], *, updates: bool) -> None:
        """EventProcessor.cc:358 and 470: the database first, then beginRun of all modules."""
        if run == self._run:
            return
        if self._run is not None:
            for module in self._modules:
                module.endRun()
        self._run = run
        if updates:
            DATABASE.update()
        for module in self._modules:
            module.beginRun()
