"""basf2: modules, paths and the event loop."""

from __future__ import annotations

import enum
import operator
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from data_store import STORE, FatalError


class LogLevel(enum.IntEnum):
    DEBUG = 0
    INFO = 1
    RESULT = 2
    WARNING = 3
    ERROR = 4
    FATAL = 5


#: Everything that was logged: (level, message).
LOG: list[tuple[LogLevel, str]] = []


def set_log_level(level: LogLevel) -> None:
    """Accepted; the double keeps all messages."""


def B2INFO(message: str) -> None:
    LOG.append((LogLevel.INFO, message))


def B2WARNING(message: str) -> None:
    LOG.append((LogLevel.WARNING, message))


def B2ERROR(message: str) -> None:
    LOG.append((LogLevel.ERROR, message))


def B2FATAL(message: str) -> None:
    LOG.append((LogLevel.FATAL, message))
    raise FatalError(message)


_seed = secrets.token_hex(32)


def set_random_seed(seed: int | str) -> None:
    global _seed
    _seed = str(seed)


def get_random_seed() -> str:
    return _seed


class Conditions:
    """basf2.conditions."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.globaltags: list[str] = []
        self.testing_payloads: list[str] = []
        #: global tag → payload name → file: what the central database of the double knows
        self.central: dict[str, dict[str, Any]] = {"main_2026": {}}

    def prepend_globaltag(self, name: str) -> None:
        self.globaltags.insert(0, name)

    def append_globaltag(self, name: str) -> None:
        self.globaltags.append(name)

    def prepend_testing_payloads(self, filename: str) -> None:
        self.testing_payloads.insert(0, filename)

    def disable_globaltag_replay(self) -> None:
        """Accepted."""


conditions = Conditions()

_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


class AfterConditionPath(enum.Enum):
    END = 0
    CONTINUE = 1


class Module:
    """A basf2 module; a Python module derives from it and must call its constructor."""

    def __init__(self) -> None:
        self._name = type(self).__name__
        self._return_value: int | None = None
        self._conditions: list[tuple[Callable[[int], bool], Path, AfterConditionPath]] = []
        self._params: dict[str, Any] = {}

    def initialize(self) -> None:
        pass

    def beginRun(self) -> None:
        pass

    def event(self) -> None:
        pass

    def endRun(self) -> None:
        pass

    def terminate(self) -> None:
        pass

    def name(self) -> str:
        return self._name

    def set_name(self, name: str) -> None:
        self._name = name

    def param(self, name: str | dict[str, Any], value: Any = None) -> None:
        self._params.update(name if isinstance(name, dict) else {name: value})

    def set_log_level(self, level: LogLevel) -> None:
        """Accepted."""

    def return_value(self, value: int) -> None:
        if not isinstance(value, int):
            raise TypeError(f"return_value takes an int, got {type(value).__name__}")
        self._return_value = int(value)

    def if_value(self, text: str, path: Path, after: AfterConditionPath = AfterConditionPath.END) -> None:
        symbol = next(symbol for symbol in _COMPARISONS if text.strip().startswith(symbol))
        number = int(text.strip()[len(symbol) :])
        self._conditions.append((lambda value: _COMPARISONS[symbol](value, number), path, after))

    def if_false(self, path: Path, after: AfterConditionPath = AfterConditionPath.END) -> None:
        self.if_value("<1", path, after)

    def if_true(self, path: Path, after: AfterConditionPath = AfterConditionPath.END) -> None:
        self.if_value(">=1", path, after)

    def _branch(self) -> tuple[Path, AfterConditionPath] | None:
        if self._return_value is None:
            return None
        for holds, path, after in self._conditions:
            if holds(self._return_value):
                return path, after
        return None


class SourceModule(Module):
    """A module at the head of a path that brings the events; not part of basf2's interface."""

    def next_event(self) -> bool:
        """Put the next event into the data store; False at the end."""
        raise NotImplementedError


class Path:
    """A chain of modules."""

    def __init__(self) -> None:
        self._modules: list[Module] = []

    def add_module(self, module: Module | str, **params: Any) -> Module:
        added = register_module(module) if isinstance(module, str) else module
        if params:
            added.param(params)
        self._modules.append(added)
        return added

    def add_path(self, path: Path) -> None:
        self._modules.extend(path._modules)

    def modules(self) -> list[Module]:
        return list(self._modules)

    def _all(self) -> Iterator[Module]:
        for module in self._modules:
            yield module
            for _, path, _ in module._conditions:
                yield from path._all()


def create_path() -> Path:
    return Path()


class NoOperation(Module):
    """Stands for a module of basf2 that does nothing here."""


def register_module(name: str) -> Module:
    import root_files
    import source_modules

    for module in (root_files, source_modules):
        found = getattr(module, name, None)
        if found is not None:
            return found()
    added = NoOperation()
    added.set_name(name)
    return added


class Statistics:
    """basf2.statistics: how often each module was called, and for how long."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def count(self, module: Module, seconds: float) -> None:
        self.calls[module.name()] = self.calls.get(module.name(), 0) + 1
        self.seconds[module.name()] = self.seconds.get(module.name(), 0.0) + seconds

    def __str__(self) -> str:
        return "\n".join(f"{name}: {calls} calls" for name, calls in self.calls.items())


statistics = Statistics()


def process(path: Path, max_event: int = 0) -> None:
    """Initialise, loop over events and runs, terminate."""
    STORE.reset()
    modules = list(dict.fromkeys(path._all()))
    sources = [module for module in modules if isinstance(module, SourceModule)]
    if len(sources) != 1:
        raise FatalError(f"{len(sources)} modules set the event: one is needed")
    STORE.is_initializing = True
    for module in modules:
        module.initialize()
    STORE.is_initializing = False
    run: tuple[int, int] | None = None
    n_events = 0
    while not (0 < max_event <= n_events):
        STORE.clear_event()
        if not sources[0].next_event():
            break
        meta = STORE.objects["EventMetaData"]
        if run != (meta.getExperiment(), meta.getRun()):
            if run is not None:
                _call(modules, "endRun")
            run = (meta.getExperiment(), meta.getRun())
            _call(modules, "beginRun")
        _process_event(path)
        n_events += 1
    STORE.clear_event()
    if run is not None:
        _call(modules, "endRun")
    _call(modules[::-1], "terminate")


def _call(modules: list[Module], method: str) -> None:
    for module in modules:
        getattr(module, method)()


def _process_event(path: Path) -> None:
    """Call the modules in order; a condition that holds leads into its path, and ends this one."""
    for module in path._modules:
        start = time.perf_counter()
        module.event()
        statistics.count(module, time.perf_counter() - start)
        branch = module._branch()
        if branch is not None:
            _process_event(branch[0])
            if branch[1] is AfterConditionPath.END:
                return
