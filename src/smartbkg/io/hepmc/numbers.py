"""Decimal text to the nearest double, compiled: what Python's ``float`` gives, at a fraction of its time.

Numbers of few digits are exact in one operation (W. D. Clinger, doi:10.1145/93542.93557). Longer ones are multiplied in
pairs of doubles (T. J. Dekker, doi:10.1007/BF01397083), and the error of that says whether the nearest double is
certain; where it is not (about one in a thousand numbers of more than 19 digits, and exact halves), the caller asks
Python.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from smartbkg.compilation import part

_PLUS, _MINUS, _DOT, _ZERO, _NINE, _SMALL_E = (ord(letter) for letter in "+-.09e")
_NAN, _INF = (sum(ord(letter) << 8 * (2 - place) for place, letter in enumerate(word)) for word in ("nan", "inf"))

#: Powers of ten as the nearest double and what is missing, for exponents of which neither overflows.
_LARGEST_POWER: Final = 280
_HIGH: Final = np.array([float(Fraction(10) ** k) for k in range(-_LARGEST_POWER, _LARGEST_POWER + 1)])
_LOW: Final = np.array(
    [float(Fraction(10) ** (k - _LARGEST_POWER) - Fraction(float(high))) for k, high in enumerate(_HIGH)]
)
_EXACT_POWERS: Final = 10.0 ** np.arange(23)
_EXACT_MANTISSA: Final = 1 << 53
_MOST_DIGITS: Final = 19  # fit into 64 bits
_LARGEST_EXPONENT: Final = np.int64(100000)  # larger ones mean the same: 0 or infinity
_SPLITTER: Final = 134217729.0  # 2**27 + 1
#: Relative errors of the product of pairs, and of a mantissa of which digits were left out; both generously rounded up.
_ERROR: Final = 2.0**-98
_ERROR_WHEN_CUT: Final = 2.0**-58


@part
def _scaled(mantissa, power, is_cut):  # type: ignore[no-untyped-def]
    """mantissa·10^power rounded to the nearest double, and whether that is certain."""
    if not is_cut and mantissa < _EXACT_MANTISSA and -22 <= power <= 22:
        value = np.float64(mantissa)
        return (value / _EXACT_POWERS[-power] if power < 0 else value * _EXACT_POWERS[power]), True
    if power < -_LARGEST_POWER or power > _LARGEST_POWER:
        return 0.0, False
    high = np.float64(mantissa)
    low = np.float64(np.int64(mantissa - np.uint64(high)))
    factor, rest = _HIGH[power + _LARGEST_POWER], _LOW[power + _LARGEST_POWER]
    product = high * factor
    if not 1e-280 < product < 1e280:
        return 0.0, False
    scaled = _SPLITTER * high
    first = scaled - (scaled - high)
    second = high - first
    scaled = _SPLITTER * factor
    third = scaled - (scaled - factor)
    fourth = factor - third
    error = ((first * third - product) + first * fourth + second * third) + second * fourth
    error += high * rest + low * factor
    nearest = product + error
    remainder = error - (nearest - product)
    doubt = nearest * (_ERROR_WHEN_CUT if is_cut else _ERROR)
    return nearest, nearest + (remainder + doubt) == nearest and nearest + (remainder - doubt) == nearest


@part
def parse_number(text, position, stop):  # type: ignore[no-untyped-def]
    """The number that begins here: value, position behind it (-1 if there is none), whether the value is certain."""
    sign = 1.0
    if text[position] == _MINUS or text[position] == _PLUS:
        sign = -1.0 if text[position] == _MINUS else 1.0
        position += 1
    mantissa = np.uint64(0)
    exponent, n_digits, n_significant, has_point, is_cut = np.int64(0), 0, 0, False, False
    while position < stop:
        letter = text[position]
        if _ZERO <= letter <= _NINE:
            n_digits += 1
            if n_significant < _MOST_DIGITS:
                mantissa = mantissa * np.uint64(10) + np.uint64(letter - _ZERO)
                n_significant += mantissa != 0
                exponent -= has_point
            else:
                is_cut = is_cut or letter != _ZERO
                exponent += not has_point
        elif letter == _DOT and not has_point:
            has_point = True
        else:
            break
        position += 1
    if n_digits == 0:
        word = np.int64(0)
        for k in range(position, min(position + 3, stop)):
            word = word * 256 + np.int64(text[k] | 32)
        if word == _NAN:
            return np.nan, position + 3, True
        return (sign * np.inf, position + 3, True) if word == _INF else (0.0, np.int64(-1), True)
    if position < stop and text[position] | 32 == _SMALL_E:
        position += 1
        is_negative = position < stop and text[position] == _MINUS
        if position < stop and (text[position] == _MINUS or text[position] == _PLUS):
            position += 1
        power, first = np.int64(0), position
        while position < stop and _ZERO <= text[position] <= _NINE:
            power = min(10 * power + np.int64(text[position] - _ZERO), _LARGEST_EXPONENT)
            position += 1
        if position == first:
            return 0.0, np.int64(-1), True
        exponent += -power if is_negative else power
    if mantissa == 0:
        return sign * 0.0, position, True
    value, is_certain = _scaled(mantissa, exponent, is_cut)
    return sign * value, position, is_certain


@part
def parse_integer(text, position, stop):  # type: ignore[no-untyped-def]
    """The whole number of 64 bits that begins here, and the position behind it; -1 if there is none."""
    is_negative = text[position] == _MINUS
    if text[position] == _MINUS or text[position] == _PLUS:
        position += 1
    first, value = position, np.int64(0)
    while position < stop and _ZERO <= text[position] <= _NINE:
        digit = np.int64(text[position] - _ZERO)
        if value < (np.iinfo(np.int64).min + digit) // 10 + ((np.iinfo(np.int64).min + digit) % 10 != 0):
            return np.int64(0), np.int64(-1)
        value = 10 * value - digit  # downwards: the lowest number has no positive counterpart
        position += 1
    if position == first or (not is_negative and value == np.iinfo(np.int64).min):
        return np.int64(0), np.int64(-1)
    return (value if is_negative else -value), position


__all__ = ["parse_integer", "parse_number"]
