from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.conditions.interval import ALWAYS, Interval, check_interval, parse_interval
from smartbkg.errors import ConditionsError

numbers = st.integers(0, 9)
ends = st.integers(-1, 9)


def basf2_condition(iov: Interval, exp: int, run: int) -> bool:
    """The condition of basf2's query on its local metadata, term by term."""
    begins = (iov.first_experiment == exp and iov.first_run <= run) or iov.first_experiment < exp
    ends_after = (
        iov.final_experiment < 0
        or (iov.final_run < 0 and iov.final_experiment >= exp)
        or iov.final_experiment > exp
        or (iov.final_experiment == exp and iov.final_run >= run)
    )
    return begins and ends_after


@given(numbers, numbers, ends, ends, numbers, numbers)
def test_interval_contains_the_runs_that_basf2_selects(a: int, b: int, c: int, d: int, exp: int, run: int) -> None:
    interval = Interval(a, b, c, d)
    assert interval.contains(exp, run) == basf2_condition(interval, exp, run)


@given(numbers, numbers)
def test_always_contains_every_run(exp: int, run: int) -> None:
    assert ALWAYS.contains(exp, run)


def test_text_is_read_back() -> None:
    assert parse_interval(str(Interval(7, 3, 8, -1))) == Interval(7, 3, 8, -1)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1;2;3;4", "0,0,-1,-1x", "1e3,0,-1,-1"])
def test_other_texts_are_refused_with_the_expected_form(text: str) -> None:
    with pytest.raises(ConditionsError, match="firstExp,firstRun,finalExp,finalRun"):
        parse_interval(text)


@pytest.mark.parametrize("interval", [Interval(-1, 0, 3, 3), Interval(5, 0, 4, -1), Interval(5, 9, 5, 8)])
def test_intervals_without_runs_are_refused(interval: Interval) -> None:
    with pytest.raises(ConditionsError, match="interval of validity"):
        check_interval(interval)
