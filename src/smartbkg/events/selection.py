"""Conditions on columns, as a user writes them: ``Mbc > 5.27``, ``abs(deltaE) < 0.2``, ``isSignal == 1``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_FORM: Final = re.compile(
    r"^\s*(abs\()?\s*([^<>=!()]+?(?:\([^()]*\))?[^<>=!()]*?)\s*(\))?\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*$"
)


class Selection(NamedTuple):
    """A condition on one column."""

    column: str
    is_absolute: bool
    comparison: str
    value: float

    def passes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) True where the condition holds; never for a missing number (NaN)."""
        numbers = np.asarray(values, dtype=np.float64)
        numbers = np.abs(numbers) if self.is_absolute else numbers
        with np.errstate(invalid="ignore"):
            holds = _OPERATORS[self.comparison](numbers, self.value)
        return np.asarray(holds & ~np.isnan(numbers), dtype=np.bool_)


def parse_selection(text: str) -> Selection:
    """A condition from its text.

    >>> parse_selection("abs(deltaE) < 0.2")
    Selection(column='deltaE', is_absolute=True, comparison='<', value=0.2)

    Raises
    ------
    UsageError
        Not of the form ``[abs(]column[)] operator number``.
    """
    match = _FORM.match(text)
    try:
        if match is None or bool(match[1]) != bool(match[3]):
            raise ValueError
        return Selection(match[2].strip(), match[1] is not None, match[4], float(match[5]))
    except ValueError:
        raise UsageError(f"cannot read the selection '{text}', expected for example 'abs(deltaE) < 0.2'") from None


__all__ = ["Selection", "parse_selection"]
