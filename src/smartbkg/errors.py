"""Errors a user can mend: what happened, where, what was expected, and the nearest valid choice.

Everything that is a user's mistake (a wrong file, a wrong option, a wrong model) raises a child of
`SmartBKGError`; the command line prints its one line and exits with its ``exit_code``. Anything else that
escapes is a defect of this package and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class SmartBKGError(Exception):
    """Base of all errors that a user can mend."""

    exit_code: ClassVar[int] = 1


class UsageError(SmartBKGError):
    """An option or argument is wrong or contradicts another one."""

    exit_code: ClassVar[int] = 2


class FileFormatError(SmartBKGError):
    """A file is missing, truncated, of another format, or not what its name promises."""


class EventError(SmartBKGError):
    """One event is not usable: it names the file and the event."""

    def __init__(self, message: str, *, source: str = "", event: object = None) -> None:
        where = f"{source}: " if source else ""
        which = f"event {event}: " if event is not None else ""
        super().__init__(f"{where}{which}{message}")
        self.source = source
        self.event = event


class SchemaError(SmartBKGError):
    """A file was written under a schema that this version does not read."""


class ModelError(SmartBKGError):
    """A model file is damaged, unsafe, or does not fit the data."""


class PolicyError(SmartBKGError):
    """Scores, costs or policy settings from which no valid keep probability follows."""


class DatasetError(SmartBKGError):
    """Events and flags that do not make a data set."""


class ConditionsError(SmartBKGError):
    """A global tag, payload or interval of validity is unknown, damaged or immutable."""


class MissingDependencyError(SmartBKGError):
    """Optional libraries are not installed: names the extras that bring them.

    Parameters
    ----------
    libraries : a library, or several.
    extras : an extra of this package, or several.
    purpose : what they are needed for, as the beginning of a sentence.
    """

    def __init__(self, libraries: str | Sequence[str], extras: str | Sequence[str], purpose: str) -> None:
        names = [libraries] if isinstance(libraries, str) else list(libraries)
        wanted = extras if isinstance(extras, str) else ",".join(extras)
        which = "which is" if len(names) == 1 else "which are"
        needed = f"{purpose} needs {' and '.join(names)}, {which} not installed"
        super().__init__(f"{needed}: pip install 'smartbkg[{wanted}]'")


def nearest(got: str, valid: Iterable[str]) -> str:
    """Phrase for an error message: the closest valid choice, then all of them.

    >>> nearest("mixd", ["mixed", "charged"])
    "did you mean 'mixed'? valid: charged, mixed"
    """
    names = sorted(valid)
    close = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}valid: {', '.join(names) if names else '(none)'}"
