"""What a verb says besides its result, and how much of it: ``-q`` and ``-v``, which every verb has.

Standard output is for what was asked for: a report, a listing, JSON, events. What was done on the way, notes, warnings
and progress go to standard error. ``-q`` leaves out all but warnings and errors; ``-v`` also says with which settings a
verb works, what the library logs, and what it took.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import click

from smartbkg._version import __version__
from smartbkg.cli.console import echo
from smartbkg.errors import UsageError

_KEY: Final = "smartbkg.speech"
QUIET: Final = "quiet"
VERBOSE: Final = "verbose"


def _chosen() -> str | None:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_KEY)


def is_quiet() -> bool:
    """Whether the user asked for warnings and errors alone."""
    return _chosen() == QUIET


def is_verbose() -> bool:
    """Whether the user asked for more."""
    return _chosen() == VERBOSE


def say(text: str) -> None:
    """What was done, on standard error."""
    if not is_quiet():
        echo(text, err=True)


def warn(text: str) -> None:
    """What may make a result wrong, on standard error, whatever was asked for."""
    echo(f"warning: {text}", err=True)


@contextlib.contextmanager
def words(*, aside: bool) -> Iterator[None]:
    """Printed text goes to standard output, or ``aside``: to standard error, and nowhere where that is to be quiet."""
    if not aside:
        yield
        return
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(open(os.devnull, "w", encoding="utf-8")) if is_quiet() else sys.stderr  # noqa: PTH123
        with contextlib.redirect_stdout(place):
            yield


def _choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value:
        return
    if context.meta.get(_KEY, parameter.name) != parameter.name:
        raise UsageError("-q and -v exclude one another")
    context.meta[_KEY] = parameter.name


def add_speech_options(command: click.Command) -> None:
    """Give a verb, or all verbs of a group, ``-q`` and ``-v``; once, however often it is asked."""
    if isinstance(command, click.Group):
        for child in command.commands.values():
            add_speech_options(child)
        return
    if any(parameter.name == QUIET for parameter in command.params):
        return
    for name, meaning in ((QUIET, "Warnings, errors and the result alone."), (VERBOSE, "Also settings and times.")):
        command.params.append(
            click.Option(
                [f"-{name[0]}", f"--{name}"], is_flag=True, expose_value=False, is_eager=True, callback=_choose,
                help=meaning,
            )
        )  # fmt: skip
    if command.callback is not None:
        command.callback = _telling(command.callback)


def _telling(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which says under ``-v`` what it works with and what it took."""

    @functools.wraps(callback)
    def told(*arguments: Any, **options: Any) -> Any:
        if not is_verbose():
            return callback(*arguments, **options)
        with _logged():
            _tell_settings(click.get_current_context())
            started, cpu = time.monotonic(), time.process_time()
            try:
                return callback(*arguments, **options)
            finally:
                said = f"took {time.monotonic() - started:.1f} s, {time.process_time() - cpu:.1f} s of CPU"
                echo(f"{said}, at most {_largest_memory():.0f} MB of memory", err=True)

    return told


def _tell_settings(context: click.Context) -> None:
    echo(f"smartbkg {__version__}, Python {platform.python_version()}: {context.command_path}", err=True)
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        if value is None or value == ():
            continue
        source = context.get_parameter_source(name)
        origin = " (default)" if source is click.core.ParameterSource.DEFAULT else ""
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        echo(f"  {parameter.opts[0]} {shown}{origin}", err=True)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """What the library logs goes to standard error, with the time."""
    logger, handler = logging.getLogger("smartbkg"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level, logger.propagate = logger.level, False
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True


def _largest_memory() -> float:
    """Megabytes of the process at its largest."""
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


__all__ = ["add_speech_options", "is_quiet", "is_verbose", "say", "warn", "words"]
