"""The developers' pages name files that exist, and the picture is that of the storeys."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("name", "room"),
    [
        ("Policy", "sampling/policy.py"),  # where the keep probability is decided
        ("OptimalPolicy", "sampling/optimal.py"),
        ("EVENT_ID", "events/columns.py"),  # where a column's name is defined
        ("KEEP_PROBABILITY", "events/columns.py"),
        ("make_backend", "networks/backends.py"),  # who runs a network
        ("BELLE2_SKIMS", "experiment/skims/belle2.py"),  # where a new skim goes
        ("group_events", "events/identity.py"),
        ("SCHEMA_VERSIONS", "storage/kinds.py"),
        ("choose_skim", "events/skim_choice.py"),
        ("expit", "scores/logistic.py"),
        ("SPEED_OF_LIGHT", "events/units.py"),
        ("first_bytes", "storage/signatures.py"),
    ],
)
def test_what_a_newcomer_looks_for_is_defined_once_and_where_the_pages_say(name: str, room: str) -> None:
    assert [path for path in _definitions()[name] if not path.startswith("b2modules")] == [room]
    pages = [REPOSITORY / "docs" / "developers" / "index.md", *(REPOSITORY / "docs" / "decisions").glob("0034-*.md")]
    assert any(room in page.read_text() for page in pages)


@functools.cache
def _definitions() -> dict[str, list[str]]:
    """Name → modules that define it at their top, not those that import it."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = {target.id for target in targets if isinstance(target, ast.Name)} | {getattr(node, "name", None)}
            for name in names - {None}:
                found.setdefault(str(name), []).append(path.relative_to(PACKAGE).as_posix())
    return found
