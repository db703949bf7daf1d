"""Conditions on columns: what they mean, and which texts are none."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import UsageError
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
     "1 < Mbc < 2", "Mbc > 1 and deltaE < 2"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"cannot read the selection .*, expected for example"):
        parse_selection(text)
