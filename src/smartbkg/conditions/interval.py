"""Interval of validity: the runs for which a payload holds, in Belle II's convention."""

from __future__ import annotations

import re
from typing import NamedTuple

from smartbkg.errors import ConditionsError

_NUMBERS = re.compile(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*")


class Interval(NamedTuple):
    """Runs from a first to a final one, both included; -1 as a final number means without end.

    >>> str(Interval()), Interval(0, 5, 0, -1).contains(0, 12), Interval(0, 5, 0, -1).contains(0, 4)
    ('0,0,-1,-1', True, False)
    """

    first_experiment: int = 0
    """First experiment."""
    first_run: int = 0
    """First run of the first experiment."""
    final_experiment: int = -1
    """Final experiment, -1 = all following ones."""
    final_run: int = -1
    """Final run of the final experiment, -1 = all its runs."""

    def __str__(self) -> str:
        return f"{self.first_experiment},{self.first_run},{self.final_experiment},{self.final_run}"

    def contains(self, experiment: int, run: int) -> bool:
        """Whether the payload holds for that run (the condition of basf2's metadata providers)."""
        if (experiment, run) < (self.first_experiment, self.first_run):
            return False
        if self.final_experiment < 0 or experiment < self.final_experiment:
            return True
        return experiment == self.final_experiment and (self.final_run < 0 or run <= self.final_run)


ALWAYS = Interval()


def parse_interval(text: str) -> Interval:
    """An interval from ``firstExp,firstRun,finalExp,finalRun``.

    >>> parse_interval("7,0,7,-1")
    Interval(first_experiment=7, first_run=0, final_experiment=7, final_run=-1)

    Raises
    ------
    ConditionsError
        Not four integers, or an interval without any run.
    """
    match = _NUMBERS.fullmatch(text)
    if match is None:
        raise ConditionsError(
            f"interval of validity '{text}': expected firstExp,firstRun,finalExp,finalRun, for example 0,0,-1,-1"
        )
    return check_interval(Interval(*(int(number) for number in match.groups())))


def check_interval(interval: Interval) -> Interval:
    """The interval itself, if it holds for at least one run.

    Raises
    ------
    ConditionsError
        It begins before run 0 of experiment 0 or ends before it begins.
    """
    if interval.first_experiment < 0 or interval.first_run < 0:
        raise ConditionsError(f"interval of validity {interval}: the first experiment and run are 0 or more")
    is_reversed = 0 <= interval.final_experiment < interval.first_experiment or (
        interval.final_experiment == interval.first_experiment and 0 <= interval.final_run < interval.first_run
    )
    if is_reversed:
        raise ConditionsError(f"interval of validity {interval}: ends before it begins")
    return interval
