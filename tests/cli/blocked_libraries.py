"""Run verbs with libraries blocked, each in a forked process: `python blocked_libraries.py cases.json outcomes.json`.

The parent imports the core alone, once; a child blocks libraries, runs one verb and hands back what a user would see.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from smartbkg.cli import VERBS, main


class _Blocker(importlib.abc.MetaPathFinder):
    """Finds nothing, and says so, where one of some libraries is asked for."""

    def __init__(self, libraries: list[str]) -> None:
        self._libraries = libraries

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname.partition(".")[0] in self._libraries:
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)


def _block(libraries: list[str]) -> None:
    """Make libraries as if they were not installed: neither imported nor found."""
    sys.meta_path.insert(0, _Blocker(libraries))
    find_spec = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> Any:
        return None if name.partition(".")[0] in libraries else find_spec(name, package)

    importlib.util.find_spec = find_others


def run_blocked(arguments: list[str], libraries: list[str]) -> dict[str, Any]:
    """Exit code and output (stdout and stderr together) of a verb without these libraries."""
    with tempfile.TemporaryFile("w+") as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            code = 99
            try:
                _block(libraries)
                main(arguments)
            except SystemExit as stop:
                code = int(stop.code or 0)
            except BaseException:  # noqa: BLE001 - the child never returns into the parent's program
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "output": output.read()}


def run_cases(cases: Path, outcomes: Path) -> None:
    """Run the cases ``[[arguments, libraries], ...]`` of one JSON file and write the outcomes to another."""
    for verb in VERBS:
        importlib.import_module(f"smartbkg.cli.{verb}")
    for name in ("io", "filtering.files", "closure.files", "datasets.build", "networks.model_file"):
        importlib.import_module(f"smartbkg.{name}")
    results = [run_blocked(arguments, libraries) for arguments, libraries in json.loads(cases.read_text())]
    outcomes.write_text(json.dumps(results))


if __name__ == "__main__":
    run_cases(Path(sys.argv[1]), Path(sys.argv[2]))
