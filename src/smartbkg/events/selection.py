"""Conditions on columns, as a user writes them: ``Mbc > 5.27``, ``abs(deltaE) < 0.2``, ``isSignal == 1``."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError, UsageError

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_LONGEST_SHOWN: Final = 80


class Selection(NamedTuple):
    """A condition on one column."""

    column: str
    is_absolute: bool
    comparison: str
    value: float

    def passes(self, values: NDArray[Any], source: str = "") -> NDArray[np.bool_]:
        """(n,) True where the condition holds; never for a missing number (NaN).

        Raises
        ------
        FileFormatError
            The column holds no numbers.
        """
        try:
            numbers = np.asarray(values, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise FileFormatError(f"{source}: column '{self.column}' holds no numbers: {error}") from error
        numbers = np.abs(numbers) if self.is_absolute else numbers
        with np.errstate(invalid="ignore"):
            holds = _OPERATORS[self.comparison](numbers, self.value)
        return np.asarray(holds & ~np.isnan(numbers), dtype=np.bool_)


def parse_selection(text: str) -> Selection:
    """A condition from its text, in time proportional to its length.

    >>> parse_selection("abs(deltaE) < 0.2")
    Selection(column='deltaE', is_absolute=True, comparison='<', value=0.2)

    Raises
    ------
    UsageError
        Not of the form ``[abs(]column[)] operator number``.
    """
    place = _first_operator(text)
    comparison = next((sign for sign in _OPERATORS if text.startswith(sign, place)), "") if place >= 0 else ""
    column, number = text[: max(place, 0)].strip(), text[place + len(comparison) :].strip()
    is_absolute = column.startswith("abs(") and _first_operator(column, closing=True) == len(column) - 1
    column = column[len("abs(") : -1].strip() if is_absolute else column
    try:
        value = float(number)
        if not comparison or not column or math.isnan(value) or column.count("(") != column.count(")"):
            raise ValueError
    except ValueError:
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        raise UsageError(f"cannot read the selection '{shown}', expected for example 'abs(deltaE) < 0.2'") from None
    return Selection(column, is_absolute, comparison, value)


def _first_operator(text: str, *, closing: bool = False) -> int:
    """Position of the first letter of a comparison outside of parentheses, -1 where there is none.

    Parameters
    ----------
    closing : of the parenthesis that closes the first one instead.
    """
    depth = 0
    for place, letter in enumerate(text):
        if letter in "()":
            depth += 1 if letter == "(" else -1
            if closing and depth == 0:
                return place
        elif letter in "<>=!" and depth == 0 and not closing:
            return place
    return -1


__all__ = ["Selection", "parse_selection"]
