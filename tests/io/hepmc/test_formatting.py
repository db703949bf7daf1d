"""Lines of text from columns: digits that give the number back, places, and the text of each event."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.io.hepmc.formatting import as_text, cut, joined, lines_of, placed


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_single_precision_numbers_come_back_to_the_bit(values: list[float]) -> None:
    column = np.array(values, dtype=np.float32)
    back = np.array([np.float32(text) for text in as_text(column).to_pylist()], dtype=np.float32)
    np.testing.assert_array_equal(back, column)


def test_lines_have_their_words_in_order() -> None:
    assert lines_of("P", np.array([1, 2]), np.array([0.5, -3.25])).to_pylist() == ["P 1 0.5\n", "P 2 -3.25\n"]


def test_texts_stand_where_they_belong_and_nothing_elsewhere() -> None:
    assert placed(as_text(np.array([7, 8])), np.array([3, 0]), 4).to_pylist() == ["8", "", "", "7"]


@given(st.lists(st.integers(0, 4), max_size=6))
def test_the_text_of_the_events_together_is_that_of_all_lines(counts: list[int]) -> None:
    lines = joined("x", np.arange(sum(counts)), ";")
    found = cut(lines, np.array(counts, dtype=np.int64))
    assert [one.count(b";") for one in found] == counts
    assert b"".join(found).decode() == "".join(lines.to_pylist())


def test_a_part_of_a_column_is_cut_at_its_own_bytes() -> None:
    lines = joined("x", np.arange(6), ";").slice(2, 4)
    assert cut(lines, np.array([1, 3])) == [b"x2;", b"x3;x4;x5;"]
