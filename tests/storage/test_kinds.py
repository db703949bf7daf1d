"""Kinds of files and their schema versions stand in one table."""

from __future__ import annotations

import ast
from pathlib import Path

import smartbkg
from smartbkg.storage import kinds
from smartbkg.storage.kinds import SCHEMA_VERSIONS

PACKAGE = Path(smartbkg.__file__).parent


def test_every_kind_has_a_version() -> None:
    named = {value for name, value in vars(kinds).items() if name.isupper() and isinstance(value, str)}
    assert named == set(SCHEMA_VERSIONS)
    assert all(version >= 1 for version in SCHEMA_VERSIONS.values())


def test_no_record_is_written_with_a_kind_or_version_of_its_own() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                arguments = node.args[slice(*CALLS[node.func.id])]
                found += [f"{path.name}:{node.lineno}" for value in arguments if isinstance(value, ast.Constant)]
    assert found == []


#: Which arguments of a function are kind and version.
CALLS = {"record": (0, 2), "check_schema": (1, 3)}
