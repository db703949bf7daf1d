"""HepMC ASCII text to numbers: which lines there are, what stands in them, and what is wrong with them. Compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part

#: What can be wrong with the text of an event.
FLAWS: Final = {
    1: "a line is cut short, too long, or holds a number that cannot be read",
    2: "a line begins with an unknown letter",
    3: "fewer or more particles than announced",
    4: "fewer or more vertices than announced",
    5: "a particle or vertex refers to one that is not in the event",
    6: "the decay tree is cyclic",
    7: "particles or vertices are not numbered as the format says",
    8: "a particle ends in two vertices",
    9: "units are not MEV or GEV and MM or CM",
    10: "the event does not begin with one line E",
}
(
    BAD_LINE,
    UNKNOWN_LETTER,
    WRONG_PARTICLES,
    WRONG_VERTICES,
    LOST_REFERENCE,
    CYCLIC,
    WRONG_NUMBERING,
    TWO_ENDS,
    UNKNOWN_UNITS,
    NO_HEAD,
) = FLAWS

#: The letters that lines begin with, then others that matter.
EVENT, PARTICLE, VERTEX, WEIGHTS, UNIT, _A, _N, _T, _C, _H, _F = (ord(letter) for letter in "EPVWUANTCHF")
_NEWLINE, _RETURN, _TAB, _SPACE = 10, 13, 9, 32
_PLUS, _MINUS, _DOT, _ZERO, _NINE = (ord(letter) for letter in "+-.09")
_SMALL_E, _AT, _OPEN, _CLOSE, _COMMA = (ord(letter) for letter in "e@[],")
_POWERS: Final = 10.0 ** np.arange(23)  # those that are exact
#: Attributes of particles by which our writer keeps what HepMC has no place for, and the tags of such lines here.
_STATUS_NAME: Final = np.frombuffer(b"smartbkg_status ", dtype=np.uint8)
_PLACE_NAME: Final = np.frombuffer(b"smartbkg_vertex ", dtype=np.uint8)
STATUS_TAG, PLACE_TAG = ord("s"), ord("p")


@dataclass(frozen=True)
class Lines:
    """The lines of a piece of text that hold numbers."""

    tag: NDArray[np.uint8]
    event: NDArray[np.int64]
    position: NDArray[np.int64]
    """Where in the text each line begins."""
    first: NDArray[np.int64]
    """(n_lines + 1,) line i owns ``numbers[first[i]:first[i + 1]]``."""
    n_before_at: NDArray[np.int64]
    """How many of its numbers stand before an ``@``; -1 where there is no ``@``."""
    numbers: NDArray[np.float64]

    def where(self, tag: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.tag == tag)

    def table(self, lines: NDArray[np.int64], n_columns: int) -> NDArray[np.float64]:
        """(n_lines, n_columns) first numbers of the lines; NaN behind the end of a line."""
        index = self.first[lines][:, None] + np.arange(n_columns)
        is_there = index < self.first[lines + 1][:, None]
        return np.where(is_there, self.numbers[np.minimum(index, len(self.numbers) - 1)], np.nan)

    def length(self, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self.first[lines + 1] - self.first[lines])


class Flaws:
    """The first flaw found in each event."""

    def __init__(self, n_events: int) -> None:
        self.flaw = np.zeros(n_events, dtype=np.int64)
        self.position = np.zeros(n_events, dtype=np.int64)

    def at_lines(self, lines: Lines, wrong: NDArray[np.int64], flaw: int) -> None:
        """Note a flaw at some lines."""
        events, first = np.unique(lines.event[wrong], return_index=True)
        is_new = self.flaw[events] == 0
        self.flaw[events[is_new]] = flaw
        self.position[events[is_new]] = lines.position[wrong[first[is_new]]]

    def at_events(self, is_wrong: NDArray[np.bool_], flaw: int, starts: NDArray[np.int64]) -> None:
        """Note a flaw of whole events."""
        is_new = is_wrong & (self.flaw == 0)
        self.flaw[is_new] = flaw
        self.position[is_new] = starts[is_new]


@part
def _number(text, position, stop):  # type: ignore[no-untyped-def]
    """The number that begins here, to one unit in the last place, and the position behind it; -1 if there is none."""
    sign = 1.0
    if text[position] == _MINUS or text[position] == _PLUS:
        sign = -1.0 if text[position] == _MINUS else 1.0
        position += 1
    mantissa = np.int64(0)
    exponent, n_digits, n_significant, has_point = np.int64(0), 0, 0, False
    while position < stop:
        letter = text[position]
        if _ZERO <= letter <= _NINE:
            n_digits += 1
            if n_significant < 18:
                mantissa = mantissa * 10 + np.int64(letter - _ZERO)
                n_significant += mantissa != 0
                exponent -= has_point
            else:
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
        if word == 0x6E616E:  # nan
            return np.nan, position + 3
        return (sign * np.inf, position + 3) if word == 0x696E66 else (0.0, -1)
    if position < stop and text[position] | 32 == _SMALL_E:
        position += 1
        is_negative = position < stop and text[position] == _MINUS
        if position < stop and (text[position] == _MINUS or text[position] == _PLUS):
            position += 1
        power, first = np.int64(0), position
        while position < stop and _ZERO <= text[position] <= _NINE and position - first < 4:
            power = 10 * power + np.int64(text[position] - _ZERO)
            position += 1
        if position == first or power > 400:
            return 0.0, -1
        exponent += -power if is_negative else power
    value = np.float64(mantissa)
    if exponent < 0 and mantissa != 0:
        value = value / _POWERS[-exponent] if exponent >= -22 else value * 10.0 ** (exponent + 22) / _POWERS[22]
    elif exponent > 0 and mantissa != 0:
        value = value * _POWERS[exponent] if exponent <= 22 else value * _POWERS[22] * 10.0 ** (exponent - 22)
    return sign * value, position


@part
def _begins_with(text, position, stop, word):  # type: ignore[no-untyped-def]
    if position + len(word) > stop:
        return False
    for k in range(len(word)):  # noqa: SIM110 - compiled code knows no generators
        if text[position + k] != word[k]:
            return False
    return True


@kernel
def _read_lines(  # type: ignore[no-untyped-def]
    text, starts, stops, tags, events, positions, firsts, n_before_at, numbers, flaw, flaw_position
):
    """Fill the columns of `Lines` and each event's first flaw in a line; the number of lines."""
    line, n = 0, 0
    for event in range(len(starts)):
        position = starts[event]
        while position < stops[event] and flaw[event] == 0:
            stop = position
            while stop < stops[event] and text[stop] != _NEWLINE:
                stop += 1
            begin, tag, wrong = position, text[position], 0
            tags[line], events[line], positions[line], firsts[line], n_before_at[line] = tag, event, begin, n, -1
            position += 1
            if stop == begin or tag == _RETURN:
                position = stop + 1
                continue
            if position < stop and text[position] != _SPACE and text[position] != _RETURN:
                wrong = UNKNOWN_LETTER
            elif tag == _A:  # only two attributes are read: others may hold anything
                space = position + 1
                while space < stop and text[space] != _SPACE:
                    space += 1
                if _begins_with(text, space + 1, stop, _STATUS_NAME):
                    tag = STATUS_TAG
                elif _begins_with(text, space + 1, stop, _PLACE_NAME):
                    tag = PLACE_TAG
                if tag != _A:
                    numbers[n], behind = _number(text, position + 1, space)
                    wrong = 0 if behind == space else BAD_LINE
                    n += 1
                    position = space + 1 + len(_STATUS_NAME)
                    tags[line] = tag
            elif tag == UNIT:
                for unit in range(2):
                    while position < stop and text[position] == _SPACE:
                        position += 1
                    n_letters = 0
                    word = np.int64(0)
                    while position < stop and text[position] > _SPACE and n_letters < 4:
                        word = word << 8 | np.int64(text[position])
                        position += 1
                        n_letters += 1
                    if unit == 0:
                        numbers[n] = 1.0 if word == 0x474556 else (1e-3 if word == 0x4D4556 else 0.0)
                    else:
                        numbers[n + 1] = 1.0 if word == 0x434D else (0.1 if word == 0x4D4D else 0.0)
            elif tag not in (EVENT, PARTICLE, VERTEX, WEIGHTS, _N, _T, _C, _H, _F):
                wrong = UNKNOWN_LETTER
            if tag == UNIT:
                n += 2
            elif tag in (EVENT, PARTICLE, VERTEX, WEIGHTS, STATUS_TAG, PLACE_TAG):
                depth = 0
                while position < stop and wrong == 0:
                    letter = text[position]
                    if letter in (_SPACE, _COMMA, _RETURN, _TAB):
                        position += 1
                    elif letter in (_OPEN, _CLOSE):
                        depth += 1 if letter == _OPEN else -1
                        position += 1
                    elif letter == _AT:
                        n_before_at[line] = n - firsts[line]
                        position += 1
                    else:
                        numbers[n], position = _number(text, position, stop)
                        n += 1
                        if position < 0 or (
                            position < stop
                            and not (text[position] <= _SPACE or text[position] == _COMMA or text[position] == _CLOSE)
                        ):
                            wrong = BAD_LINE
                if wrong == 0 and depth != 0:
                    wrong = BAD_LINE
            if wrong != 0:
                flaw[event], flaw_position[event] = wrong, begin
            line += 1
            position = stop + 1
    firsts[line] = n
    return line


def read_lines(text: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64], flaws: Flaws) -> Lines:
    capacity = text.count(b"\n") + len(starts) + 1
    tag = np.empty(capacity, dtype=np.uint8)
    event, position, first, n_before_at = (np.empty(capacity + 1, dtype=np.int64) for _ in range(4))
    numbers = np.empty(len(text) // 2 + 2)  # no text holds more numbers; memory that is not used is not taken
    read: Any = _read_lines
    n = read(
        np.frombuffer(text, dtype=np.uint8), starts, stops, tag, event, position, first, n_before_at, numbers,
        flaws.flaw, flaws.position,
    )  # fmt: skip
    numbers[first[n]] = np.nan  # one more than there are, so that there is always one to point at
    return Lines(tag[:n], event[:n], position[:n], first[: n + 1], n_before_at[:n], numbers[: first[n] + 1])
