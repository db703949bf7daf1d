"""Every block of the README that says it runs in CI does, in the order of the README, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- runs in CI -->\n```(console|python)\n(.*?)```", re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((REPOSITORY / "README.md").read_text())


def test_readme_has_blocks_of_both_kinds():
    assert {kind for kind, _ in blocks()} == {"console", "python"}


@pytest.mark.slow
def test_blocks_run(tmp_path):
    pytest.importorskip("pythia8mc", reason="generating events needs the extra 'generate'")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for kind, text in blocks():
        commands = [["bash", "-ec", text]] if kind == "console" else [[sys.executable, "-c", text]]
        for command in commands:
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "data:image/svg+xml;base64," in page
    assert not re.search(r"(src|href)=[\"']https?://", page)
