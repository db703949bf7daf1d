"""The table of the verbs in the reference says what the command line does."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from command_tree import options, verbs

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "reference" / "command-line.md"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    pytest.importorskip("latex2mathml", reason="the group docs is not installed")
    specification = importlib.util.spec_from_file_location("docs_hooks", REPOSITORY / "scripts" / "docs_hooks.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def rows(hooks: ModuleType) -> dict[str, list[str]]:
    lines = hooks.command_table().splitlines()[2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return {cell[0].strip("`"): cell[1:] for cell in cells}


def test_each_verb_has_a_row_of_what_it_offers(hooks: ModuleType) -> None:
    table = rows(hooks)
    found = dict(verbs())
    assert table.keys() == found.keys()
    for name, command in found.items():
        names = {name for option in options(command) for name in option.opts}
        written, keys, _progress, codes, example = table[name]
        assert bool(written) == ("-o" in names), name
        assert keys.startswith("no: ") == ("--json" not in names), name
        assert f"smartbkg {name}" in example
        assert codes.startswith("0, 1, 2, 130"), name


def test_rows_say_what_is_written_and_what_exit_code_1_means_besides(hooks: ModuleType) -> None:
    table = rows(hooks)
    assert table["train"][0] == "a model: `.safetensors`"
    assert table["ntuple"][0] == "a ROOT n-tuple: `.root`"
    for name in ("validate", "doctor", "demo", "basf2 check", "conditions verify"):
        assert "xit code 1 if" in table[name][3], name


def test_the_page_gets_the_table(hooks: ModuleType) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="reference/command-line.md"))
    built = hooks.on_page_markdown(PAGE.read_text(), page)
    assert "| `conditions get` |" in built
    assert "stands here" not in built


def test_options_of_the_vocabulary_exist(hooks: ModuleType) -> None:
    known = {name for _verb, command in verbs() for option in options(command) for name in option.opts}
    section = PAGE.read_text().split("## One vocabulary")[1].split("\n## ")[0]
    named = {
        word.strip("`,")
        for line in section.splitlines()
        if line.startswith("| `")
        for word in line.split("|")[1].split()
    }
    assert named
    assert named <= known
