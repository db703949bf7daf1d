"""Code of a user, named on the command line: ``file.py:Name`` or ``module:Name``.

A file is run because the user named it, or the environment variable ``SMARTBKG_PLUG_INS`` does. What a model, a policy
or a sample that comes from elsewhere names is never run for that.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, Final

from smartbkg.errors import UsageError, nearest

#: Environment variable: plug-ins that every command loads, several with commas between.
VARIABLE: Final = "SMARTBKG_PLUG_INS"


def is_plug_in(name: str) -> bool:
    """Whether a name is that of code: it has a colon behind a module or a file."""
    module, colon, attribute = name.rpartition(":")
    return bool(colon and module) and attribute.isidentifier()


def load_plug_in(name: str, what: str) -> Any:
    """The object of that name.

    Parameters
    ----------
    name : ``folder/file.py:Name`` or ``module:Name``; modules are also looked for in the working directory, after the
        installed ones.
    what : what it is to be, for messages: ``skim``, ``network``.

    Raises
    ------
    UsageError
        The file or module does not exist, does not run, or has no such name: says which are nearest.
    """
    module_name, _, attribute = name.rpartition(":")
    module = (
        _of_file(Path(module_name), name, what) if module_name.endswith(".py") else _imported(module_name, name, what)
    )
    if not hasattr(module, attribute):
        own = [key for key in dir(module) if not key.startswith("_")]
        raise UsageError(f"{what} '{name}': {module_name} has no '{attribute}': {nearest(attribute, own)}")
    return getattr(module, attribute)


def named_by_environment() -> tuple[str, ...]:
    """The plug-ins that ``SMARTBKG_PLUG_INS`` names."""
    return tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())


def _of_file(path: Path, name: str, what: str) -> Any:
    if not path.is_file():
        raise UsageError(f"{what} '{name}': no file {path}")
    stem = path.stem
    if not stem.isidentifier():
        raise UsageError(f"{what} '{name}': the file's name without .py is no name in Python: call it my_{what}.py")
    known = sys.modules.get(stem)
    if known is not None:
        if Path(getattr(known, "__file__", None) or "").resolve() == path.resolve():
            return known
        raise UsageError(f"{what} '{name}': there is another module '{stem}' already: give the file another name")
    _look_in(str(path.resolve().parent))
    found = importlib.util.find_spec(stem)
    if found is None or found.origin is None or Path(found.origin).resolve() != path.resolve():
        raise UsageError(f"{what} '{name}': a module '{stem}' is installed: give the file another name")
    return _imported(stem, name, what)


def _imported(module: str, name: str, what: str) -> Any:
    _look_in(str(Path.cwd()))
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{what} '{name}': cannot import {module}: {error}") from error
    except Exception as error:
        # whatever the user's file does wrong while it is run
        raise UsageError(f"{what} '{name}': {module} does not run: {type(error).__name__}: {error}") from error


def _look_in(folder: str) -> None:
    """Let modules of a folder be found, after installed ones."""
    if folder not in sys.path and not (folder == str(Path.cwd()) and "" in sys.path):
        sys.path.append(folder)


__all__ = ["VARIABLE", "is_plug_in", "load_plug_in", "named_by_environment"]
