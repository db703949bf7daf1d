"""Numbers in text become the nearest doubles, those that Python reads."""

import random
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smartbkg.io.hepmc.lines import Flaws, read_lines


def parsed(words: list[str]) -> NDArray[np.float64]:
    """The words as the reader of HepMC reads them, as weights of one event."""
    text = ("W " + " ".join(words) + "\n").encode()
    flaws = Flaws(1)
    lines: Any = read_lines(text, np.array([0]), np.array([len(text)]), flaws)
    assert not flaws.flaw.any()
    return np.asarray(lines.numbers[:-1])


@pytest.mark.parametrize("form", ["%.15g", "%.16e", "%.17e", "%.18e", "%.22e", "%.12f", "%.9g"])
def test_numbers_of_any_length_are_rounded_right(form: str) -> None:
    random_numbers = np.random.default_rng(1)
    values = random_numbers.normal(size=4000) * 10.0 ** random_numbers.integers(-8, 8, 4000)
    words = [form % value for value in values.tolist()]
    np.testing.assert_array_equal(parsed(words), [float(word) for word in words])


def test_numbers_of_any_size_are_rounded_right() -> None:
    values = np.frombuffer(random.Random(1).randbytes(8 * 4000), dtype=np.float64)
    words = [repr(value) for value in values[np.isfinite(values)].tolist()]
    words += ["0", "-0.0", "+3.25", ".5", "5.", "1e400", "-1e400", "1e-400", "4.9e-324", "2.2250738585072011e-308",
              "1.7976931348623157e308", "9007199254740993", "18446744073709551615", "1e22", "1e23", "8.5",
              "123456789012345678901234567890", "0" * 40 + "1.5"]  # fmt: skip
    np.testing.assert_array_equal(parsed(words), [float(word) for word in words])


def test_numbers_beside_the_middle_of_two_doubles_are_rounded_right() -> None:
    words = []
    for value in np.random.default_rng(2).normal(size=600).tolist():
        middle = (Decimal(value) + Decimal(float(np.nextafter(value, np.inf)))) / 2
        words += [f"{middle:.{digits}e}" for digits in (17, 19, 25, 60)]
    np.testing.assert_array_equal(parsed(words), [float(word) for word in words])
