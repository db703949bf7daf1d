"""Log messages, their counters, and the end of the process at B2FATAL.

Each function names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

import enum
import sys


class LogLevel(enum.IntEnum):
    """framework/logging/include/LogConfig.h:22."""

    DEBUG = 0
    INFO = 1
    RESULT = 2
    WARNING = 3
    ERROR = 4
    FATAL = 5


class FatalError(SystemExit):
    """What B2FATAL does: framework/logging/src/LogSystem.cc:117-132 calls exit(1), which no handler catches."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


#: Everything that was logged: (level, message).
LOG: list[tuple[LogLevel, str]] = []


class _Counters:
    """LogSystem.cc:81: every message is counted; `Framework::process` looks at the errors."""

    def __init__(self) -> None:
        self.n_errors = 0


COUNTERS = _Counters()


def _log(level: LogLevel, message: str) -> None:
    LOG.append((level, message))
    if level >= LogLevel.WARNING:
        sys.stderr.write(f"[{level.name}] {message}\n")


def B2DEBUG(level: int, message: str) -> None:
    """LogPythonInterface.cc: seen only at that debug level."""
    _log(LogLevel.DEBUG, message)


def B2INFO(message: str) -> None:
    """framework/pybasf2/src/LogPythonInterface.cc:503."""
    _log(LogLevel.INFO, message)


def B2WARNING(message: str) -> None:
    """LogPythonInterface.cc:514."""
    _log(LogLevel.WARNING, message)


def B2ERROR(message: str) -> None:
    """LogSystem.cc:81: counted; errors before the event loop keep it from starting (EventProcessor.cc:173)."""
    COUNTERS.n_errors += 1
    _log(LogLevel.ERROR, message)


def B2FATAL(message: str) -> None:
    """LogSystem.cc:117: the process ends."""
    _log(LogLevel.FATAL, message)
    raise FatalError(message)
