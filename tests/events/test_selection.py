"""Conditions on columns: what they mean, and which texts are none."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events.selection import Selection, parse_selection

VALUES = np.array([-1.0, 0.0, 0.5, 1.0, np.nan])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x > 0", [False, False, True, True, False]),
        ("x >= 0", [False, True, True, True, False]),
        ("x < 0.5", [True, True, False, False, False]),
        ("x <= 5e-1", [True, True, True, False, False]),
        ("x == 1", [False, False, False, True, False]),
        ("x != 1", [True, True, True, False, False]),  # a missing number meets no condition
        ("abs(x) >= 1", [True, False, False, True, False]),
        ("x > -0.5", [False, True, True, True, False]),
    ],
)
def test_a_condition_holds_where_it_says(text: str, expected: list[bool]) -> None:
    assert parse_selection(text).passes(VALUES).tolist() == expected


def test_truth_values_and_whole_numbers_are_numbers() -> None:
    assert parse_selection("isSignal == 1").passes(np.array([True, False])).tolist() == [True, False]
    assert parse_selection("n > 2").passes(np.array([2, 3], dtype=np.uint8)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Mbc>5.27", "Mbc"),
        ("  Mbc  >  5.27 ", "Mbc"),
        ("extraInfo(SignalProbability) > 5.27", "extraInfo(SignalProbability)"),
        ("my column > 5.27", "my column"),
    ],
)
def test_names_of_columns_are_taken_as_they_are(text: str, column: str) -> None:
    assert parse_selection(text) == Selection(column, False, ">", 5.27)


@pytest.mark.parametrize(
    "text",
    ["", "Mbc", "Mbc 5", "Mbc > ", "> 5", "Mbc >> 5", "Mbc => 5", "Mbc = 5", "Mbc > x", "abs(Mbc > 5", "Mbc) > 5",
     "1 < Mbc < 2", "Mbc > nan", "Mbc > 1 and deltaE < 2"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"cannot read the selection .*, expected for example"):
        parse_selection(text)


def test_the_time_to_read_a_condition_grows_with_its_length_alone() -> None:
    """Backtracking over blanks took minutes for 3,000 of them, and would take years for these."""
    for text in (" " * 300_000 + "x", "(" * 300_000, "a(" * 100_000 + "> 1", "<" * 300_000):
        with pytest.raises(UsageError, match=r"cannot read the selection '.{80}\.\.\.'"):
            parse_selection(text)


def test_a_comparison_inside_of_a_name_belongs_to_the_name() -> None:
    assert parse_selection("nDaughters(pt > 1) >= 2") == Selection("nDaughters(pt > 1)", False, ">=", 2.0)
    assert parse_selection("abs(daughter(0,dz)) < 2") == Selection("daughter(0,dz)", True, "<", 2.0)


def test_a_column_of_text_is_one_line() -> None:
    with pytest.raises(FileFormatError, match=r"flags\.csv: column 'x' holds no numbers"):
        parse_selection("x > 1").passes(np.array(["a"]), "flags.csv")
