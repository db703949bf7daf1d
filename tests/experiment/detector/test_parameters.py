"""Every number of the detector names its source."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from smartbkg.experiment.detector import parameters

#: Numbers that are not measured: neutral factors.
NEUTRAL = {"efficiency_scale", "energy_scale"}


def documented_numbers() -> list[tuple[str, str, str]]:
    """(group, number, its docstring), in the order of the file."""
    found = []
    for group in ast.parse(inspect.getsource(parameters)).body:
        if not isinstance(group, ast.ClassDef) or not group.name.endswith("Parameters"):
            continue
        if group.name == "DetectorParameters":
            continue
        for number, text in zip(group.body[1:], group.body[2:], strict=False):
            if isinstance(number, ast.AnnAssign) and isinstance(number.target, ast.Name):
                documentation = text.value.value if isinstance(text, ast.Expr) else ""  # type: ignore[attr-defined]
                found.append((group.name, number.target.id, str(documentation)))
    return found


def test_all_numbers_are_found() -> None:
    groups = parameters.BELLE2.to_dict()
    assert len(documented_numbers()) == sum(len(group) for group in groups.values() if isinstance(group, dict))


@pytest.mark.parametrize(("group", "number", "text"), documented_numbers())
def test_every_number_names_its_source(group: str, number: str, text: str) -> None:
    if number in NEUTRAL or "nodes" in text:
        return
    assert re.search(r"\[(geo|phys|pdg|fit|guess)\b|\b(geo|phys|pdg|fit|guess)\b[^\[]*\]", text), f"{group}.{number}"
