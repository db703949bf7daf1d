"""Exact sums: the same number in any order and any grouping."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.campaign.exact import ExactSum

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), max_size=20)


@given(numbers=NUMBERS, seed=st.randoms(use_true_random=False), cut=st.integers(0, 20))
def test_a_sum_does_not_depend_on_order_or_grouping(numbers: list[float], seed: object, cut: int) -> None:
    whole, first, second = ExactSum(), ExactSum(), ExactSum()
    for number in numbers:
        whole.add(number)
    shuffled = list(numbers)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    for position, number in enumerate(shuffled):
        (first if position < cut else second).add(number)
    first.add_sum(second)
    assert first == whole
    assert whole.value == sum((Fraction(number) for number in numbers), Fraction(0))


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_as_text_is_the_same_number(number: float) -> None:
    total = ExactSum()
    total.add(str(Fraction(number)))
    assert total.value == Fraction(number)


@pytest.mark.parametrize("number", ["1/3", "x", "1/0", float("inf"), float("nan")])
def test_what_is_no_binary_fraction_is_refused(number: float | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ExactSum().add(number)
