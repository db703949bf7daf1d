"""What is relied on in basf2 is written down whole, and the double behaves so; the same check runs in a real basf2."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from smartbkg.b2modules.environment import check_environment
from smartbkg.cli.basf2 import command

ROOT = Path(__file__).resolve().parents[2]
DOUBLE = Path(__file__).parent / "basf2_double"
MODULES = ROOT / "src" / "smartbkg" / "b2modules"
#: Functions that give modules of basf2, or ROOT.Belle2.
GIVERS = {"import_basf2", "belle2"}
#: Written in basf2's style, but names of this package or of Python's.
OURS = {"__file__"}
#: Names of steering files, paths and ROOT's vectors that are not in basf2's style of names.
PLAIN = {
    "add_module", "if_value", "return_value", "set_property_flags", "set_name", "create_path", "obj", "code", "Skims",
    "postskim_path", "prepend_globaltag", "register_module", "GetCoordinates", "X", "Y", "Z",
}  # fmt: skip


def _is_given(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in GIVERS


def bound_names(tree: ast.AST) -> set[str]:
    """Variables that hold what the givers give, also where several are set at once."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            found |= {name.id for name, value in pairs if isinstance(name, ast.Name) and _is_given(value)}
    return found


def names_of_basf2(path: Path) -> set[str]:
    """Attributes in a file that are basf2's: of what the givers give, or of its style of names."""
    tree = ast.parse(path.read_text())
    bound = bound_names(tree)
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        is_given = _is_given(owner) or (isinstance(owner, ast.Name) and owner.id in bound)
        if is_given or re.match(r"^[a-z]+[A-Z]", node.attr) or node.attr in PLAIN:
            found.add(node.attr)
    return found - OURS


def files_of_the_modules() -> list[Path]:
    """All but the self-test, which also touches what it only looks at."""
    return sorted(path for path in MODULES.rglob("*.py") if path.parent.name != "contract")


def test_every_name_of_basf2_is_in_the_contract(basf2: ModuleType) -> None:
    from smartbkg.b2modules.contract.clauses import CONTRACT

    known = {name for clause in CONTRACT for name in clause.names}
    touched: set[str] = set()
    for path in files_of_the_modules():
        names = names_of_basf2(path)
        assert names - known - {"beginRun"} == set(), path.name
        touched |= names
    assert {"GetCoordinates", "getMother", "setExtraInfo", "DBAccessorBase", "PyDBObj"} <= touched


def test_every_clause_says_where_basf2_says_so(basf2: ModuleType) -> None:
    from smartbkg.b2modules.contract.clauses import CONTRACT

    assert len({clause.key for clause in CONTRACT}) == len(CONTRACT)
    for clause in CONTRACT:
        assert re.search(r"\.(cc|h|py):\d+", clause.source), clause.key
        assert clause.claim, clause.key


def test_every_method_of_the_double_says_where_basf2_says_so() -> None:
    """Of the classes that stand for basf2's; small things of the double itself begin with an underscore."""
    for name in ("data_objects", "data_store", "database", "basf2"):
        tree = ast.parse((DOUBLE / f"{name}.py").read_text())
        for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            about = ast.get_docstring(kind) or ""
            for method in (node for node in kind.body if isinstance(node, ast.FunctionDef)):
                if method.name.startswith("_") or kind.name.startswith("_"):
                    continue
                text = about + (ast.get_docstring(method) or "")
                assert re.search(r"\.(cc|h|py)\b|ROOT::|ROOT's|the double|The double|Stands for", text), (
                    f"{name}.{kind.name}.{method.name}"
                )


def test_the_double_meets_the_contract(basf2: ModuleType, mdst: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one command that a user runs in a release, here with the double in its place."""
    tests = Path(__file__).parents[1]
    places = [str(DOUBLE), str(tests), os.environ.get("PYTHONPATH", ""), str(ROOT / "src")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    result = CliRunner().invoke(command, ["check", "--self-test", str(mdst)])
    lines = [line for line in result.output.splitlines() if line.startswith(("ok", "differs"))]
    assert [line for line in lines if line.startswith("differs")] == [], result.output
    assert len(lines) >= 20


def test_what_differs_is_printed_and_ends_in_exit_code_1(
    basf2: ModuleType, mdst: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smartbkg.b2modules.contract import self_test

    found = self_test.Result("raw payload", False, "isValid of a raw file: True")
    monkeypatch.setattr(self_test, "run_self_test", lambda source: [found])
    result = CliRunner().invoke(command, ["check", "--self-test", str(mdst)])
    assert result.exit_code == 1
    assert "differs raw payload" in result.output
    assert "isValid of a raw file: True" in result.output
    assert "DBAccessorBase.h:68" in result.output


def test_libraries_that_stand_before_the_releases_are_told(
    basf2: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A numpy of the user in front of the release's is another numpy for all of basf2."""
    user, release = tmp_path / "user", tmp_path / "release"
    for folder, version in ((user, "2.0.0"), (release, "1.26.4")):
        info = folder / f"numpy-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n")
    monkeypatch.setattr("sys.path", [str(user), str(release)])
    monkeypatch.setenv("BELLE2_RELEASE", "release-09-00-00")
    findings = {finding.subject: finding for finding in check_environment()}
    libraries = findings["libraries of the release"]
    assert not libraries.is_good
    assert "numpy 2.0.0 stands before the release's 1.26.4" in libraries.detail
    assert "virtual environment" in libraries.remedy
