"""Column names are spelled in one file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from smartbkg.events import columns
from smartbkg.events.columns import EVENT_ID, ID_NAMES, id_column, is_id_column, logit_columns, score_columns

PACKAGE = Path(columns.__file__).parents[1]
#: Names that mean a column wherever they are spelled; `score` or `weight` may also be a word.
UNMISTAKABLE = {
    columns.IS_KEPT,
    columns.SAMPLING_WEIGHT,
    columns.PASSES_PREFIX,
    columns.FRACTION_PREFIX,
    columns.LABEL_PREFIX,
    columns.VARIABLE_PREFIX,
    columns.ORACLE_PREFIX,
}


def test_no_other_module_spells_the_names_of_added_columns() -> None:
    """A name inside an f-string counts; texts for people, which hold spaces, do not."""
    found: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path == Path(columns.__file__):
            continue
        found += [
            f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in UNMISTAKABLE
        ]
    assert found == []


def test_no_spelling_of_the_event_id_means_two_of_its_parts() -> None:
    spellings = [name for part in EVENT_ID for name in ID_NAMES[part]]
    assert len(set(spellings)) == len(spellings)
    assert all(is_id_column(name) for name in spellings)
    assert not is_id_column("Mbc")


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["evt", "__event__"], "__event__"), (["evtNum", "event"], "evtNum"), (["Mbc"], None), ([], None)],
)
def test_our_own_name_of_an_id_comes_before_those_of_others(names: list[str], expected: str | None) -> None:
    assert id_column("evtNum", names) == expected


def test_one_skim_has_plain_columns_and_several_carry_their_names() -> None:
    assert score_columns(["a"]) == ("score",)
    assert score_columns(["a", "b"]) == ("score_a", "score_b")
    assert logit_columns(["a", "b"]) == ("logit_a", "logit_b")
