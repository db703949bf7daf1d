"""A program that a user names: its command, its run, and what it said when it failed."""

from __future__ import annotations

import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from smartbkg.errors import SmartBKGError, UsageError
from smartbkg.experiment.child import run_child
from smartbkg.storage.printing import printable

_LINES_OF_ERROR: Final = 3


class ProgramError(SmartBKGError):
    """A program cannot be started, failed or took too long."""


def split_command(command: str, fields: Sequence[str], what: str) -> list[str]:
    """The words of a command, which must hold each of the fields.

    Raises
    ------
    UsageError
        A field such as ``{output}`` is missing, or quotes are not closed.
    """
    for field in fields:
        if field not in command:
            raise UsageError(f"{what}: the command has no {field}: '{command}'")
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{what}: cannot read the command '{command}': {error}") from error


def filled(words: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """The words with ``{name}`` replaced by its value, everything else as it is."""
    result = []
    for word in words:
        for name, value in values.items():
            word = word.replace("{" + name + "}", str(value))
        result.append(word)
    return result


def run_program(
    words: Sequence[str],
    folder: Path,
    what: str,
    concerned: str,
    timeout: float | None = None,
    working_folder: Path | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run a program without a shell; it and its children never outlive this process (`run_child`).

    Parameters
    ----------
    folder : its own, for its log; removed if this process is killed.
    what, concerned : for messages: ``external simulation``, ``5 events ...``.
    timeout : seconds; None waits for ever.
    working_folder : what its relative paths start from; that of this process if not given.
    stop : set by another thread to end it.

    Raises
    ------
    ProgramError
        It cannot be started, ends with another code than 0, or takes too long.
    """
    log = folder / "log"
    try:
        code = run_child(words, folder, log, timeout, working_folder, stop)
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{what}: no result after {timeout:g} s, for {concerned}") from error
    except OSError as error:
        raise ProgramError(f"{what}: cannot start '{words[0]}': {error.strerror}") from error
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()[-_LINES_OF_ERROR:]
        said = f": {printable(' | '.join(lines))}" if lines else ""
        raise ProgramError(f"{what}: '{words[0]}' ended with code {code}, for {concerned}{said}")
