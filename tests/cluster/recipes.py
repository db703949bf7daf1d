"""Running the recipes of examples/campaign from outside: a command line of the tests' own Python."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = REPOSITORY / "examples" / "campaign"


def command_line(folder: Path) -> dict[str, str]:
    """An environment in which `smartbkg` and `python` are those of the tests, by scripts in a new folder."""
    folder.mkdir()
    python = shlex.quote(sys.executable)
    for name, command in (("smartbkg", f"{python} -m smartbkg"), ("python", python)):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    return os.environ | {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(REPOSITORY / "src")),
    }


def smartbkg(*arguments: object, environment: dict[str, str]) -> str:
    """Call `smartbkg campaign`; its output."""
    command = ["smartbkg", "campaign", *map(str, arguments)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise AssertionError(f"{command}: {ended.stderr}")
    return ended.stdout
