"""Code of a user is named, found and run; what is wrong with it is one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smartbkg.errors import UsageError
from smartbkg.plug_ins import is_plug_in, load_plug_in


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch):
    """Modules and folders that a test adds are gone after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mine.py:Net", True), ("a/b.py:f", True), ("package.module:f", True), ("optimal", False), ("exp=1:2", False),
     (":f", False), ("C:", False)],
)  # fmt: skip
def test_a_colon_behind_a_file_or_module_makes_a_name_of_code(name, expected):
    assert is_plug_in(name) == expected


def test_an_object_of_a_file_is_the_same_each_time_and_finds_its_neighbours(tmp_path: Path):
    (tmp_path / "neighbour_of_plug_in.py").write_text("NUMBER = 7\n")
    (tmp_path / "some_plug_in.py").write_text(
        "from neighbour_of_plug_in import NUMBER\nclass Mine:\n    number = NUMBER\n"
    )
    found = load_plug_in(f"{tmp_path}/some_plug_in.py:Mine", "network")
    assert found.number == 7
    assert load_plug_in(f"{tmp_path}/some_plug_in.py:Mine", "network") is found
    assert sys.modules[found.__module__].Mine is found, "other processes and pickles find it by its name"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("nothing_here.py:f", None, "no file"),
        ("no-name.py:f", "f = 1", "is no name in Python"),
        ("json.py:f", "f = 1", "another module 'json'"),
        ("broken_plug_in.py:f", "f = 1 / 0", "does not run: ZeroDivisionError"),
        ("wrong_plug_in.py:f", "f = (", "does not run: SyntaxError"),
        ("lacking_plug_in.py:f", "import no_such_module_anywhere", "cannot import"),
        ("misspelt_plug_in.py:functoin", "def function(): ...", "nearest.*function|function"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, name, text, expected):
    if text is not None:
        (tmp_path / name.partition(":")[0]).write_text(text + "\n")
    with pytest.raises(UsageError, match=expected) as raised:
        load_plug_in(f"{tmp_path}/{name}", "policy")
    assert "\n" not in str(raised.value)


def test_a_module_of_the_working_directory_is_found(tmp_path, monkeypatch):
    (tmp_path / "module_plug_in.py").write_text("f = 3\n")
    monkeypatch.chdir(tmp_path)
    assert load_plug_in("module_plug_in:f", "skim") == 3
