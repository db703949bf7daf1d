"""Shell completion: the script that the documentation names, sourced and asked by bash itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a command `smartbkg` and its script for bash."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    folder = tmp_path_factory.mktemp("completion")
    program = folder / "smartbkg"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m smartbkg \"$@\"\n")
    program.chmod(0o755)
    environment = os.environ | {"_SMARTBKG_COMPLETE": "bash_source"}
    script = subprocess.run([program], env=environment, capture_output=True, text=True, check=True, timeout=120)
    (folder / "completion").write_text(script.stdout)
    return folder


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("smartbkg fil", {"filter"}),
        ("smartbkg campaign re", {"report", "retry"}),
        ("smartbkg train -o m.pth --epo", {"--epochs"}),
        ("smartbkg merge --method ", {"concatenate", "balance", "union"}),
    ],
)
def test_bash_completes(folder: Path, line: str, expected: set[str]) -> None:
    words = line.split(" ")
    ask = (
        f"source {folder / 'completion'}; COMP_WORDS=({' '.join(word or repr('') for word in words)}); "
        f"COMP_CWORD={len(words) - 1}; _smartbkg_completion smartbkg; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True, timeout=120)
    assert set(done.stdout.split()) == expected, done.stderr
