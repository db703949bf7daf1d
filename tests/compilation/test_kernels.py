"""Parts of kernels: what they compute is what Python computes, and what may not allocate does not compile."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from smartbkg.compilation import borrowing_part, kernel, part
from smartbkg.compilation.kernels import KERNELS


class Rows(NamedTuple):
    """Two arrays that are handed on together."""

    value: NDArray[np.float64]
    count: NDArray[np.int64]


def add_row(rows, row, amount):  # type: ignore[no-untyped-def]
    """Add to a row through a view, as kernels do, and count it."""
    view = rows.value[row]
    for column in range(len(view)):
        view[column] += amount * (column + 1)
    rows.count[row] += 1
    return view[0]


def _on_all_rows(decorator: Any) -> Rows:
    add = decorator(add_row)

    @numba.njit
    def over_all(rows):  # type: ignore[no-untyped-def]
        for row in range(len(rows.count)):
            add(rows, row, 0.5 * row)

    rows = Rows(np.ones((4, 3)), np.zeros(4, dtype=np.int64))
    over_all(rows)
    return rows


@pytest.mark.parametrize("decorator", [part, borrowing_part])
def test_a_part_computes_what_python_computes(decorator: Any) -> None:
    expected = Rows(np.ones((4, 3)), np.zeros(4, dtype=np.int64))
    for row in range(4):
        add_row(expected, row, 0.5 * row)
    found = _on_all_rows(decorator)
    np.testing.assert_array_equal(found.value, expected.value)
    np.testing.assert_array_equal(found.count, 1)


def test_views_in_a_borrowing_part_leave_the_arrays_to_their_owner() -> None:
    rows = Rows(np.ones((4, 3)), np.zeros(4, dtype=np.int64))
    add = borrowing_part(add_row)

    @numba.njit
    def once(rows):  # type: ignore[no-untyped-def]
        return add(rows, 1, 2.0)

    once(rows)
    before = [sys.getrefcount(array) for array in rows]
    for _ in range(100):
        once(rows)
    assert [sys.getrefcount(array) for array in rows] == before


def test_a_borrowing_part_that_allocates_does_not_compile() -> None:
    @borrowing_part
    def allocates(n):  # type: ignore[no-untyped-def]
        return np.zeros(n).sum()

    @numba.njit
    def calls(n):  # type: ignore[no-untyped-def]
        return allocates(n)

    with pytest.raises(numba.core.errors.NumbaError, match="zeros"):
        calls(3)


def test_a_kernel_is_known_to_the_build_of_what_is_shipped() -> None:
    before = len(KERNELS)

    @kernel
    def one() -> int:
        return 1

    assert KERNELS[before:] == [one]
    KERNELS.remove(one)
