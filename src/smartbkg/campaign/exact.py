"""Sums without rounding, fast enough for the records of 10⁵ chunks: the same number in any order and any grouping."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Self


class ExactSum:
    """A running sum of binary fractions, kept as one integer for each power of two that was met.

    >>> total = ExactSum()
    >>> for number in (1e16, 1.0, -1e16):
    ...     total.add(number)
    >>> float(total.value)
    1.0
    """

    __slots__ = ("_numerators",)

    def __init__(self) -> None:
        self._numerators: dict[int, int] = {}  # denominator → sum of numerators

    def add(self, number: float | str) -> None:
        """Add a number, or one written as `Fraction` writes it: ``3/4``.

        Raises
        ------
        ValueError
            No finite binary fraction.
        """
        if isinstance(number, str):
            numerator, _, rest = number.partition("/")
            top, bottom = int(numerator), int(rest) if rest else 1
        else:
            try:
                top, bottom = number.as_integer_ratio()
            except OverflowError as error:
                raise ValueError(f"{number} in a sum, expected a finite number") from error
        if bottom in self._numerators:
            self._numerators[bottom] += top
        elif bottom < 1 or bottom & (bottom - 1):
            raise ValueError(f"{number} is no binary fraction")
        else:
            self._numerators[bottom] = top

    def add_sum(self, other: ExactSum) -> None:
        """Add another sum."""
        for bottom, top in other._numerators.items():
            self._numerators[bottom] = self._numerators.get(bottom, 0) + top

    def to_text(self) -> str:
        """The sum as two hexadecimal integers, numerator and denominator: quickly written and read."""
        value = self.value
        return f"{value.numerator:x}/{value.denominator:x}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` wrote.

        Raises
        ------
        ValueError
            It is something else.
        """
        numerator, _, denominator = text.partition("/")
        total = cls()
        total._numerators[int(denominator, 16)] = int(numerator, 16)
        return total

    @property
    def value(self) -> Fraction:
        """The sum."""
        bottom = max(self._numerators, default=1)
        return Fraction(sum(top * (bottom // own) for own, top in self._numerators.items()), bottom)

    def __float__(self) -> float:
        return float(self.value)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ExactSum) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # it changes
