"""The developers' pages name files that exist, and the picture is that of the storeys."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "smartbkg"


def test_every_file_that_the_pages_name_exists() -> None:
    missing: list[str] = []
    for page in [*sorted((REPOSITORY / "docs" / "developers").glob("*.md")), REPOSITORY / "CONTRIBUTING.md"]:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        missing += [
            f"{page.name}: {name}"
            for name in re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|md|svg))`", text)
            if not any((base / name).exists() for base in (REPOSITORY, PACKAGE, REPOSITORY / "docs"))
        ]
    assert missing == []


def test_the_picture_is_that_of_the_storeys() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "draw_architecture.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + " (python scripts/draw_architecture.py)"
